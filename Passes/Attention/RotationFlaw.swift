import GraphIR
import Operators
import PassKit
import Tensors

/// Says what is wrong with sums that look like a rotation, x * cos + (x with its elements exchanged) * sin, but are none.
struct RotationFlaw {
  typealias Factor = RotationTerms.Factor
  typealias Term = RotationTerms.Term

  let context: PassContext
  let node: NodeID
  let region: RegionID
  let sums: [[Term]]

  /// The sentence; nil where the sums do not look like one.
  func refusal() throws -> Refusal? {
    let rotated = sums.prefix { $0.count == 2 && $0.allSatisfy { $0.b != nil } }.count
    guard rotated >= 2 else { return nil }
    if let refusal = otherOrder(rotated) ?? otherValue(rotated) ?? otherAxis() { return refusal }
    return nil
  }

  private func name(_ value: ValueID) -> String { context.graph[value].name }

  private func refusal(_ sentence: String) -> Refusal { Refusal(sentence, at: node) }

  private func factors(_ term: Term) -> [Factor] { [term.a, term.b].compactMap { $0 } }

  // MARK: Another partner

  /// Both products hold elements of one value, an element's own among them, but its partner is not the one that turns with it.
  private func otherOrder(_ rotated: Int) -> Refusal? {
    for first in factors(sums[0][0]) {
      guard let partners = partners(rotated, of: first.source) else { continue }
      let hasMinus = sums[..<rotated].contains { $0[0].isNegative != $0[1].isNegative }
      if partners.enumerated().allSatisfy({ $0 == $1 }) {
        guard hasMinus, rotated == sums.count else { return nil }
        return refusal(
          "element 0 of \(name(first.value)) turns with itself: the halves are not exchanged in what the sine multiplies"
        )
      }
      if rotated % 2 != 0 {
        return refusal("\(rotated) elements of \(name(first.value)) turn, pairs need an even number")
      }
      let half = rotated / 2
      let isHalves = partners.enumerated().allSatisfy { $1 == ($0 < half ? $0 + half : $0 - half) }
      let isNeighbours = partners.enumerated().allSatisfy { $1 == $0 ^ 1 }
      if isHalves || isNeighbours {
        guard let rest = sums.indices.dropFirst(rotated).first(where: { !isPassed($0, of: first.source) }) else {
          return nil
        }
        return refusal(
          "element \(rest) of the result is neither turned like the \(rotated) before it nor element \(rest) of \(name(first.value)) as it is"
        )
      }
      guard let wrong = partners.indices.first(where: { partners[$0] != ($0 < half ? $0 + half : $0 - half) }) else {
        return nil
      }
      let wanted = wrong < half ? wrong + half : wrong - half
      return refusal(
        "element \(wrong) of \(name(first.value)) turns with element \(partners[wrong]), half of \(rotated) elements away is element \(wanted) and beside it \(wrong ^ 1)"
      )
    }
    return nil
  }

  /// For each rotated element of `source` the other one that it is made of; nil where it is not made of itself and another.
  private func partners(_ rotated: Int, of source: Factor) -> [Int]? {
    var base: Int?
    var list: [(Int, Int)] = []
    for (i, terms) in sums[..<rotated].enumerated() {
      let places = terms.map { factors($0).filter { $0.source == source }.map(\.index) }
      guard let a = places[0].first, let b = places[1].first else { return nil }
      list.append((a, b))
      if i == 0 { base = min(a, b) }
    }
    guard let base else { return nil }
    // Partners outside are those of one half of a rotation, which is looked at as a whole.
    guard list.allSatisfy({ max($0.0, $0.1) - base < rotated }) else { return nil }
    var result: [Int] = []
    for (i, (a, b)) in list.enumerated() {
      if a - base == i {
        result.append(b - base)
      } else if b - base == i {
        result.append(a - base)
      } else {
        return nil
      }
    }
    return result
  }

  private func isPassed(_ index: Int, of source: Factor) -> Bool {
    sums[index].count == 1 && sums[index][0].b == nil && !sums[index][0].isNegative
      && sums[index][0].a.source == source && sums[index][0].a.index == index
  }

  // MARK: Another value

  /// The elements beside the cosine are those of one value, the exchanged ones beside the sine those of another.
  private func otherValue(_ rotated: Int) -> Refusal? {
    guard rotated % 2 == 0, rotated > 2 else { return nil }
    let half = rotated / 2
    for k in [0, 1] {
      for own in factors(sums[0][k]) {
        for other in factors(sums[0][1 - k]) where other.source != own.source && other.index != own.index {
          guard let shape = context.shape(own.value), context.shape(other.value) == shape,
            own.trailing == other.trailing
          else { continue }
          func holds(_ partner: (Int) -> Int) -> Bool {
            sums[..<rotated].enumerated().allSatisfy { i, terms in
              terms.contains { factors($0).contains { $0.source == own.source && $0.index == own.index + i } }
                && terms.contains {
                  factors($0).contains { $0.source == other.source && $0.index == own.index + partner(i) }
                }
            }
          }
          guard holds({ $0 < half ? $0 + half : $0 - half }) || holds({ $0 ^ 1 }) else { continue }
          return refusal(
            "the elements that the cosine multiplies are those of \(name(own.value)), the exchanged halves those of \(name(other.value))"
          )
        }
      }
    }
    return nil
  }

  // MARK: Another axis

  /// What the sine multiplies is put together along another axis from x and its negative.
  private func otherAxis() -> Refusal? {
    let graph = context.graph
    for k in [0, 1] {
      for turned in factors(sums[0][k]) {
        guard let id = graph.producer(turned.value), graph[id].is("Concat"), graph[id].region == region,
          let axis = try? AttributeReader(graph[id]).int("axis"), let shape = context.shape(turned.value)
        else { continue }
        let parts = graph[id].inputs.compactMap { $0 }
        guard parts.count == 2, parts.contains(where: { isNegated($0) }) else { continue }
        let sources = Set(parts.map { source($0) })
        guard sources.count == 1, let source = sources.first,
          factors(sums[0][1 - k]).contains(where: { $0.value == source })
        else { continue }
        return refusal(
          "the halves of \(name(source)) are exchanged along axis \(axis < 0 ? axis + shape.count : axis) of \(shape), RotaryEmbedding turns pairs of the last axis"
        )
      }
    }
    return nil
  }

  private func isNegated(_ value: ValueID) -> Bool {
    context.graph.producer(value).map { context.graph[$0].is("Neg") } ?? false
  }

  /// What a part was cut out of.
  private func source(_ value: ValueID) -> ValueID {
    var current = value
    for _ in 0..<4 {
      guard let id = context.graph.producer(current),
        ["Neg", "Slice", "Split", "Gather"].contains(context.graph[id].type),
        context.graph[id].domain.isEmpty, let input = context.graph[id].input(0)
      else { break }
      current = input
    }
    return current
  }
}
