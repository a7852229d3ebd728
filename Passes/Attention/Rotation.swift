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
  /// What the input has to be converted to first.
  let inputType: DataType?
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
    /// The value's dimensions with those axes as one; no more than the result has.
    let dimensions: [Dim]
    /// What they are converted to.
    let type: DataType?
  }

  private typealias Factor = RotationTerms.Factor

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
    guard rotated >= 2, rotated % 2 == 0, sums[rotated...].allSatisfy({ $0.count == 1 && $0[0].b == nil }),
      let found = RotationPairs(sums, rotated: rotated, terms)
    else {
      // Parts of a sum are looked at again with the whole.
      let flaw = RotationFlaw(context: context, node: id, region: region, sums: sums)
      if let refusal = try flaw.refusal() { throw refusal }
      return nil
    }
    let (isInterleaved, pairs, half) = (found.isInterleaved, found.pairs, rotated / 2)
    guard let (input, trailing, type) = terms.input(holding: found.input) else {
      throw Refusal(
        "the rotated elements of \(context.graph[found.input[0].value].name) are no value of their own", at: id)
    }
    guard let given = context.shape(input)?.dropLast(trailing), given == shape.dropLast() else {
      let given = context.shape(input).map { "\($0)" } ?? "unknown"
      throw Refusal("the rotated value is \(given), the result \(own)", at: id)
    }
    // From here on it is a rotation, or a guard says why not.
    let firsts = (0..<half).map { isInterleaved ? 2 * $0 : $0 }
    let seconds = (0..<half).map { isInterleaved ? 2 * $0 + 1 : $0 + half }
    let angles = RotationAngles(context, region: region, node: id, isInterleaved: isInterleaved)
    for k in 0..<half {
      let (p, q) = (pairs[firsts[k]], pairs[seconds[k]])
      guard
        try angles.areSame(
          "cosine", p.own, p.ownIsNegative, q.own, q.ownIsNegative, in: { pairs.map(\.own) }),
        try !angles.areSame(
          "sine", p.other, p.otherIsNegative, q.other, q.otherIsNegative, in: { pairs.map(\.other) })
      else {
        let verb = p.otherIsNegative ? "subtract" : "add"
        throw Refusal(
          "elements \(firsts[k]) and \(seconds[k]) of \(context.graph[input].name) both \(verb) the other times the sine: the signs are those of a reflection, not of a rotation",
          at: id)
      }
    }
    let isBackward = !pairs[firsts[0]].otherIsNegative
    if let k = firsts.first(where: { pairs[$0].ownIsNegative || pairs[$0].otherIsNegative == isBackward }) {
      throw Refusal(
        "the pairs do not all turn the same way: the signs of element \(k) differ from those of element 0", at: id)
    }
    func table(_ what: String, _ list: [Factor]) throws -> Table? {
      func table(_ value: ValueID, _ trailing: Int, _ columns: [Int], _ type: DataType? = nil) -> Table? {
        guard let own = context.shape(value), own.count >= trailing, own.count - trailing < shape.count else {
          return nil
        }
        let dimensions: [Dim] = own.dropLast(trailing) + [own.suffix(trailing).reduce(1, *)]
        return Table(value: value, trailing: trailing, columns: columns, dimensions: dimensions, type: type)
      }
      if let (value, trailing) = terms.value(holding: list) { return table(value, trailing, Array(0..<half)) }
      guard let first = list.first, list.allSatisfy({ $0.source == first.source }) else {
        throw Refusal("the \(what) is put together from several values", at: id)
      }
      return table(first.value, first.trailing, list.map(\.index), first.type)
    }
    guard let cosine = try table("cosine", firsts.map { pairs[$0].own }),
      let sine = try table("sine", firsts.map { pairs[$0].other })
    else { return nil }
    (self.input, self.trailing, inputType) = (input, trailing, type)
    (self.rotated, self.size, self.isInterleaved, self.isBackward) = (rotated, size, isInterleaved, isBackward)
    (self.cosine, self.sine) = (cosine, sine)
    covers = [id] + terms.nodes.subtracting([id]).sorted()
  }
}
