import GraphIR
import Operators
import PassKit
import Tensors

/// A value that is a rotation of pairs of elements of another: for partners i and j of the last axis
/// `y[i] = x[i] * c - x[j] * s` and `y[j] = x[j] * c + x[i] * s`.
///
/// However it is spelled: only the products that each element is the sum of count, and which elements they are made of.
struct Rotation {
  let input: ValueID
  /// How many axes of the input the last axis of the result is made of.
  let trailing: Int
  /// Elements of the last axis that turn; those behind them are handed through.
  let rotated: Int
  let size: Int
  /// Partners stand side by side, not half of `rotated` apart.
  let isInterleaved: Bool
  /// One number for each pair.
  let cosine: Table
  let sine: Table
  /// The sine enters with the other sign: the rotation goes backwards.
  let isBackward: Bool
  let covers: [NodeID]

  /// Some of the elements of the last `trailing` axes of a value, in order.
  struct Table {
    let value: ValueID
    let trailing: Int
    let columns: [Int]

    /// The value's dimensions with those axes as one.
    func dimensions(_ context: PassContext) -> [Dim]? {
      guard let shape = context.shape(value), shape.count >= trailing else { return nil }
      return shape.dropLast(trailing) + [shape.suffix(trailing).reduce(1, *)]
    }
  }

  private typealias Factor = RotationTerms.Factor

  /// One rotated element: the factors of x at its own place and of its partner.
  private struct Pair {
    var own: Factor
    var other: Factor
    var ownIsNegative: Bool
    var otherIsNegative: Bool
  }

  /// The result's dimensions, with the axes that turn as one.
  let shape: [Dim]
  /// How many axes of the result those are: 2 where the pairs are an axis of their own.
  let resultTrailing: Int

  /// nil where `result` is none. Throws where only a guard fails.
  init?(_ result: ValueID, trailing resultTrailing: Int = 1, in context: PassContext) throws {
    guard let id = context.graph.producer(result), let own = context.shape(result), own.count >= resultTrailing,
      let size = own.suffix(resultTrailing).reduce(1, *).value, size >= 2
    else { return nil }
    let shape = Array(own.dropLast(resultTrailing)) + [Dim(size)]
    (self.shape, self.resultTrailing) = (shape, resultTrailing)
    let region = context.graph[id].region
    let terms = RotationTerms(context, region: region)
    guard let sums = try terms.sums(result, resultTrailing), sums.count == size else { return nil }
    let rotated = sums.prefix { $0.count == 2 && $0.allSatisfy { $0.b != nil } }.count
    guard rotated >= 2, rotated % 2 == 0, sums[rotated...].allSatisfy({ $0.count == 1 && $0[0].b == nil }) else {
      return nil
    }
    var found: (base: Factor, isInterleaved: Bool, pairs: [Pair])?
    for base in Self.candidates(sums[0]) where found == nil {
      for isInterleaved in rotated == 2 ? [false] : [false, true] where found == nil {
        if let pairs = Self.pairs(sums, base: base, rotated: rotated, isInterleaved: isInterleaved) {
          found = (base, isInterleaved, pairs)
        }
      }
    }
    guard let found else { return nil }
    let (isInterleaved, pairs, half) = (found.isInterleaved, found.pairs, rotated / 2)
    let wanted = (0..<size).map {
      Factor(value: found.base.value, trailing: found.base.trailing, index: found.base.index + $0)
    }
    guard let (input, trailing) = terms.value(holding: wanted),
      context.shape(input)?.dropLast(trailing) == shape.dropLast()
    else {
      throw Refusal("the rotated elements are no value of their own, of the shape of the result", at: id)
    }
    // From here on it is a rotation, or a guard says why not.
    let firsts = (0..<half).map { isInterleaved ? 2 * $0 : $0 }
    let seconds = (0..<half).map { isInterleaved ? 2 * $0 + 1 : $0 + half }
    let identity = ElementIdentity(context, region: region)
    func same(_ what: String, _ i: Factor, _ iNegative: Bool, _ j: Factor, _ jNegative: Bool) throws -> Bool {
      if i == j { return iNegative == jNegative }
      guard let a = try identity.of(i.value, trailing: i.trailing),
        let b = try identity.of(j.value, trailing: j.trailing),
        a[i.index].number == b[j.index].number
      else {
        throw Refusal(
          "elements \(i.index) and \(j.index) of the \(what) \(context.graph[i.value].name) are not known to be equal",
          at: context.graph.producer(i.value) ?? id)
      }
      return (a[i.index].isNegative != iNegative) == (b[j.index].isNegative != jNegative)
    }
    for k in 0..<half {
      let (p, q) = (pairs[firsts[k]], pairs[seconds[k]])
      guard try same("cosine", p.own, p.ownIsNegative, q.own, q.ownIsNegative),
        try !same("sine", p.other, p.otherIsNegative, q.other, q.otherIsNegative)
      else { throw Refusal("the signs are those of a reflection, not of a rotation", at: id) }
    }
    let isBackward = !pairs[firsts[0]].otherIsNegative
    guard firsts.allSatisfy({ !pairs[$0].ownIsNegative && pairs[$0].otherIsNegative != isBackward }) else {
      throw Refusal("the pairs do not all turn the same way", at: id)
    }
    func table(_ what: String, _ list: [Factor]) throws -> Table {
      if let (value, trailing) = terms.value(holding: list) {
        return Table(value: value, trailing: trailing, columns: Array(0..<half))
      }
      guard let first = list.first, list.allSatisfy({ $0.value == first.value && $0.trailing == first.trailing }) else {
        throw Refusal("the \(what) is put together from several values", at: id)
      }
      return Table(value: first.value, trailing: first.trailing, columns: list.map(\.index))
    }
    self.input = input
    self.trailing = trailing
    (self.rotated, self.size, self.isInterleaved, self.isBackward) = (rotated, size, isInterleaved, isBackward)
    cosine = try table("cosine", firsts.map { pairs[$0].own })
    sine = try table("sine", firsts.map { pairs[$0].other })
    covers = [id] + terms.nodes.subtracting([id]).sorted()
  }

  /// What x may be: a value that both products of the first element hold an element of, from its first rotated element on.
  private static func candidates(_ terms: [RotationTerms.Term]) -> [Factor] {
    var result: [Factor] = []
    for a in [terms[0].a, terms[0].b].compactMap({ $0 }) {
      for b in [terms[1].a, terms[1].b].compactMap({ $0 }) where a.value == b.value && a.trailing == b.trailing {
        guard a.index != b.index else { continue }
        result.append(a.index < b.index ? a : b)
      }
    }
    return result
  }

  private static func pairs(
    _ sums: [[RotationTerms.Term]], base: Factor, rotated: Int, isInterleaved: Bool
  ) -> [Pair]? {
    let half = rotated / 2
    func place(_ factor: Factor?) -> Int? {
      guard let factor, factor.value == base.value, factor.trailing == base.trailing else { return nil }
      return factor.index - base.index
    }
    var result: [Pair] = []
    for (i, terms) in sums.enumerated() {
      if i >= rotated {
        guard place(terms[0].a) == i, !terms[0].isNegative else { return nil }
        continue
      }
      let j = isInterleaved ? i ^ 1 : (i < half ? i + half : i - half)
      var pair: (own: (Factor, Bool)?, other: (Factor, Bool)?) = (nil, nil)
      for term in terms {
        guard let b = term.b else { return nil }
        let (own, rest): (Bool, Factor)
        switch (Self.isOne(place(term.a), of: [i, j]), Self.isOne(place(b), of: [i, j])) {
        case (true, _): (own, rest) = (term.a.index - base.index == i, b)
        case (false, true): (own, rest) = (b.index - base.index == i, term.a)
        default: return nil
        }
        if own { pair.own = (rest, term.isNegative) } else { pair.other = (rest, term.isNegative) }
      }
      guard let own = pair.own, let other = pair.other else { return nil }
      result.append(
        Pair(own: own.0, other: other.0, ownIsNegative: own.1, otherIsNegative: other.1))
    }
    return result
  }

  private static func isOne(_ place: Int?, of list: [Int]) -> Bool { place.map { list.contains($0) } ?? false }
}
