import GraphIR
import Operators
import Tensors

/// What all plans of one session share.
final class ProgramCore: Sendable {
  let graph: Graph
  let functions: [Function]
  let providers: [any ExecutionProvider]
  let options: SessionOptions
  let pool: ThreadPool
  let packs: PackCache
  /// The first provider's that has one; plans use no other.
  let device: Device?
  let residents: DeviceConstants?
  /// Results of nodes that depend on constants only.
  private let folded = Mutex<[NodeID: [Value?]]>([:])
  /// Aligned copies of small constants that a file holds unaligned.
  private let alignedCopies = Mutex<[ValueID: Tensor]>([:])

  init(_ model: Model, providers: [any ExecutionProvider], options: SessionOptions, pool: ThreadPool) {
    graph = model.graph
    functions = model.functions
    self.providers = providers
    self.options = options
    self.pool = pool
    device = providers.lazy.compactMap(\.device).first
    residents = device.map { DeviceConstants($0) }
    packs = PackCache(file: options.packs, zeroes: options.keepsPacks)
  }

  /// Whether values of float32 may lie in memory in a shorter type, and in which.
  var rounds: Bool {
    device == nil ? options.precision != .fp32 : options.precision == .fp16 || options.precision == .bf16
  }
  var roundedType: DataType { device != nil && options.precision == .fp16 ? .float16 : .bfloat16 }

  /// How messages name where a value comes from.
  func place(of value: ValueID) -> String {
    graph.producer(value).map { graph.describe($0) } ?? "value \(graph[value].name)"
  }

  func fold(_ id: NodeID, _ make: () throws -> [Value?]) rethrows -> [Value?] {
    if let known = folded.withLock({ $0[id] }) { return known }
    let made = try make()
    return folded.withLock { table in
      if let known = table[id] { return known }
      table[id] = made
      return made
    }
  }

  /// The constant, at an aligned address where it is small: large ones stay where the file is mapped.
  func aligned(_ value: ValueID, _ tensor: Tensor) throws -> Tensor {
    let width = max(1, tensor.dataType.bitWidth / 8)
    if tensor.dataType == .string || UInt(bitPattern: tensor.address) % UInt(min(width, 16)) == 0 { return tensor }
    if tensor.byteCount > 64 << 10 && width <= 4 { return tensor }
    if let known = alignedCopies.withLock({ $0[value] }), known.count == tensor.count { return known }
    let copy = try Tensor.makeRaw(tensor.dataType, tensor.shape) { bytes in
      tensor.withUnsafeBytes { bytes.copyMemory(from: $0) }
    }
    return alignedCopies.withLock { copies in
      if let known = copies[value], known.count == tensor.count { return known }
      copies[value] = copy
      packs.note(copy, of: tensor)
      return copy
    }
  }
}
