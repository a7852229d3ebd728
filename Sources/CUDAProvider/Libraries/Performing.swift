internal import CCUDA
import InferenceRuntime
import Tensors

extension CUDAContext {
  /// Launches what has no operand of a step, and waits until it is done: for what is made while kernels are prepared.
  func perform(_ launches: [Launch]) throws {
    guard let queue = try makeQueue() as? CUDAQueue else { throw CameoError(.invariant, "a foreign queue") }
    for launch in launches { try perform(launch, queue) }
    try queue.finish()
  }

  private func perform(_ launch: Launch, _ queue: CUDAQueue) throws {
    var words: [UInt64] = []
    for argument in launch.arguments {
      switch argument {
      case .resident(let storage, let offset): words.append((storage.address + offset).word)
      case .int64(let value): words.append(UInt64(bitPattern: Int64(value)))
      default: throw CameoError(.invariant, "an operand outside a step")
      }
    }
    let code = words.withUnsafeMutableBytes { bytes -> Int32 in
      var size = bytes.count
      return withUnsafeMutablePointer(to: &size) { size in
        // CU_LAUNCH_PARAM_BUFFER_POINTER, CU_LAUNCH_PARAM_BUFFER_SIZE, CU_LAUNCH_PARAM_END
        var extra: (Int, UnsafeMutableRawPointer?, Int, UnsafeMutableRawPointer?, Int) = (
          1, bytes.baseAddress, 2, UnsafeMutableRawPointer(size), 0
        )
        return withUnsafeMutableBytes(of: &extra) { extra in
          driver.table.pointee.launch(
            launch.function.handle, UInt32(launch.grid.x), UInt32(launch.grid.y), UInt32(launch.grid.z),
            UInt32(launch.block.x), UInt32(launch.block.y), UInt32(launch.block.z), UInt32(launch.sharedBytes),
            queue.stream, nil, extra.baseAddress?.assumingMemoryBound(to: UnsafeMutableRawPointer?.self))
        }
      }
    }
    try driver.check(code, "launch of \(launch.function.name)")
  }
}

/// The product library of a context, made when it is first asked for.
final class LateProducts: @unchecked Sendable {
  /// Set once, before `value` is asked for.
  var make: () -> ProductLibrary? = { nil }
  private let made = Mutex<ProductLibrary??>(nil)

  var value: ProductLibrary? {
    made.withLock { known in
      if let known { return known }
      let result = make()
      known = .some(result)
      return result
    }
  }

  func drop() { made.withLock { $0 = .some(nil) } }
}
