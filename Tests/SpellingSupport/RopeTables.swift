import Foundation
import Tensors

enum RopeForm {
  static func forms(opset: Int) -> [String] {
    ["halfSlice", "halfSplit", "halves", "interleavedPairs", "partial", "partialHalves"]
      + (opset >= 10 ? ["interleavedSlice"] : [])
  }
}

/// Cosines and sines of positions, and the rotation by them, in the spelling drawn.
final class RopeTables {
  let g: GraphWriter
  let form: String
  let batch: Size
  let length: Size
  let depth: Int
  /// The axis of the heads in what is rotated: 1 or 2.
  let headAxis: Int
  /// How many elements of a head are rotated.
  let rotated: Int
  /// As wide as what they multiply.
  private(set) var cos = ""
  private(set) var sin = ""
  /// What a breaker changes.
  let flaw: String?
  /// Draws the axes that are about rotations alone, too.
  let isAlone: Bool
  /// How many heads have angles of their own in a breaker's tables.
  let angleHeads: Int
  /// Half precision turned in float: the tables are float, and x or both products' operands are converted.
  private var convert = "tables"

  private var isInterleaved: Bool { form.hasPrefix("interleaved") }
  private var isHalf: Bool { form == "halves" || form == "interleavedPairs" || form == "partialHalves" }

  /// `reference` is a value that has the length on the given axis.
  init(
    _ g: GraphWriter, form: String, batch: Size, length: Size, depth: Int, headAxis: Int,
    reference: (value: String, axis: Int), flaw: String? = nil, isAlone: Bool = false, angleHeads: Int = 1
  ) throws {
    self.g = g
    self.angleHeads = angleHeads
    self.form = form
    self.batch = batch
    self.length = length
    self.depth = depth
    self.headAxis = headAxis
    self.flaw = flaw
    self.isAlone = isAlone
    rotated = form.hasPrefix("partial") ? depth / 2 : depth
    var tables = ["computed", "gathered", "inputHalf"]
    if length.symbol == nil { tables.append("constant") }
    if length.symbol == nil || g.opset >= 10 { tables.append("sliced") }
    if flaw == "fullInput" { tables = ["inputFull"] }
    let table = try g.draw.pick("ropeTable", tables)
    switch table {
    case "computed": try computed(reference)
    case "inputHalf" where flaw == "anglesByHead":
      let middle = headAxis == 1 ? [Size(angleHeads), length] : [length, Size(angleHeads)]
      cos = try g.realInput("cos", [batch] + middle + [Size(rotated / 2)])
      sin = try g.realInput("sin", [batch] + middle + [Size(rotated / 2)])
    case "inputHalf":
      let shape = [batch, length, Size(rotated / 2)]
      let half = shape.map(\.value).reduce(1, *)
      let angles = g.draw.numbers(half, 3)
      cos = g.input("cos", g.real, shape, try .of(angles.map { Foundation.cos($0) }, g.real, shape: shape.map(\.value)))
      sin = g.input("sin", g.real, shape, try .of(angles.map { Foundation.sin($0) }, g.real, shape: shape.map(\.value)))
      try widenAndPlace()
    case "inputFull":
      let shape = [batch, length, Size(rotated)]
      cos = try placed(try g.realInput("cos", shape))
      sin = try placed(try g.realInput("sin", shape))
    default: try cached(table, reference)
    }
    if isAlone && flaw == nil && g.real == .float16 {
      convert = try g.draw.pick("ropeCast", ["tables", "input", "products"])
    }
    if convert != "tables" {
      cos = g.cast(cos, .float)
      sin = g.cast(sin, .float)
    }
  }

  // MARK: Tables

  private var frequencies: [Double] {
    (0..<rotated / 2).map { Foundation.pow(100, -Double(2 * $0) / Double(rotated)) }
  }

  private func positionInput() throws -> String {
    let isShared = g.draw.number(0...2) == 0
    let shape = [isShared ? Size(1) : batch, length]
    let count = shape.map(\.value).reduce(1, *)
    var values: [Int64] = []
    for index in 0..<count { values.append(Int64(index % length.value + (index / length.value))) }
    return g.input("position_ids", .int64, shape, try .of(values, .int64, shape: shape.map(\.value)))
  }

  private func computed(_ reference: (value: String, axis: Int)) throws {
    let half = rotated / 2
    var forms = ["matMul", "mul"]
    if g.opset >= 11 { forms.append("range") }
    if g.opset >= 12 { forms.append("einsum") }
    let frequency = try g.draw.pick("angles", forms)
    var angles: String
    switch frequency {
    case "matMul":
      // transformers: [B, half, 1] x [B, 1, L], transposed.
      let column = g.constant(try .of(frequencies, .float, shape: [1, half, 1]))
      let row = g.cast(try g.unsqueeze(try positionInput(), [1]), .float)
      angles = g.transpose(g.matMul(column, row), [0, 2, 1])
    case "mul":
      let row = g.constant(try .of(frequencies, .float, shape: [half]))
      angles = g.mul(g.cast(try g.unsqueeze(try positionInput(), [2]), .float), row)
    default:
      let end = try g.dimScalar(reference.value, reference.axis)
      let range = g.node("Range", [try g.exactScalar(0, .int64), end, try g.exactScalar(1, .int64)])
      let positions = g.cast(range, .float)
      let row = g.constant(try .of(frequencies, .float, shape: [half]))
      if frequency == "einsum" {
        angles = g.node("Einsum", [positions, row], [.text("equation", "i,j->ij")])
      } else {
        angles = g.mul(try g.unsqueeze(positions, [1]), row)
      }
      angles = try g.unsqueeze(angles, [0])
    }
    if !isHalf { angles = try widened(angles) }
    func finish(_ type: String) throws -> String {
      var value = g.node(type, [angles])
      switch try g.draw.pick("ropeFactor", ["none", "one"] + (isAlone ? ["yarn"] : [])) {
      case "one": value = g.mul(value, try g.scalar(1, .float))
      case "yarn": value = g.mul(value, try g.scalar(1.1386, .float))
      default: break
      }
      return g.real == .float ? value : g.cast(value, g.real)
    }
    cos = try placed(finish("Cos"))
    sin = try placed(finish("Sin"))
  }

  /// [.., half] as [.., rotated]: halves one after the other, or each element twice.
  private func widened(_ x: String) throws -> String {
    if !isInterleaved { return g.concat([x, x], axis: 2) }
    let wide = try g.unsqueeze(x, [3])
    let pairs = g.concat([wide, wide], axis: 3)
    return g.node("Reshape", [pairs, try g.ints([0, 0, rotated])])
  }

  private func placed(_ x: String) throws -> String { try g.unsqueeze(x, [headAxis]) }

  private func widenAndPlace() throws {
    if !isHalf {
      cos = try widened(cos)
      sin = try widened(sin)
    }
    cos = try placed(cos)
    sin = try placed(sin)
  }

  private func cached(_ table: String, _ reference: (value: String, axis: Int)) throws {
    let rows = table == "constant" ? length.value : 16
    // Half as wide and widened in the graph, or as wide as the tables are used.
    let isNarrow = isHalf || (table == "gathered" && flaw == nil && g.draw.flip())
    let width = isNarrow ? rotated / 2 : rotated
    func values(_ of: (Double) -> Double, _ skew: Double) -> [Double] {
      (0..<rows * width).map { index in
        let column = index % width
        let isPaired = isInterleaved != (flaw == "otherPairing")
        let frequency = frequencies[isNarrow ? column : isPaired ? column / 2 : column % (rotated / 2)]
        // A breaker's second half turns faster.
        let factor = flaw == "unequalHalves" && column >= rotated / 2 ? skew : 1
        return of(Double(index / width) * frequency * factor)
      }
    }
    var shape = [rows, width]
    if table == "constant" { shape = headAxis == 1 ? [1, 1, rows, width] : [1, rows, 1, width] }
    let c = g.constant(try .of(values(Foundation.cos, 1.5), g.real, shape: shape))
    let s = g.constant(try .of(values(Foundation.sin, 1.5), g.real, shape: shape))
    switch table {
    case "constant": (cos, sin) = (c, s)
    case "gathered":
      let positions = try positionInput()
      cos = g.node("Gather", [c, positions])
      sin = g.node("Gather", [s, positions])
      if isNarrow { return try widenAndPlace() }
      cos = try placed(cos)
      sin = try placed(sin)
    default:
      func cut(_ x: String) throws -> String {
        var part =
          try length.symbol == nil
          ? g.slice(x, 0, length.value, axis: 0)
          : g.slice(x, try g.ints([0]), try g.dim(reference.value, reference.axis), axis: 0)
        if headAxis == 2 {
          part = try g.unsqueeze(part, [1])
        } else if g.draw.flip() {
          part = try g.unsqueeze(part, [0, 1])
        }
        return part
      }
      cos = try cut(c)
      sin = try cut(s)
    }
  }

  // MARK: Rotation

  /// Rotates `x` of four dimensions, `depth` in the last.
  func apply(to x: String, heads: Int) throws -> String {
    guard convert == "input" else { return try turned(x, heads: heads) }
    return g.cast(try turned(g.cast(x, .float), heads: heads), .float16)
  }

  private func turned(_ x: String, heads: Int) throws -> String {
    guard form.hasPrefix("partial") else { return try rotate(x, heads: heads) }
    let first: String
    let rest: String
    if g.draw.flip() {
      first = try g.slice(x, 0, rotated, axis: 3)
      rest = try g.slice(x, rotated, nil, axis: 3)
    } else {
      let parts = try g.split(x, [rotated, depth - rotated], axis: 3)
      (first, rest) = (parts[0], parts[1])
    }
    let last = flaw == "restChanged" ? g.node("Neg", [rest]) : rest
    return g.concat([try rotate(first, heads: heads), last], axis: g.opset >= 11 && g.draw.flip() ? -1 : 3)
  }

  private func rotate(_ x: String, heads: Int) throws -> String {
    guard convert == "products" else { return try sum(x, heads: heads, { $0 }) }
    return g.cast(try sum(x, heads: heads) { g.cast($0, .float) }, .float16)
  }

  /// `wide` converts what the tables multiply.
  private func sum(_ x: String, heads: Int, _ wide: (String) -> String) throws -> String {
    let half = rotated / 2
    switch form {
    case "halves" where flaw == "tablesInParts": return try inQuarters(x)
    case "halves", "partialHalves":
      let (a, b) =
        try flaw == "noValue"
        ? (g.slice(x, 1, half + 1, axis: 3), g.slice(x, half + 1, rotated + 1, axis: 3))
        : parts(wide(x), isSplit: g.draw.flip())
      let low = g.sub(g.mul(a, cos), g.mul(b, sin))
      if flaw == "readPart" {
        g.output(low, [batch] + (headAxis == 1 ? [Size(heads), length] : [length, Size(heads)]) + [Size(half)])
      }
      let high = g.add(g.mul(b, cos), g.mul(a, sin))
      return g.concat([low, high], axis: 3)
    case "interleavedPairs":
      let middle = headAxis == 1 ? [Size(heads), length] : [length, Size(heads)]
      let shape = try g.shapeTensor([
        (batch, x, 0), (middle[0], x, 1), (middle[1], x, 2), (Size(half), "", 3), (Size(2), "", 4),
      ])
      let pairs = g.node("Reshape", [wide(x), shape])
      let a: String
      let b: String
      if g.draw.flip() {
        a = try g.gather(pairs, 0, axis: 4)
        b = try g.gather(pairs, 1, axis: 4)
      } else {
        let parts = try g.split(pairs, [1, 1], axis: 4)
        a = try g.squeeze(parts[0], [4])
        b = try g.squeeze(parts[1], [4])
      }
      let low = g.sub(g.mul(a, cos), g.mul(b, sin))
      let high = g.add(g.mul(a, sin), g.mul(b, cos))
      let both = g.concat([try g.unsqueeze(low, [4]), try g.unsqueeze(high, [4])], axis: 4)
      let back = try g.shapeTensor([
        (batch, x, 0), (middle[0], x, 1), (middle[1], x, 2), (Size(rotated), "", 3),
      ])
      return g.node("Reshape", [both, back])
    case "interleavedSlice":
      let even = try g.slice(x, 0, nil, axis: 3, step: 2)
      let odd = try g.slice(x, 1, nil, axis: 3, step: 2)
      let turned = g.concat([try g.unsqueeze(g.node("Neg", [odd]), [4]), try g.unsqueeze(even, [4])], axis: 4)
      let middle = headAxis == 1 ? [Size(heads), length] : [length, Size(heads)]
      let back = try g.shapeTensor([
        (batch, x, 0), (middle[0], x, 1), (middle[1], x, 2), (Size(rotated), "", 3),
      ])
      return g.add(g.mul(wide(x), cos), g.mul(wide(g.node("Reshape", [turned, back])), sin))
    default:
      var (a, b) = try parts(x, isSplit: form == "halfSplit")
      if flaw == "quarter" {
        a = try g.slice(x, 0, half / 2, axis: 3)
        b = try g.slice(x, half / 2, nil, axis: 3)
      }
      if flaw == nil, isAlone {
        switch try g.draw.pick("turn", ["neg", "signs", "sub", "times"]) {
        case "signs":
          let signs = g.constant(
            try .of((0..<rotated).map { $0 < half ? -1 : 1 }, convert == "input" ? .float : g.real))
          return g.add(g.mul(wide(x), cos), g.mul(wide(g.mul(g.concat([b, a], axis: 3), signs)), sin))
        case "sub":
          return g.sub(g.mul(wide(x), cos), g.mul(wide(g.concat([b, g.node("Neg", [a])], axis: 3)), sin))
        case "times": b = g.mul(b, try g.scalar(-1, convert == "input" ? .float : g.real))
        default: b = g.node("Neg", [b])
        }
        return g.add(g.mul(wide(x), cos), g.mul(wide(g.concat([b, a], axis: 3)), sin))
      }
      var turned = [g.node("Neg", [b]), a]
      switch flaw {
      case "notNegated": turned[0] = b
      case "order": turned = [a, turned[0]]
      case "bothWays":
        let signs = (0..<rotated).map { ($0 % half % 2 == 0) == ($0 < half) ? -1.0 : 1 }
        turned = [g.mul(g.concat([b, a], axis: 3), g.constant(try .of(signs, g.real)))]
      case "otherValue":
        let middle = headAxis == 1 ? [Size(heads), length] : [length, Size(heads)]
        let other = try g.realInput("other", [batch] + middle + [Size(depth)])
        let (c, d) = try parts(other, isSplit: true)
        turned = [g.node("Neg", [d]), c]
      case "axis":
        let (c, d) = try parts(x, isSplit: true, axis: headAxis == 1 ? 2 : 1)
        turned = [g.node("Neg", [d]), c]
        return g.add(g.mul(x, cos), g.mul(g.concat(turned, axis: headAxis == 1 ? 2 : 1), sin))
      default: break
      }
      return g.add(g.mul(x, cos), g.mul(turned.count == 1 ? turned[0] : g.concat(turned, axis: 3), sin))
    }
  }

  /// A breaker's: each half of a half has tables of its own.
  private func inQuarters(_ x: String) throws -> String {
    let quarter = rotated / 4
    let x = try g.split(x, [quarter, quarter, quarter, quarter], axis: 3)
    func table(_ name: String) throws -> String {
      try placed(g.realInput(name, [batch, length, Size(quarter)]))
    }
    let c = [try table("first_cos"), try table("second_cos")]
    let s = [try table("first_sin"), try table("second_sin")]
    let low = (0..<2).map { g.sub(g.mul(x[$0], c[$0]), g.mul(x[$0 + 2], s[$0])) }
    let high = (0..<2).map { g.add(g.mul(x[$0 + 2], c[$0]), g.mul(x[$0], s[$0])) }
    return g.concat(low + high, axis: 3)
  }

  private func parts(_ x: String, isSplit: Bool, axis: Int = 3) throws -> (String, String) {
    let half = axis == 3 ? rotated / 2 : length.value / 2
    if isSplit {
      let both = try g.split(x, [half, half], axis: axis)
      return (both[0], both[1])
    }
    return (try g.slice(x, 0, half, axis: 3), try g.slice(x, half, nil, axis: 3))
  }
}

/// Rotary embedding by itself.
enum RopeSpelling {
  static func make(_ draw: Draw, flaw: String? = nil) throws -> (GraphWriter, [Spelling.Expectation]) {
    var draw = draw
    let type = try draw.pick("type", flaw == "doubles" ? ["double"] : ["float", "float", "float16"])
    let g = try GraphWriter(
      draw, opsets: 9...24, real: type == "double" ? .double : type == "float" ? .float : .float16)
    let form = try g.draw.pick("rope", RopeForm.forms(opset: g.opset))
    let place = try g.draw.pick("ropePlace", ["headMajor", "seqMajor"])
    let dynamic = try g.draw.pick("dynamic", ["static", "batch", "length", "both"])
    let batch = Size(
      g.draw.number(flaw == "widened" ? 2...3 : 1...3), dynamic == "batch" || dynamic == "both" ? "batch" : nil)
    let size = flaw == "axis" ? 4 : g.draw.number(2...5)
    let length = Size(size, dynamic == "length" || dynamic == "both" ? "length" : nil)
    let heads = g.draw.number(flaw == "anglesByHead" ? 2...3 : 1...3)
    let depth = g.draw.choose([4, 8])
    let middle = place == "headMajor" ? [Size(heads), length] : [length, Size(heads)]
    let shape = [batch] + middle + [Size(depth)]
    var x = try g.realInput(
      "x", [flaw == "widened" ? Size(1) : batch] + middle + [Size(flaw == "noValue" ? depth + 2 : depth)])
    let source = x
    if flaw == nil, form.hasPrefix("half"), form != "halves",
      try g.draw.pick("order", ["own", "pairsFirst"]) == "pairsFirst"
    {
      // DeepSeek: what stands side by side is brought half a head apart.
      let pairs = try g.shapeTensor(
        shape.dropLast().enumerated().map { ($1, x, $0) } + [(Size(depth / 2), "", 3), (Size(2), "", 4)])
      let parted = g.transpose(g.node("Reshape", [x, pairs]), [0, 1, 2, 4, 3])
      x = g.node("Reshape", [parted, try g.shapeTensor(shape.enumerated().map { ($1, source, $0) })])
    }
    let tables = try RopeTables(
      g, form: form, batch: batch, length: length, depth: depth, headAxis: place == "headMajor" ? 1 : 2,
      reference: (source, place == "headMajor" ? 2 : 1), flaw: flaw, isAlone: true,
      angleHeads: heads)
    g.output(try tables.apply(to: x, heads: heads), shape)
    return (g, [.init("RotaryEmbedding", .operators("RotaryEmbedding", 1))])
  }
}
