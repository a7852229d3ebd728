internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

extension KernelRequest {
  /// Whether products are to be computed in bfloat16. `auto`: where the processor has instructions for it.
  var usesBfloat16: Bool {
    precision == .bf16 || precision == .auto && ck_bf16_kernel() != Int32(CK_BF16_WIDENED.rawValue)
  }

  /// Throws a refusal unless all operands are float32, or, input 0, a residual (input 3) and the result of a product in bfloat16, stored so.
  func requireProductOperands() throws {
    for (index, input) in inputs.enumerated() {
      guard let input, input.type != .float else { continue }
      guard usesBfloat16, index == 0 || index == 3, input.type == .bfloat16 else {
        throw Refusal("input \(index) is \(input.type)")
      }
    }
    guard let output = output(0), output.type != .float else { return }
    guard usesBfloat16, output.type == .bfloat16 else { throw Refusal("the result is \(output.type)") }
  }
}

/// Which operands kernels take in bfloat16 memory.
enum Bfloat16Operands {
  static func stored(_ request: KernelRequest) -> RoundedOperands? {
    guard request.usesBfloat16, request.node.domain.isEmpty || request.node.domain == "ai.cameo" else { return nil }
    switch request.node.operatorName.name {
    case "MatMul", "FusedMatMul", "Gemm": return product(request)
    case "ChannelsLastConv": return conv(request)
    case "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Transpose", "Split", "Concat": return .moves
    default: return nil
    }
  }

  /// A product with fixed weights writes either type; it reads rows of whole steps along k as they lie.
  private static func product(_ request: KernelRequest) -> RoundedOperands? {
    guard let a = request.input(0), let b = request.input(1), let weights = b.constant, a.rank > 0, b.rank >= 2,
      weights.count == b.shape[b.rank - 1] * b.shape[b.rank - 2],
      request.input(2).map({ $0.count > 1 || $0.constant != nil }) ?? true
    else { return nil }
    let isTurned = (try? request.attributes.bool("transA")) ?? true
    let readsInPlace = !isTurned && a.shape[a.rank - 1] % Int(CK_BF16_DEPTH) == 0
    return RoundedOperands(inputs: readsInPlace ? [0] : [], outputs: [0])
  }

  private static func conv(_ request: KernelRequest) -> RoundedOperands? {
    guard let shape = try? ChannelsLastKernels.Shape(request), request.input(1)?.constant != nil, !shape.isDepthwise
    else { return nil }
    let isMatrix = shape.window.isPointwise && shape.groups == 1
    let readsInPlace = isMatrix ? shape.channels % Int(CK_BF16_DEPTH) == 0 : shape.channels % 2 == 0
    return RoundedOperands(inputs: readsInPlace ? [0, 3] : [3], outputs: [0])
  }
}
