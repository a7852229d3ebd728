internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

extension KernelRequest {
  /// Whether products are to be computed in bfloat16. `auto`: where the processor's instructions for it are the faster ones.
  var usesBfloat16: Bool { precision == .bf16 || precision == .auto && ck_bf16_is_fast() }

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

extension KernelRequest {
  /// Throws a refusal unless the inputs, and the result where it is not stored in bfloat16, are float32.
  func requireFloatInputs() throws {
    for (index, input) in inputs.enumerated() {
      if let input, input.type != .float { throw Refusal("input \(index) is \(input.type)") }
    }
    guard let output = output(0), output.type != .float else { return }
    guard usesBfloat16, output.type == .bfloat16 else { throw Refusal("the result is \(output.type)") }
  }
}

/// Kernels that make rows of float32 one by one: where the result is stored in bfloat16, each is made in scratch and rounded.
enum RoundedRows {
  /// `body` makes rows [begin, end) of a matrix at its second argument.
  static func kernel(
    _ name: String, _ request: KernelRequest, rows: Int, n: Int,
    _ body: @escaping (KernelCall, UnsafeMutablePointer<Float>, _ begin: Int, _ end: Int) -> Void
  ) throws -> PreparedKernel {
    let grain = max(1, 16384 / n)
    if try request.result().type == .float {
      let kernel = RangeKernel(name, count: rows, grain: grain) { call, begin, end, _ in
        body(call, call.output(0, Float.self), begin, end)
      }
      return PreparedKernel(kernel, inPlaceInputs: [0])
    }
    let scratch = aligned(n * 4)
    let kernel = RangeKernel(name, count: rows, grain: grain) { call, begin, end, thread in
      let line = (call.scratch + thread * scratch).assumingMemoryBound(to: Float.self)
      for row in begin..<end {
        body(call, line - row * n, row, row + 1)
        ck_bf16_rows(call.output(0, UInt16.self), n, n, line - row * n, n, 1, n, row, row + 1)
      }
    }
    return PreparedKernel(kernel, scratchBytes: scratch * request.threads)
  }
}

/// Which operands kernels take in bfloat16 memory.
enum Bfloat16Operands {
  static func stored(_ request: KernelRequest) -> RoundedOperands? {
    guard request.usesBfloat16, request.node.domain.isEmpty || request.node.domain == "ai.cameo" else { return nil }
    switch request.node.operatorName.name {
    case "MatMul", "FusedMatMul", "Gemm": return product(request)
    case "ChannelsLastConv": return conv(request)
    case "Attention": return attention(request)
    case "LayerNormalization", "RMSNormalization":
      return request.output(1) == nil && request.output(2) == nil ? RoundedOperands(inputs: [], outputs: [0]) : nil
    case "ChannelsLastMaxPool":
      return request.output(1) == nil ? .moves : nil
    case "SwiGLU": return RoundedOperands(inputs: [], outputs: [0])
    case "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Transpose", "Split", "Concat": return .moves
    default: return nil
    }
  }

  /// A product with fixed weights writes either type; it reads rows of whole steps along k as they lie.
  private static func product(_ request: KernelRequest) -> RoundedOperands? {
    guard let a = request.input(0), let b = request.input(1), let weights = b.constant, a.rank > 0, b.rank >= 2,
      weights.count == b.shape[b.rank - 1] * b.shape[b.rank - 2],
      request.input(2).map({ $0.count > 1 || $0.constant != nil }) ?? true, request.input(3) == nil
    else { return nil }
    let isTurned = (try? request.attributes.bool("transA")) ?? true
    let readsInPlace = !isTurned && a.shape[a.rank - 1] % Int(CK_BF16_DEPTH) == 0
    return RoundedOperands(inputs: readsInPlace ? [0] : [], outputs: [0])
  }

  private static func conv(_ request: KernelRequest) -> RoundedOperands? {
    guard let shape = try? ChannelsLastKernels.Shape(request), request.input(1)?.constant != nil, !shape.isDepthwise
    else { return nil }
    let isMatrix = shape.window.isPointwise && shape.groups == 1
    let readsInPlace =
      !shape.isFirst && shape.channels % (isMatrix ? Int(CK_BF16_DEPTH) : 2) == 0
    return RoundedOperands(inputs: readsInPlace ? [0, 3] : [3], outputs: [0])
  }

  /// Queries and the result; keys and values where they stand in no cache, which keeps float32.
  private static func attention(_ request: KernelRequest) -> RoundedOperands? {
    guard request.input(0)?.type == .float, request.output(3) == nil else { return nil }
    let hasCache =
      request.input(4) != nil || request.input(5) != nil || request.output(1) != nil || request.output(2) != nil
    return RoundedOperands(inputs: hasCache ? [0] : [0, 1, 2], outputs: [0])
  }
}
