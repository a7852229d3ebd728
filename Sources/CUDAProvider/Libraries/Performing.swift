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
    var words: [UInt8] = []
    func append<T>(_ value: T) {
      while words.count % MemoryLayout<T>.size != 0 { words.append(0) }
      withUnsafeBytes(of: value) { words.append(contentsOf: $0) }
    }
    for argument in launch.arguments {
      switch argument {
      case .resident(let storage, let offset): append((storage.address + offset).word)
      case .int64(let value): append(Int64(value))
      case .int32(let value): append(Int32(truncatingIfNeeded: value))
      case .float(let value): append(value)
      default: throw CameoError(.invariant, "an operand outside a step")
      }
    }
    try queue.launch(launch.function, grid: launch.grid, block: launch.block, sharedBytes: launch.sharedBytes, words)
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

extension CUDAQueue {
  /// A launch with its parameters laid out.
  func launch(
    _ function: CUDAFunction, grid: LaunchSize, block: LaunchSize, sharedBytes: Int, _ parameters: [UInt8]
  ) throws {
    var bytes = parameters
    let code = bytes.withUnsafeMutableBytes { bytes -> Int32 in
      var size = bytes.count
      return withUnsafeMutablePointer(to: &size) { size in
        // CU_LAUNCH_PARAM_BUFFER_POINTER, CU_LAUNCH_PARAM_BUFFER_SIZE, CU_LAUNCH_PARAM_END
        var extra: (Int, UnsafeMutableRawPointer?, Int, UnsafeMutableRawPointer?, Int) = (
          1, bytes.baseAddress, 2, UnsafeMutableRawPointer(size), 0
        )
        return withUnsafeMutableBytes(of: &extra) { extra in
          context.driver.table.pointee.launch(
            function.handle, UInt32(grid.x), UInt32(grid.y), UInt32(grid.z), UInt32(block.x), UInt32(block.y),
            UInt32(block.z), UInt32(sharedBytes), stream, nil,
            extra.baseAddress?.assumingMemoryBound(to: UnsafeMutableRawPointer?.self))
        }
      }
    }
    try context.driver.check(code, "launch of \(function.name)")
  }

  /// A launch with its parameters at these places of `parameters`, one for each.
  func launch(
    _ function: CUDAFunction, grid: LaunchSize, block: LaunchSize, sharedBytes: Int, _ parameters: [UInt8],
    at places: [Int]
  ) throws {
    var bytes = parameters
    let code = bytes.withUnsafeMutableBytes { bytes -> Int32 in
      withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: places.count) { addresses in
        for (index, place) in places.enumerated() {
          addresses.initializeElement(at: index, to: bytes.baseAddress.map { $0 + place })
        }
        return context.driver.table.pointee.launch(
          function.handle, UInt32(grid.x), UInt32(grid.y), UInt32(grid.z), UInt32(block.x), UInt32(block.y),
          UInt32(block.z), UInt32(sharedBytes), stream, addresses.baseAddress, nil)
      }
    }
    try context.driver.check(code, "launch of \(function.name)")
  }
}
