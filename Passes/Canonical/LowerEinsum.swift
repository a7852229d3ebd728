import GraphIR
import Operators
import PassKit
import Tensors

/// Einsum of two operands that is a batched matrix product becomes Transpose, Unsqueeze and MatMul.
///
/// Before: `Einsum <equation = "blhd,bshd->bhls"> (q, k)`.
/// After: `MatMul(Transpose <perm = [0, 2, 1, 3]> (q), Transpose <perm = [0, 2, 3, 1]> (k))`.
///
/// Letters in both operands and the result are the batch; those in both but not in the result are summed over; a letter that
/// one operand alone has is a row or column, or summed over at once where the result lacks it. Of several letters of rows the outer ones are batch axes that the other operand
/// broadcasts; several letters of columns or of the sum, which would have to be joined, are joined where their sizes are known.
public enum LowerEinsum {
  public static let pass = RewritePass(
    "LowerEinsum", level: 2, summary: "writes an Einsum that is a matrix product as Transpose and MatMul",
    rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "LowerEinsum"
    let anchors: Set<OperatorName> = [OperatorName("Einsum")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard node.inputs.count == 2, let a = node.input(0), let b = node.input(1), let output = node.output(0),
        let x = context.shape(a), let y = context.shape(b)
      else { return nil }
      let equation = try AttributeReader(node).string("equation")
      guard let product = EinsumProduct(equation, ranks: (x.count, y.count)) else {
        throw Refusal("the equation \(equation) is no matrix product of two operands", at: id)
      }
      for (letters, shape) in [(product.left, x), (product.right, y)] {
        for (letter, dim) in zip(letters, shape)
        where dim == 1 && (product.size(letter, x, y).map { $0 != 1 } ?? false) {
          throw Refusal("the equation \(equation) broadcasts an axis of length 1", at: id)
        }
      }
      var change = GraphChange(rule: name, covers: [id])
      guard let result = try product.write(.existing(a), x, .existing(b), y, &change) else {
        throw Refusal("the equation \(equation) joins axes of unknown length", at: id)
      }
      change.replace(output, with: result)
      return change
    }
  }
}

/// The letters of an Einsum of two operands, sorted by what they do.
struct EinsumProduct {
  let left: [Character]
  let right: [Character]
  let result: [Character]
  private let batch: [Character]
  private let summed: [Character]
  private let rows: [Character]
  private let columns: [Character]
  /// In one operand and nowhere else: summed over before the product.
  private let lone: Set<Character>

  /// nil where it is no product: letters twice in one operand, or nothing to multiply by.
  init?(_ equation: String, ranks: (Int, Int)) {
    let text = equation.filter { $0 != " " }
    let sides = text.split(separator: ">", omittingEmptySubsequences: false)
    let terms = (sides.count == 2 ? sides[0].dropLast() : text[...]).split(
      separator: ",", omittingEmptySubsequences: false)
    guard sides.count <= 2, terms.count == 2, sides.count == 1 || sides[0].last == "-",
      let a = EinsumProduct.letters(terms[0], rank: ranks.0), let b = EinsumProduct.letters(terms[1], rank: ranks.1)
    else { return nil }
    var output: [Character]
    if sides.count == 2 {
      let dots = max(a.filter(\.isNumber).count, b.filter(\.isNumber).count)
      guard let given = EinsumProduct.letters(sides[1], dots: dots) else { return nil }
      output = given
    } else {
      // Without "->": the dots, then all letters that stand once, sorted.
      let all = a + b
      output = Set(all.filter(\.isNumber)).sorted(by: >)
      output += all.filter { letter in !letter.isNumber && all.filter { $0 == letter }.count == 1 }.sorted()
    }
    (left, right, result) = (a, b, output)
    guard Set(a).count == a.count, Set(b).count == b.count, Set(output).count == output.count else { return nil }
    batch = output.filter { a.contains($0) && b.contains($0) }
    summed = a.filter { b.contains($0) && !output.contains($0) }
    rows = output.filter { a.contains($0) && !b.contains($0) }
    columns = output.filter { b.contains($0) && !a.contains($0) }
    lone = Set(a).symmetricDifference(b).subtracting(output)
    guard batch.count + rows.count + columns.count == output.count, !summed.isEmpty else { return nil }
  }

  /// The letters of a term; the axes of an ellipsis are the digits, counted from the last one, so that they align.
  private static func letters(_ term: Substring, rank: Int) -> [Character]? {
    let named = term.filter { $0 != "." }.count
    guard let result = letters(term, dots: rank - named), result.count == rank else { return nil }
    return result
  }

  private static func letters(_ term: Substring, dots: Int) -> [Character]? {
    guard let start = term.firstIndex(of: ".") else { return term.allSatisfy(\.isLetter) ? Array(term) : nil }
    let rest = term[start...]
    guard rest.hasPrefix("..."), 0...9 ~= dots else { return nil }
    let behind = rest.dropFirst(3)
    guard term[..<start].allSatisfy(\.isLetter), behind.allSatisfy(\.isLetter) else { return nil }
    let digits = (0..<dots).reversed().map { Character("\($0)") }
    return Array(term[..<start]) + digits + Array(behind)
  }

  func size(_ letter: Character, _ x: [Dim], _ y: [Dim]) -> Dim? {
    let own = left.firstIndex(of: letter).map { x[$0] }
    let other = right.firstIndex(of: letter).map { y[$0] }
    if let own, own != 1 { return own }
    return other ?? own
  }

  /// The result in the asked order of axes; nil where lengths that must be joined are not known.
  func write(
    _ a: GraphChange.Ref, _ x: [Dim], _ b: GraphChange.Ref, _ y: [Dim], _ change: inout GraphChange
  ) throws -> GraphChange.Ref? {
    // Rows and columns change places where that saves the Transpose of the result.
    let plain = batch + rows + columns
    let isSwapped = result != plain && result == batch + columns + rows
    let (first, second) = isSwapped ? (columns, rows) : (rows, columns)
    let (a, left) = try reduced(a, left, x, &change)
    let (b, right) = try reduced(b, right, y, &change)
    let (p, q) = isSwapped ? (b, a) : (a, b)
    let (pLetters, qLetters) = isSwapped ? (right, left) : (left, right)
    func lengths(_ letters: [Character]) -> [Dim] { letters.map { size($0, x, y) ?? 1 } }

    // Left: batch, outer rows, the last row, the sum. Right: batch, ones for the outer rows, the sum, the columns.
    var l = arranged(p, pLetters, batch + first + summed, &change)
    var r = arranged(q, qLetters, batch + summed + second, &change)
    var lShape = lengths(batch + first + summed)
    var rShape = lengths(batch + summed + second)
    func reshape(_ ref: GraphChange.Ref, _ from: inout [Dim], _ to: [Dim]) throws -> GraphChange.Ref? {
      do {
        let result = try Reshaping.reshape(ref, from: from, to: to, &change)
        from = to
        return result
      } catch is Refusal { return nil }
    }
    let sum = HeadLayout.product(lengths(summed))
    let width = HeadLayout.product(lengths(second))
    let outer = batch.isEmpty ? [] : first.dropLast().map { _ in Dim(1) }
    let single: [Dim] = first.isEmpty ? [1] : []
    let leftShape = lengths(batch + first) + single + [sum]
    let rightShape = lengths(batch) + outer + [sum, second.isEmpty ? 1 : width]
    guard let left = try reshape(l, &lShape, leftShape), let right = try reshape(r, &rShape, rightShape) else {
      return nil
    }
    (l, r) = (left, right)
    let product = change.node("MatMul", [l, r])
    var shape = lengths(batch + first) + single + [second.isEmpty ? 1 : width]
    guard let split = try reshape(product, &shape, lengths(batch + first + second)) else { return nil }
    return arranged(split, batch + first + second, result, &change)
  }

  /// An operand without the axes that it alone has.
  private func reduced(
    _ ref: GraphChange.Ref, _ letters: [Character], _ shape: [Dim], _ change: inout GraphChange
  ) throws -> (GraphChange.Ref, [Character]) {
    let axes = letters.indices.filter { lone.contains(letters[$0]) }
    if axes.isEmpty { return (ref, letters) }
    let isPlain = axes.allSatisfy { shape[$0] == 1 }
    let result = change.node(
      isPlain ? "Squeeze" : "ReduceSum", [ref, change.constant(try .ints(axes))],
      isPlain ? [] : [NamedAttribute("keepdims", .int(0))], covers: [])
    return (result, letters.filter { !lone.contains($0) })
  }

  /// The axes `letters` in the order `target`.
  private func arranged(
    _ ref: GraphChange.Ref, _ letters: [Character], _ target: [Character], _ change: inout GraphChange
  ) -> GraphChange.Ref {
    if letters == target { return ref }
    let order = target.compactMap { letter in letters.firstIndex(of: letter).map { Int64($0) } }
    return change.node("Transpose", [ref], [NamedAttribute("perm", .ints(order))], covers: [])
  }
}
