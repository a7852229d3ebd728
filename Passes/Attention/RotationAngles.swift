import GraphIR
import Operators
import PassKit
import Tensors

/// Proves that the two elements of a pair turn by the same number, or says which numbers differ.
struct RotationAngles {
  typealias Factor = RotationTerms.Factor

  private let context: PassContext
  private let identity: ElementIdentity
  private let node: NodeID
  private let isInterleaved: Bool

  init(_ context: PassContext, region: RegionID, node: NodeID, isInterleaved: Bool) {
    (self.context, self.node, self.isInterleaved) = (context, node, isInterleaved)
    identity = ElementIdentity(context, region: region)
  }

  /// True where two factors are the same number with the same sign, false with the other sign. Throws a `Refusal` where they
  /// are not known to be; `all` are the factors of the whole part that turns.
  func areSame(
    _ what: String, _ i: Factor, _ iIsNegative: Bool, _ j: Factor, _ jIsNegative: Bool, in all: () -> [Factor]
  ) throws -> Bool {
    if i == j { return iIsNegative == jIsNegative }
    guard i.type == j.type, let a = try element(i), let b = try element(j), a.number == b.number else {
      throw try refusal(what, i, j, all())
    }
    return (a.isNegative != iIsNegative) == (b.isNegative != jIsNegative)
  }

  private func element(_ factor: Factor) throws -> ElementIdentity.Element? {
    try identity.of(factor.value, trailing: factor.trailing)?[factor.index]
  }

  private func refusal(_ what: String, _ i: Factor, _ j: Factor, _ all: [Factor]) throws -> Refusal {
    let name = context.graph[i.value].name
    let place = context.graph.producer(i.value) ?? node
    let numbers = try all.map { try element($0)?.number }
    let half = numbers.count / 2
    let arePaired =
      isInterleaved
      ? (0..<half).allSatisfy { numbers[$0] == numbers[$0 + half] }
      : (0..<half).allSatisfy { numbers[2 * $0] == numbers[2 * $0 + 1] }
    if half > 1, arePaired, !numbers.contains(nil) {
      let (angles, elements) = isInterleaved ? ("halves", "neighbours") : ("neighbours", "halves")
      return Refusal(
        "the \(what) \(name) is made for pairs of \(angles), the elements that turn together are paired as \(elements)",
        at: place)
    }
    if let a = try element(i).flatMap({ identity.column($0.number) }),
      let b = try element(j).flatMap({ identity.column($0.number) }),
      let (row, x, y) = try difference(a.table, a.index, b.table, b.index)
    {
      return Refusal(
        "columns \(a.index) and \(b.index) of the \(what)'s table \(context.graph[a.table].name), which turn one pair, differ: \(x) and \(y) in row \(row)",
        at: place)
    }
    return Refusal("elements \(i.index) and \(j.index) of the \(what) \(name) are not known to be equal", at: place)
  }

  /// The first row in which two columns of constants differ.
  private func difference(
    _ first: ValueID, _ column: Int, _ second: ValueID, _ other: Int
  ) throws -> (row: Int, Double, Double)? {
    guard let a = context.constant(first), let b = context.constant(second), a.rank > 0, b.rank > 0 else { return nil }
    let (width, otherWidth) = (a.shape[a.rank - 1], b.shape[b.rank - 1])
    guard width > column, otherWidth > other, a.count / width == b.count / otherWidth else { return nil }
    let (x, y) = (try ElementView<Double>(a), try ElementView<Double>(b))
    for row in 0..<a.count / width where x[row * width + column] != y[row * otherWidth + other] {
      return (row, x[row * width + column], y[row * otherWidth + other])
    }
    return nil
  }
}
