internal import CPlugin
import GraphIR
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Why a function of the host's table gives anything but CAMEO_OK.
struct PluginFault: Error {
  let status: Int32
  let reason: String

  static let notFound = PluginFault(status: CAMEO_NOT_FOUND, reason: "")
  static func wrong(_ reason: String) -> PluginFault { PluginFault(status: CAMEO_BAD_ARGUMENT, reason: reason) }
}

/// One call of the host into a plugin: what its handle stands for, and the memory that is handed out during it.
///
/// `@unchecked Sendable`: the table finds a call for the thread that made it only, and that thread is inside the call.
final class PluginCall: @unchecked Sendable {
  enum Kind {
    case registration(PluginRegistrar)
    case pass(PassContext)
    case inference(InferenceContext)
    case evaluation(EvaluationContext, expected: [ValueType?])
  }

  let id: UInt64
  var kind: Kind
  var reason: String?
  var changes: [UInt32: GraphChange] = [:]
  var nextChange: UInt32 = 0
  var outputs: [Int: Value] = [:]
  private let thread = pthread_self()
  private var dims: [Dim] = []
  private var dimHandles: [Dim: UInt32] = [:]
  private var texts: [String: UnsafeMutableBufferPointer<UInt8>] = [:]
  private var memory: [UnsafeMutableRawPointer] = []
  private var kept: [TensorStorage] = []

  private struct Live {
    var next: UInt64 = 1
    var calls: [UInt64: PluginCall] = [:]
  }
  private static let live = Mutex(Live())

  private init(_ id: UInt64, _ kind: Kind) {
    self.id = id
    self.kind = kind
  }

  deinit {
    for text in texts.values { text.deallocate() }
    for pointer in memory { pointer.deallocate() }
  }

  /// Runs `body` with a call that is known to the table until it returns.
  static func make<R>(_ kind: Kind, _ body: (PluginCall) throws -> R) throws -> R {
    let call = live.withLock { live in
      let call = PluginCall(live.next, kind)
      live.calls[live.next] = call
      live.next += 1
      return call
    }
    defer { live.withLock { $0.calls[call.id] = nil } }
    return try body(call)
  }

  /// A function of the table: finds the call, turns what is thrown into a status and keeps the reason.
  static func perform(_ id: UInt64, _ body: (PluginCall) throws -> Void) -> Int32 {
    guard let call = live.withLock({ $0.calls[id] }), pthread_equal(call.thread, pthread_self()) != 0 else {
      return CAMEO_BAD_ARGUMENT
    }
    do {
      try body(call)
      return CAMEO_OK
    } catch let fault as PluginFault {
      if fault.status != CAMEO_NOT_FOUND { call.reason = fault.reason }
      return fault.status
    } catch {
      call.reason = "\(error)"
      return CAMEO_FAILED
    }
  }

  /// Throws where a callback returned anything but CAMEO_OK.
  func finish(_ status: Int32) throws {
    switch status {
    case CAMEO_OK: return
    case CAMEO_TOO_OLD:
      throw CameoError.unsupported(
        reason ?? "it needs a newer Cameo: version \(CAMEO_PLUGIN_VERSION) of cameo_plugin.h is here")
    default: throw CameoError.badInput(reason ?? "it returned the status \(status) without a reason")
    }
  }

  // MARK: What the call is about

  func registrar() throws -> PluginRegistrar {
    guard case .registration(let registrar) = kind else {
      throw PluginFault.wrong("this is no call of the entry point")
    }
    return registrar
  }

  func pass() throws -> PassContext {
    guard case .pass(let context) = kind else { throw PluginFault.wrong("this is no call of a pass") }
    return context
  }

  // MARK: Handles

  func region(_ handle: UInt32) throws -> RegionID {
    let graph = try pass().graph
    guard handle < graph.regionCapacity, graph[RegionID(Int(handle))].isAlive else {
      throw PluginFault.wrong("there is no region \(handle)")
    }
    return RegionID(Int(handle))
  }

  func node(_ handle: UInt32) throws -> NodeID {
    let graph = try pass().graph
    guard handle < graph.nodeCapacity, graph[NodeID(Int(handle))].isAlive else {
      throw PluginFault.wrong("there is no node \(handle)")
    }
    return NodeID(Int(handle))
  }

  func value(_ handle: UInt32) throws -> ValueID {
    let graph = try pass().graph
    guard handle < graph.valueCapacity, graph[ValueID(Int(handle))].isAlive else {
      throw PluginFault.wrong("there is no value \(handle)")
    }
    return ValueID(Int(handle))
  }

  /// The attributes of a node of the graph, or of the node whose inference or evaluation this is.
  func attributes(_ handle: UInt32) throws -> AttributeReader {
    switch kind {
    case .inference(let context) where handle == CAMEO_THIS_NODE: return context.attributes
    case .evaluation(let context, _) where handle == CAMEO_THIS_NODE: return context.attributes
    default: return AttributeReader(try pass().graph[try node(handle)])
    }
  }

  func dim(_ handle: UInt32) throws -> Dim {
    guard handle < dims.count else { throw PluginFault.wrong("there is no dimension \(handle)") }
    return dims[Int(handle)]
  }

  func handle(_ dim: Dim) -> UInt32 {
    if let known = dimHandles[dim] { return known }
    let handle = UInt32(dims.count)
    dims.append(dim)
    dimHandles[dim] = handle
    return handle
  }

  // MARK: Out

  func text(_ string: String) -> cameo_text {
    let kept: UnsafeMutableBufferPointer<UInt8>
    if let known = texts[string] {
      kept = known
    } else {
      kept = .allocate(capacity: max(1, string.utf8.count))
      _ = kept.initialize(from: string.utf8)
      texts[string] = kept
    }
    return cameo_text(
      data: UnsafeRawPointer(kept.baseAddress)?.assumingMemoryBound(to: CChar.self), size: string.utf8.count)
  }

  /// The tensor, with its bytes copied only where they are not aligned for the type.
  func tensor(_ tensor: Tensor) throws -> cameo_tensor {
    let dims = UnsafeMutablePointer<Int64>.allocate(capacity: max(1, tensor.rank))
    memory.append(UnsafeMutableRawPointer(dims))
    for (axis, dim) in tensor.shape.enumerated() { dims[axis] = Int64(dim) }
    var result = cameo_tensor(
      type: Int32(tensor.dataType.rawValue), rank: Int32(tensor.rank), dims: dims, data: nil, byte_count: 0)
    if tensor.dataType == .string { return result }
    result.byte_count = tensor.byteCount
    let width = min(16, max(1, tensor.dataType.bitWidth / 8))
    if UInt(bitPattern: tensor.baseAddress) % UInt(width) == 0 {
      kept.append(tensor.storage)
      result.data = tensor.baseAddress
    } else {
      let copy = try TensorStorage(byteCount: tensor.byteCount, zeroed: false)
      copy.base.copyMemory(from: tensor.baseAddress, byteCount: tensor.byteCount)
      kept.append(copy)
      result.data = UnsafeRawPointer(copy.base)
    }
    return result
  }

  func store<T>(_ value: T, _ pointer: UnsafeMutablePointer<T>?) throws {
    guard let pointer else { throw PluginFault.wrong("a result has no place to go: a null pointer") }
    pointer.pointee = value
  }

  /// Fills a caller's array; the count is always stored.
  func fill<T>(
    _ values: some Collection<T>, _ pointer: UnsafeMutablePointer<T>?, _ capacity: Int,
    _ count: UnsafeMutablePointer<Int>?
  ) throws {
    guard pointer != nil || capacity == 0 else {
      throw PluginFault.wrong("a capacity of \(capacity) at a null pointer")
    }
    try store(values.count, count)
    // A size_t of more than Int.max comes as a negative number.
    if let pointer {
      for (index, value) in values.prefix(capacity < 0 ? .max : capacity).enumerated() { pointer[index] = value }
    }
  }

  // MARK: In

  /// Most bytes of a text that a plugin hands over.
  static let textLimit = 1 << 26

  func string(_ text: cameo_text) throws -> String {
    if text.size == 0 { return "" }
    guard let data = text.data, text.size > 0, text.size <= PluginCall.textLimit else {
      throw PluginFault.wrong(
        "a text of \(UInt(bitPattern: text.size)) bytes\(text.data == nil ? " at a null pointer" : "")")
    }
    let bytes = UnsafeRawBufferPointer(start: data, count: text.size)
    guard let string = String(validating: bytes, as: UTF8.self) else {
      throw PluginFault.wrong("a text that is no UTF-8")
    }
    return string
  }

  func list<T>(_ pointer: UnsafePointer<T>?, _ count: Int, limit: Int = 1 << 24) throws -> UnsafeBufferPointer<T> {
    guard count >= 0, count <= limit, pointer != nil || count == 0 else {
      throw PluginFault.wrong("a list of \(UInt(bitPattern: count)) at \(pointer == nil ? "a null" : "a") pointer")
    }
    return UnsafeBufferPointer(start: pointer, count: count)
  }

  /// Most dimensions of a tensor that a plugin hands over.
  static let rankLimit = 256

  func shape(_ dims: UnsafePointer<Int64>?, _ rank: Int32) throws -> [Int] {
    let shape = try list(dims, Int(rank), limit: PluginCall.rankLimit).map { Int($0) }
    _ = try Tensor.elementCount(shape)
    return shape
  }

  func dataType(_ number: Int32) throws -> DataType {
    guard let raw = UInt8(exactly: number), let type = DataType(rawValue: raw) else {
      throw PluginFault.wrong("\(number) is no element type")
    }
    return type
  }

  /// A copy of the plugin's tensor.
  func tensor(_ pointer: UnsafePointer<cameo_tensor>?) throws -> Tensor {
    guard let given = pointer?.pointee else { throw PluginFault.wrong("a tensor at a null pointer") }
    let type = try dataType(given.type)
    let shape = try shape(given.dims, given.rank)
    guard type != .string, let bytes = type.byteCount(elements: try Tensor.elementCount(shape)) else {
      throw PluginFault.wrong("a tensor \(type)\(shape) cannot be given as bytes")
    }
    guard bytes == given.byte_count, bytes == 0 || given.data != nil else {
      throw PluginFault.wrong(
        "a tensor \(type)\(shape) has \(bytes) bytes, \(UInt(bitPattern: given.byte_count)) were given"
          + (given.data == nil ? " at a null pointer" : ""))
    }
    return try Tensor.makeRaw(type, shape) { out in
      if let data = given.data { out.copyMemory(from: UnsafeRawBufferPointer(start: data, count: bytes)) }
    }
  }

  func strings(_ pointer: UnsafePointer<cameo_text>?, _ count: Int) throws -> [String] {
    try list(pointer, count).map { try string($0) }
  }
}
