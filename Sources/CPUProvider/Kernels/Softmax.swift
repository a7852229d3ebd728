internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Softmax and LogSoftmax in float32 over any axis.
enum SoftmaxKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "Softmax": { try make($0, log: false) }, "LogSoftmax": { try make($0, log: true) },
  ]

  private static func make(_ request: KernelRequest, log: Bool) throws -> PreparedKernel {
    try request.requireFloat()
    let x = try request.operand(0)
    guard x.rank > 0 else { throw Refusal("a scalar") }
    let axis = try request.axis("axis", -1, rank: x.rank)
    let (outer, n, inner) = (product(x.shape[..<axis]), x.shape[axis], product(x.shape[(axis + 1)...]))
    let kernel: Kernel
    if inner == 1 {
      kernel = RangeKernel("softmax", count: outer, grain: max(1, 8192 / n)) { call, begin, end, _ in
        ck_softmax_f32(call.output(0, Float.self), call.input(0, Float.self), n, begin, end, 1, nil, 0, log)
      }
    } else {
      kernel = RangeKernel("softmax", count: outer * inner, grain: max(1, 8192 / n)) { call, begin, end, _ in
        ck_softmax_strided_f32(call.output(0, Float.self), call.input(0, Float.self), n, inner, begin, end, log)
      }
    }
    return PreparedKernel(kernel, inPlaceInputs: [0])
  }
}
