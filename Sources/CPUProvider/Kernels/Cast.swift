internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Conversions between the common element types.
enum CastKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "Cast": { try make($0) }, "CastLike": { try make($0) },
  ]

  private static func convert<A, B>(
    _ count: Int, _ function: @escaping (UnsafeMutablePointer<B>, UnsafePointer<A>, Int) -> Void
  ) -> PreparedKernel {
    PreparedKernel(
      RangeKernel("cast", count: count, grain: 32768) { call, begin, end, _ in
        function(call.output(0, B.self) + begin, call.input(0, A.self) + begin, end - begin)
      })
  }

  private static func each<A, B>(_ count: Int, _ function: @escaping (A) -> B) -> PreparedKernel {
    convert(count) { out, input, count in for i in 0..<count { out[i] = function(input[i]) } }
  }

  private static func make(_ request: KernelRequest) throws -> PreparedKernel {
    let (source, result) = (try request.operand(0), try request.result())
    let count = result.count
    switch (source.type, result.type) {
    case (.float16, .float): return convert(count, ck_f16_to_f32)
    case (.float, .float16): return convert(count, ck_f32_to_f16)
    case (.bfloat16, .float): return convert(count, ck_bf16_to_f32)
    case (.float, .bfloat16): return convert(count, ck_f32_to_bf16)
    case (.float, .double): return convert(count, ck_f32_to_f64)
    case (.double, .float): return convert(count, ck_f64_to_f32)
    case (.float, .bool): return convert(count, ck_f32_to_bool)
    case (.int32, .float): return convert(count, ck_i32_to_f32)
    case (.int64, .float): return convert(count, ck_i64_to_f32)
    case (.uint8, .float), (.bool, .float): return convert(count, ck_u8_to_f32)
    case (.int8, .float): return convert(count, ck_i8_to_f32)
    case (.int32, .int64): return convert(count, ck_i32_to_i64)
    case (.int64, .int32): return convert(count, ck_i64_to_i32)
    case (.bool, .int64): return each(count) { (x: UInt8) in Int64(x) }
    case (.bool, .int32): return each(count) { (x: UInt8) in Int32(x) }
    case (.int64, .bool): return each(count) { (x: Int64) -> UInt8 in x != 0 ? 1 : 0 }
    case (.int32, .bool): return each(count) { (x: Int32) -> UInt8 in x != 0 ? 1 : 0 }
    default: throw Refusal("\(source.type) to \(result.type)")
    }
  }
}
