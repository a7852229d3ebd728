internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Max, average and Lp pooling in float32, max pooling of bytes.
enum PoolKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "MaxPool": { try maximum($0) }, "AveragePool": { try average($0) }, "LpPool": { try lp($0) },
  ]

  private static func window(_ request: KernelRequest, isBytes: Bool = false) throws -> (Window, Int) {
    if !isBytes { try request.requireFloat([0]) }
    let (x, y) = (try request.operand(0), try request.result())
    guard x.rank >= 3 else { throw Refusal("rank \(x.rank)") }
    let window = try Window(
      request.attributes, kernel: try request.attributes.ints("kernel_shape"), input: Array(x.shape[2...]),
      output: Array(y.shape[2...]))
    return (window, product(x.shape[..<2]))
  }

  private static func grain(_ window: Window) -> Int { max(1, 16384 / max(1, window.outputCount * window.taps)) }

  private static func maximum(_ request: KernelRequest) throws -> PreparedKernel {
    let type = try request.operand(0).type
    let isBytes = (type == .uint8 || type == .int8) && request.output(1) == nil
    let (window, planes) = try window(request, isBytes: isBytes)
    let geometry = window.c
    if isBytes {
      return PreparedKernel(
        RangeKernel("maxpool of bytes", count: planes, grain: grain(window)) { call, begin, end, _ in
          var geometry = geometry
          ck_planes_maxpool_u8(
            call.output(0, UInt8.self), call.input(0, UInt8.self), type == .int8, &geometry, begin, end)
        })
    }
    let isColumnMajor = try request.attributes.bool("storage_order")
    return PreparedKernel(
      RangeKernel("maxpool", count: planes, grain: grain(window)) { call, begin, end, _ in
        var geometry = geometry
        ck_maxpool_f32(
          call.output(0, Float.self), call.optionalOutput(1, Int64.self), call.input(0, Float.self), &geometry,
          isColumnMajor,
          begin, end)
      })
  }

  private static func average(_ request: KernelRequest) throws -> PreparedKernel {
    let (window, planes) = try window(request)
    let geometry = window.c
    let countsPadding = try request.attributes.bool("count_include_pad")
    return PreparedKernel(
      RangeKernel("avgpool", count: planes, grain: grain(window)) { call, begin, end, _ in
        var geometry = geometry
        ck_avgpool_f32(call.output(0, Float.self), call.input(0, Float.self), &geometry, countsPadding, begin, end)
      })
  }

  private static func lp(_ request: KernelRequest) throws -> PreparedKernel {
    let (window, planes) = try window(request)
    let geometry = window.c
    let p = Float(try request.attributes.int("p", default: 2))
    return PreparedKernel(
      RangeKernel("lppool", count: planes, grain: grain(window)) { call, begin, end, _ in
        var geometry = geometry
        ck_lppool_f32(call.output(0, Float.self), call.input(0, Float.self), &geometry, p, begin, end)
      })
  }
}
