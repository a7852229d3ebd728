import GraphIR
import Operators
import PassKit
import Tensors

/// A MatMul with weights of 4 bits in blocks becomes one node, for ONNX Runtime.
///
/// Before: `MatMul(x, DequantizeLinear<axis = 0, block_size = 32>(W, scales, zeros))`, W int4 or uint4 [K, N].
/// After: `com.microsoft.MatMulNBits(x, packed, scales, zeros)`: its weights are [N, blocks, bytes], unsigned.
public enum FuseMatMulNBits {
  public static let pass = RewritePass(
    "FuseMatMulNBits", level: 2, summary: "writes com.microsoft.MatMulNBits for blocked 4-bit weights (target ort)",
    rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "MicrosoftMatMulNBits"
    let anchors: Set<OperatorName> = [OperatorName("MatMul")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard Microsoft.isTarget(context), let data = graph[id].input(0), let operand = graph[id].input(1),
        let output = graph[id].output(0), let dequantize = graph.producer(operand),
        graph[dequantize].is("DequantizeLinear"), let type = context.dataType(graph[dequantize].input(0)),
        type == .int4 || type == .uint4
      else { return nil }
      try Microsoft.requireFloat(output, "MatMulNBits", at: id, context)
      let node = graph[dequantize]
      guard let weights = graph.constant(node.input(0)), let scales = graph.constant(node.input(1)), weights.rank == 2,
        scales.rank == 2, node.input(2) == nil || graph.constant(node.input(2)) != nil
      else { throw Refusal("the weights or their scales are no constant matrix", at: dequantize) }
      guard let rank = context.rank(data), rank >= 2 else { throw Refusal("x is no matrix", at: id) }
      let reader = AttributeReader(node)
      let block = try reader.int("block_size", default: 0)
      let axis = try reader.int("axis", default: 1)
      guard axis == 0 || axis == -2, block >= 16, block & (block - 1) == 0 else {
        throw Refusal(
          "the blocks are \(block) long on axis \(axis); powers of two from 16 on along axis 0 are needed",
          at: dequantize)
      }
      let (depth, columns) = (weights.shape[0], weights.shape[1])
      let blocks = (depth + block - 1) / block
      guard scales.shape == [blocks, columns] else {
        throw Refusal("the scales have shape \(scales.shape)", at: dequantize)
      }
      var change = GraphChange(rule: name, covers: [dequantize, id], isFusion: true)
      var inputs: [GraphChange.Ref?] = [
        .existing(data),
        change.constant(
          try Self.packed(
            weights, isSigned: type == .int4, shape: [columns, blocks, block / 2], depth: depth)),
        change.constant(try Self.transposed(scales)),
      ]
      let zeros = graph.constant(node.input(2))
      if type == .uint4 || zeros != nil {
        let bytes = (blocks + 1) / 2
        let packed = try zeros.map {
          try Self.packed($0, isSigned: type == .int4, shape: [columns, 1, bytes], depth: blocks)
        }
        inputs.append(
          change.constant(
            try (packed ?? Tensor.of([Int64](repeating: 0, count: columns * bytes), .uint8, shape: [columns, bytes]))
              .reshaped([columns, bytes])))
      }
      change.replace(
        output,
        with: change.node(
          "MatMulNBits", domain: Microsoft.domain, inputs,
          [
            NamedAttribute("K", .int(Int64(depth))), NamedAttribute("N", .int(Int64(columns))),
            NamedAttribute("bits", .int(4)), NamedAttribute("block_size", .int(Int64(block))),
          ], name: graph[id].name))
      return change
    }

    /// 4-bit numbers [depth, columns] as bytes [columns, blocks, bytes of a block], the lower half first; signed ones moved by 8.
    private static func packed(_ source: Tensor, isSigned: Bool, shape: [Int], depth: Int) throws -> Tensor {
      let columns = shape[0]
      let width = shape[1] * shape[2]
      return try source.withUnsafeBytes { input in
        try Tensor.makeRaw(.uint8, shape) { bytes in
          let flip: UInt8 = isSigned ? 8 : 0
          for column in 0..<columns {
            for place in 0..<width {
              var byte: UInt8 = 0
              for half in 0..<2 {
                let row = place * 2 + half
                guard row < depth else { continue }
                let index = row * columns + column
                let number = (input[index / 2] >> UInt8(index % 2 * 4)) & 15
                // Two's complement plus 8 is the number with its highest bit turned over.
                byte |= (number ^ flip) << UInt8(half * 4)
              }
              bytes[column * width + place] = byte
            }
          }
        }
      }
    }

    private static func transposed(_ scales: Tensor) throws -> Tensor {
      let (rows, columns) = (scales.shape[0], scales.shape[1])
      let view = try ElementView<Float>(scales)
      return try Tensor.make(scales.dataType, [columns, rows], as: Float.self) { out in
        for column in 0..<columns { for row in 0..<rows { out[column * rows + row] = view[row * columns + column] } }
      }
    }
  }
}
