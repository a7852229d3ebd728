internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// A chain from 8-bit integers to 8-bit integers: one lookup in the 256 results of its program.
struct ByteTable {
  private let bytes: [UInt8]
  private let count: Int

  /// nil where the chain has other operands or another result.
  init?(_ body: Graph, _ operands: [Operand], _ result: Operand) throws {
    let types: Set<DataType> = [.uint8, .int8]
    guard operands.count == 1, types.contains(operands[0].type), types.contains(result.type),
      operands[0].count == result.count
    else { return nil }
    count = result.count
    let all = [try Operand(type: operands[0].type, shape: [256])]
    let compiler = try ElementwiseCompiler(body, all)
    guard product(compiler.shape) == 256 else { return nil }
    let memory = try ElementwiseMemory(compiler, all)
    let program = memory.program
    (program.pointee.count, program.pointee.row, program.pointee.tile) = (256, 256, 256)
    program.pointee.register_bytes = 256 * memory.width
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: max(64, ck_program_scratch(program)), alignment: 64)
    defer { scratch.deallocate() }
    bytes = [UInt8](unsafeUninitializedCapacity: 256) { out, count in
      (0..<256).map { UInt8($0) }.withUnsafeBytes { given in
        if let given = given.baseAddress, let base = out.baseAddress {
          withUnsafePointer(to: given) { ck_program_run(program, base, $0, 0, 1, scratch) }
        }
      }
      count = 256
    }
  }

  var kernel: PreparedKernel {
    let table = Bytes(bytes)
    return PreparedKernel(
      RangeKernel("lookup", count: count, grain: 1 << 17) { call, begin, end, _ in
        ck_lookup_u8(call.output(0, UInt8.self) + begin, call.input(0, UInt8.self) + begin, table.base, end - begin)
      }, inPlaceInputs: [0])
  }

  /// Bytes at an address that C may read as long as the object lives.
  private final class Bytes: @unchecked Sendable {
    let base: UnsafeMutablePointer<UInt8>

    init(_ values: [UInt8]) {
      base = .allocate(capacity: max(1, values.count))
      base.initialize(from: values, count: values.count)
    }

    deinit { base.deallocate() }
  }
}
