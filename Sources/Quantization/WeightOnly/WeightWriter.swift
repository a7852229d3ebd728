import GraphIR
import PassKit
import Tensors

/// Writes a quantized weight into a graph in operators of the standard.
///
/// - Integers and float8: `DequantizeLinear(codes [K, N], scales [K / block, N], zeros)` along axis 0, with
///   `block_size`, or per channel. A last block may be shorter; ONNX Runtime takes that, OpenVINO 2026 does not.
/// - NF4 and FP4: `Reshape(Gather(book, Cast(codes)) * scales)`, codes uint4 [K / block, block, N], scales [K / block,
///   1, N], behind it a Slice where K is no multiple of the block. ONNX Runtime has no kernel for float4e2m1; this form
///   runs in both.
struct WeightWriter {
  let context: PassContext
  let rule: String

  /// The first opset that the form needs.
  static func opset(_ format: WeightFormat) -> Int { format.encoding.opset(isBlocked: format.groupSize != nil) }

  /// Adds what computes the weight as [depth, rows].
  func product(_ matrix: QuantizedMatrix, _ change: inout GraphChange) throws -> GraphChange.Ref {
    if matrix.format.encoding.isCodeBook { return try codeBook(matrix, &change) }
    var inputs: [GraphChange.Ref?] = [change.constant(try matrix.codeTensor(transposed: true))]
    let isBlocked = matrix.format.groupSize != nil
    func shaped(_ tensor: Tensor) throws -> Tensor { isBlocked ? tensor : try tensor.reshaped([matrix.rows]) }
    inputs.append(change.constant(try shaped(try matrix.scaleTensor(transposed: true))))
    if let zeros = try matrix.zeroTensor(transposed: true) { inputs.append(change.constant(try shaped(zeros))) }
    var attributes = [NamedAttribute("axis", .int(isBlocked ? 0 : 1))]
    if isBlocked { attributes.append(NamedAttribute("block_size", .int(Int64(matrix.groupSize)))) }
    return change.node("DequantizeLinear", inputs, attributes, covers: [])
  }

  private func codeBook(_ matrix: QuantizedMatrix, _ change: inout GraphChange) throws -> GraphChange.Ref {
    let (groups, size, rows) = (matrix.groups, matrix.groupSize, matrix.rows)
    let book = matrix.format.encoding.book
    let zero = UInt8(book.firstIndex(of: 0) ?? 0)
    let codes = change.constant(try matrix.groupedCodeTensor(filler: zero))
    let places = change.node("Cast", [codes], [NamedAttribute("to", .int(Int64(DataType.int32.rawValue)))], covers: [])
    let levels = change.node(
      "Gather", [change.constant(try .of(book, matrix.type)), places], [NamedAttribute("axis", .int(0))], covers: [])
    let scales = try scales(matrix, &change)
    let product = change.node("Mul", [levels, scales], covers: [])
    let flat = change.node("Reshape", [product, change.constant(try .ints([groups * size, rows]))], covers: [])
    if groups * size == matrix.depth { return flat }
    let bounds = try [0, matrix.depth, 0].map { change.constant(try .ints([$0])) }
    return change.node("Slice", [flat] + bounds, covers: [])
  }

  /// Scales as [groups, 1, rows].
  private func scales(_ matrix: QuantizedMatrix, _ change: inout GraphChange) throws -> GraphChange.Ref {
    let shape = [matrix.groups, 1, matrix.rows]
    guard let table = matrix.scaleTable else {
      return change.constant(try matrix.scaleTensor(transposed: true).reshaped(shape))
    }
    // Rows of 256 with a scale each, the last filled up: ONNX Runtime reads no blocks of a vector.
    let (rows, size) = (table.scales.count, ScaleTable.blockSize)
    let codes = try Tensor.makeRaw(.uint8, [rows, size]) { bytes in
      for (index, code) in table.codes.enumerated() { bytes[index] = code }
    }
    var scales = change.node(
      "DequantizeLinear", [change.constant(codes), change.constant(try .of(table.scales, matrix.type))],
      [NamedAttribute("axis", .int(0))], covers: [])
    if rows * size != table.codes.count {
      scales = change.node("Reshape", [scales, change.constant(try .ints([rows * size]))], covers: [])
      let bounds = try [0, table.codes.count, 0].map { change.constant(try .ints([$0])) }
      scales = change.node("Slice", [scales] + bounds, covers: [])
    }
    return change.node("Reshape", [scales, change.constant(try .ints(shape))], covers: [])
  }

  /// Lets `site`'s Gather give rows of the quantized table. Eight-bit codes are gathered first and only the rows
  /// dequantized; Gather takes no narrower types, so that others are dequantized as a whole first.
  func embedding(_ matrix: QuantizedMatrix, _ site: WeightSite) throws -> GraphChange {
    let node = context.graph[site.node]
    var change = GraphChange(rule: rule, covers: [site.node])
    let codes = change.constant(try matrix.codeTensor(transposed: false))
    let scales = change.constant(try matrix.scaleTensor(transposed: false))
    let zeros = try matrix.zeroTensor(transposed: false).map { change.constant($0) }
    let type = matrix.format.codeType
    guard let output = node.output(0), let places = node.input(1) else { return change }
    let block = NamedAttribute("block_size", .int(Int64(matrix.groupSize)))
    if type == .int8 || type == .uint8 {
      func rows(_ table: GraphChange.Ref) -> GraphChange.Ref {
        change.node("Gather", [table, .existing(places)], [NamedAttribute("axis", .int(0))], covers: [])
      }
      let gathered = [rows(codes), rows(scales)] + (zeros.map { [rows($0)] } ?? [])
      let result = change.node(
        "DequantizeLinear", gathered, [NamedAttribute("axis", .int(-1)), block], name: node.name)
      change.replace(output, with: result)
      return change
    }
    let table: GraphChange.Ref
    if matrix.format.encoding.isCodeBook {
      let flat = try codeBook(matrix, &change)
      table = change.node("Transpose", [flat], [NamedAttribute("perm", .ints([1, 0]))], covers: [])
    } else {
      table = change.node(
        "DequantizeLinear", [codes, scales] + (zeros.map { [$0] } ?? []), [NamedAttribute("axis", .int(1)), block],
        covers: [])
    }
    change.covers = []
    change.region = node.region
    change.setInput(0, of: site.node, to: table)
    return change
  }
}
