import GraphIR
import Operators
import PassKit
import Tensors

/// Which elements of x each rotated element is the sum of, and by what they are multiplied.
struct RotationPairs {
  typealias Factor = RotationTerms.Factor
  typealias Term = RotationTerms.Term

  /// One rotated element: the factors of x at its own place and of its partner.
  struct Pair {
    var own: Factor
    var other: Factor
    var ownIsNegative: Bool
    var otherIsNegative: Bool
  }

  /// The elements of x, in the result's order, those that do not turn included.
  let input: [Factor]
  /// Partners stand side by side, not half of the rotated part apart.
  let isInterleaved: Bool
  let pairs: [Pair]

  /// nil where the first `rotated` of the sums are no pairs of elements of one value.
  init?(_ sums: [[Term]], rotated: Int, _ terms: RotationTerms) {
    for (first, second) in Self.roots(sums[0]) where first.index != second.index {
      for order in terms.orders(of: first, atLeast: sums.count) {
        var places: [Int: Int] = [:]
        for (place, factor) in order.enumerated() { places[factor.index] = place }
        guard let a = places[first.index], let b = places[second.index], min(a, b) + sums.count <= order.count else {
          continue
        }
        let base = min(a, b)
        func place(_ factor: Factor?) -> Int? {
          guard let factor, factor.source == first.source else { return nil }
          return places[factor.index].map { $0 - base }
        }
        for isInterleaved in rotated == 2 ? [false] : [false, true] {
          guard let pairs = Self.pairs(sums, rotated, isInterleaved, place) else { continue }
          self.isInterleaved = isInterleaved
          self.pairs = pairs
          input = Array(order[base..<base + sums.count])
          return
        }
      }
    }
    return nil
  }

  /// What x may be: what both products of an element hold an element of.
  private static func roots(_ terms: [Term]) -> [(Factor, Factor)] {
    guard terms.count == 2 else { return [] }
    return [terms[0].a, terms[0].b].compactMap { $0 }.flatMap { a in
      [terms[1].a, terms[1].b].compactMap { $0 }.filter { $0.source == a.source }.map { (a, $0) }
    }
  }

  private static func pairs(
    _ sums: [[Term]], _ rotated: Int, _ isInterleaved: Bool, _ place: (Factor?) -> Int?
  ) -> [Pair]? {
    let half = rotated / 2
    var result: [Pair] = []
    for (i, terms) in sums.enumerated() {
      if i >= rotated {
        guard place(terms[0].a) == i, !terms[0].isNegative else { return nil }
        continue
      }
      let j = isInterleaved ? i ^ 1 : (i < half ? i + half : i - half)
      func isOne(_ place: Int?) -> Bool { place == i || place == j }
      var own: (Factor, Bool)?
      var other: (Factor, Bool)?
      for term in terms {
        guard let b = term.b else { return nil }
        let isFirst = isOne(place(term.a))
        guard isFirst || isOne(place(b)) else { return nil }
        let rest = isFirst ? b : term.a
        if place(isFirst ? term.a : b) == i { own = (rest, term.isNegative) } else { other = (rest, term.isNegative) }
      }
      guard let own, let other else { return nil }
      result.append(Pair(own: own.0, other: other.0, ownIsNegative: own.1, otherIsNegative: other.1))
    }
    return result
  }
}
