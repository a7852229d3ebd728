import GraphIR
import Operators
import PassKit
import Tensors

/// Writes a quantized weight in com.microsoft's operators, for ONNX Runtime: MatMulNBits for integers in blocks,
/// MatMulBnb4 for NF4, GatherBlockQuantized for tables.
struct MicrosoftWeightWriter {
  static let domain = "com.microsoft"
  let context: PassContext
  let rule: String

  /// Why the operators cannot say it; nil where they can. Then the standard's form is written.
  static func obstacle(_ format: WeightFormat, _ site: WeightSite, _ context: PassContext) -> String? {
    guard site.tensor.dataType == .float else { return "ONNX Runtime's kernels are for float" }
    guard let size = format.groupSize else { return "com.microsoft's operators need blocks" }
    switch site.kind {
    case .product:
      if format.encoding == .nf4 {
        return site.depth % size != 0 || format.quantizesScales ? "MatMulBnb4 needs whole blocks and float scales" : nil
      }
      guard format.encoding.isInteger else { return "MatMulNBits holds integers" }
      return plainGemm(context.graph[site.node]) ? nil : "the Gemm is no plain product and sum"
    case .embedding:
      guard [.int4, .uint4, .uint8, .int8].contains(format.encoding) else {
        return "GatherBlockQuantized holds 4 and 8 bits"
      }
      if format.codeType.bitWidth == 8, site.depth % size != 0 { return "GatherBlockQuantized needs whole blocks" }
      return nil
    }
  }

  /// A MatMul, or a Gemm that multiplies with the matrix as it is and adds all of C.
  private static func plainGemm(_ node: Node) -> Bool {
    guard node.is("Gemm") else { return true }
    let reader = AttributeReader(node)
    return (try? reader.bool("transA")) == false && (try? reader.float("alpha", default: 1)) == 1
      && (node.input(2) == nil || (try? reader.float("beta", default: 1)) == 1)
  }

  /// The product with `data` in the place of the node's left operand.
  func product(
    _ matrix: QuantizedMatrix, _ site: WeightSite, data: GraphChange.Ref, _ change: inout GraphChange
  ) throws {
    let node = context.graph[site.node]
    guard let output = node.output(0) else { return }
    var attributes = [
      NamedAttribute("K", .int(Int64(matrix.depth))), NamedAttribute("N", .int(Int64(matrix.rows))),
      NamedAttribute("block_size", .int(Int64(matrix.groupSize))),
    ]
    var result: GraphChange.Ref
    if matrix.format.encoding == .nf4 {
      attributes.append(NamedAttribute("quant_type", .int(1)))
      let scales = try matrix.scaleTensor(transposed: false).reshaped([matrix.blocks.count])
      result = change.node(
        "MatMulBnb4", domain: Self.domain,
        [data, change.constant(try matrix.nibbles()), change.constant(scales)], attributes, name: node.name)
    } else {
      attributes.append(NamedAttribute("bits", .int(Int64(matrix.format.codeType.bitWidth))))
      var inputs: [GraphChange.Ref?] = [
        data, change.constant(try matrix.blockBytes()), change.constant(try matrix.scaleTensor(transposed: false)),
      ]
      if let zeros = try matrix.blockZeros() { inputs.append(change.constant(zeros)) }
      result = change.node("MatMulNBits", domain: Self.domain, inputs, attributes, name: node.name)
    }
    if node.is("Gemm"), let bias = node.input(2) {
      result = change.node("Add", [result, .existing(bias)], covers: [])
    }
    change.covers = [site.node]
    change.replace(output, with: result)
  }

  func embedding(_ matrix: QuantizedMatrix, _ site: WeightSite) throws -> GraphChange {
    let node = context.graph[site.node]
    var change = GraphChange(rule: rule, covers: [site.node])
    guard let output = node.output(0), let places = node.input(1) else { return change }
    let isWide = matrix.format.codeType.bitWidth == 8
    let codes =
      try isWide
      ? matrix.blockBytes().reshaped([matrix.rows, matrix.depth]) : matrix.codeTensor(transposed: false)
    let zeros = try isWide ? matrix.blockZeros() : matrix.zeroTensor(transposed: false)
    let inputs = [
      change.constant(codes), .existing(places), change.constant(try matrix.scaleTensor(transposed: false)),
    ]
    let result = change.node(
      "GatherBlockQuantized", domain: Self.domain, inputs + (zeros.map { [change.constant($0)] } ?? []),
      [
        NamedAttribute("bits", .int(isWide ? 8 : 4)), NamedAttribute("block_size", .int(Int64(matrix.groupSize))),
        NamedAttribute("gather_axis", .int(0)), NamedAttribute("quantize_axis", .int(1)),
      ], name: node.name)
    change.replace(output, with: result)
    return change
  }
}
