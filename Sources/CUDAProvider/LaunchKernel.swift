internal import CCUDA
public import InferenceRuntime
import Tensors

/// How many blocks, or threads in a block.
public struct LaunchSize: Sendable, Hashable {
  public var x, y, z: Int
  public init(_ x: Int, _ y: Int = 1, _ z: Int = 1) { (self.x, self.y, self.z) = (x, y, z) }
}

/// One launch of a kernel: all is settled but where the step's operands lie.
public struct Launch {
  /// An argument of the kernel, in its order. Each is placed as C places a struct's members.
  public enum Argument {
    /// The address of an operand of the step, `offset` bytes further; NULL where that is left out.
    case input(Int, offset: Int = 0)
    case output(Int = 0, offset: Int = 0)
    /// Within the step's scratch (`PreparedKernel.scratchBytes`, for the whole step), in device memory.
    case scratch(offset: Int = 0)
    /// Device memory that the kernel keeps.
    case resident(DeviceStorage, offset: Int = 0)
    case int32(Int)
    case int64(Int)
    case float(Float)
    /// A CUtensorMap, written for each call, of the tensor at the address that the other argument stands for. Maps come first, and what
    /// is behind them is one struct.
    indirect case tensorMap(TensorMap, of: Argument)
    /// Sixteen integers of four bytes that belong to the queue. They are zero, and the kernel leaves them so.
    case counters
    /// A struct, as it lies in memory.
    case bytes([UInt8], alignment: Int)
  }

  public var function: CUDAFunction
  public var grid: LaunchSize
  public var block: LaunchSize
  /// Of dynamic shared memory; `CUDAContext.function` was told of it where it is more than 48 KiB.
  public var sharedBytes: Int
  public var arguments: [Argument]

  public init(
    _ function: CUDAFunction, grid: LaunchSize, block: LaunchSize, sharedBytes: Int = 0, _ arguments: [Argument]
  ) {
    (self.function, self.grid, self.block, self.sharedBytes) = (function, grid, block, sharedBytes)
    self.arguments = arguments
  }
}

/// A step that is one launch after the other.
public final class LaunchKernel: Kernel, @unchecked Sendable {
  /// Launches with their arguments laid out; addresses of operands are written into a copy for each call.
  private let launches: ContiguousArray<Prepared>
  private let kept: [DeviceStorage]

  public init(_ name: String, _ launches: [Launch]) {
    self.launches = ContiguousArray(launches.map { Prepared($0) })
    kept = launches.flatMap { launch in
      launch.arguments.compactMap { if case .resident(let storage, _) = $0 { storage } else { nil } }
    }
    super.init(name)
  }

  public override func run(_ call: KernelCall) throws {
    let queue = unsafeDowncast(call.queue, to: CUDAQueue.self)
    for index in launches.indices { try launches[index].put(call.operands, call.inputCount, call.outputCount, queue) }
  }

  /// Puts the launches into a queue outside any run: none of them names an operand of a step.
  func put(_ queue: CUDAQueue) throws {
    try withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: 1) { none in
      none.initialize(repeating: nil)
      guard let base = none.baseAddress else { return }
      for index in launches.indices { try launches[index].put(UnsafePointer(base), 0, 0, queue) }
    }
  }

  private struct Prepared {
    private let launch: Launch
    private let template: ContiguousArray<UInt8>
    /// Where an address goes, whose it is (index into the step's operands counted by kind), and what is added.
    private let patches: ContiguousArray<(place: Int, kind: Int, index: Int, offset: Int)>
    /// Maps, and where they go.
    private let maps: ContiguousArray<(place: Int, map: TensorMap)>

    init(_ launch: Launch) {
      var bytes: ContiguousArray<UInt8> = []
      var patches: ContiguousArray<(place: Int, kind: Int, index: Int, offset: Int)> = []
      func append<T>(_ value: T, _ alignment: Int) {
        while bytes.count % alignment != 0 { bytes.append(0) }
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
      }
      var maps: ContiguousArray<(place: Int, map: TensorMap)> = []
      for argument in launch.arguments {
        var argument = argument
        if case .tensorMap(let map, let tensor) = argument {
          // Its address stands where the map goes, until that is written.
          while bytes.count % 64 != 0 { bytes.append(0) }
          maps.append((bytes.count, map))
          argument = tensor
        }
        switch argument {
        case .input(let index, let offset):
          append(UInt64(0), 8)
          patches.append((bytes.count - 8, 0, index, offset))
        case .output(let index, let offset):
          append(UInt64(0), 8)
          patches.append((bytes.count - 8, 1, index, offset))
        case .scratch(let offset):
          append(UInt64(0), 8)
          patches.append((bytes.count - 8, 2, 0, offset))
        case .resident(let storage, let offset): append((storage.address + offset).word, 8)
        case .counters:
          append(UInt64(0), 8)
          patches.append((bytes.count - 8, 3, 0, 0))
        case .tensorMap: break
        case .int32(let value): append(Int32(truncatingIfNeeded: value), 4)
        case .int64(let value): append(Int64(value), 8)
        case .float(let value): append(value, 4)
        case .bytes(let value, let alignment):
          while bytes.count % alignment != 0 { bytes.append(0) }
          bytes.append(contentsOf: value)
        }
        if let map = maps.last, map.place + 8 == bytes.count {
          bytes.append(contentsOf: repeatElement(0, count: 120))
        }
      }
      self.maps = maps
      self.launch = launch
      template = bytes
      self.patches = patches
    }

    func put(
      _ operands: UnsafePointer<UnsafeMutableRawPointer?>, _ inputCount: Int, _ outputCount: Int, _ queue: CUDAQueue
    ) throws {
      let count = template.count
      let code = try withUnsafeTemporaryAllocation(byteCount: max(64, count), alignment: 64) { memory -> Int32 in
        guard let base = memory.baseAddress else { return Int32(CAMEO_CUDA_ERROR_OUT_OF_MEMORY) }
        template.withUnsafeBytes { bytes in
          if let source = bytes.baseAddress { base.copyMemory(from: source, byteCount: count) }
        }
        for index in patches.indices {
          let patch = patches[index]
          let operand: UnsafeMutableRawPointer?
          switch patch.kind {
          case 0: operand = patch.index < inputCount ? operands[patch.index] : nil
          case 1: operand = patch.index < outputCount ? operands[inputCount + patch.index] : nil
          case 2: operand = operands[inputCount + outputCount]
          default: operand = queue.counters.address
          }
          let word = operand.map { $0.word &+ UInt64(bitPattern: Int64(patch.offset)) } ?? 0
          base.storeBytes(of: word, toByteOffset: patch.place, as: UInt64.self)
        }
        for index in maps.indices {
          let (place, map) = maps[index]
          let address = base.load(fromByteOffset: place, as: UInt64.self)
          try map.encode(address, to: base + place, queue.context.driver)
        }
        return maps.isEmpty ? start(base, count, queue) : start(base, queue)
      }
      try queue.context.driver.check(code, "launch of \(launch.function.name)")
    }

    /// Parameters as one buffer.
    private func start(_ base: UnsafeMutableRawPointer, _ count: Int, _ queue: CUDAQueue) -> Int32 {
      var size = count
      return withUnsafeMutablePointer(to: &size) { size in
        // CU_LAUNCH_PARAM_BUFFER_POINTER, CU_LAUNCH_PARAM_BUFFER_SIZE, CU_LAUNCH_PARAM_END
        var extra: (Int, UnsafeMutableRawPointer?, Int, UnsafeMutableRawPointer?, Int) = (
          1, base, 2, UnsafeMutableRawPointer(size), 0
        )
        return withUnsafeMutableBytes(of: &extra) { extra in
          start(queue, nil, extra.baseAddress?.assumingMemoryBound(to: UnsafeMutableRawPointer?.self))
        }
      }
    }

    /// Maps, and the struct behind them, one by one: the place of a parameter that is aligned to 64 bytes is the driver's matter.
    private func start(_ base: UnsafeMutableRawPointer, _ queue: CUDAQueue) -> Int32 {
      withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: maps.count + 1) { places in
        for index in 0...maps.count { places.initializeElement(at: index, to: base + index * 128) }
        return start(queue, places.baseAddress, nil)
      }
    }

    private func start(
      _ queue: CUDAQueue, _ places: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
      _ extra: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Int32 {
      let (grid, block) = (launch.grid, launch.block)
      // Every kernel waits by itself for those in front (queue_order.cuh).
      guard queue.context.info.capability >= CUDAVersion(9, 0) else {
        return queue.context.driver.table.pointee.launch(
          launch.function.handle, UInt32(grid.x), UInt32(grid.y), UInt32(grid.z), UInt32(block.x), UInt32(block.y),
          UInt32(block.z), UInt32(launch.sharedBytes), queue.stream, places, extra)
      }
      var attribute = cameo_cuda_launch_attribute()
      attribute.id = UInt32(CAMEO_CUDA_LAUNCH_PROGRAMMATIC)
      attribute.value = 1
      return withUnsafeMutablePointer(to: &attribute) { attribute in
        var config = cameo_cuda_launch_config(
          grid_x: UInt32(grid.x), grid_y: UInt32(grid.y), grid_z: UInt32(grid.z), block_x: UInt32(block.x),
          block_y: UInt32(block.y), block_z: UInt32(block.z), shared_bytes: UInt32(launch.sharedBytes),
          stream: queue.stream, attributes: attribute, attribute_count: 1)
        return queue.context.driver.table.pointee.launch_extended(&config, launch.function.handle, places, extra)
      }
    }
  }
}
