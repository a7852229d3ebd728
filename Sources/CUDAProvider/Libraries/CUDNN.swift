internal import CCUDA
import Tensors

/// cuDNN 9. Its functions may be called from any thread.
public struct CUDNN: @unchecked Sendable {
  let table: UnsafePointer<cameo_cudnn>
  /// "9.19.0"
  public let version: String
  public let path: String

  init(_ table: UnsafePointer<cameo_cudnn>) {
    self.table = table
    let number = Int(table.pointee.version())
    version = "\(number / 10000).\(number / 100 % 100).\(number % 100)"
    path = String(cString: table.pointee.path)
  }

  /// Throws `.system` with the function and what cuDNN says of it, where `code` is an error.
  func check(_ code: Int32, _ function: String) throws {
    guard code != 0 else { return }
    let text = table.pointee.error_string(code).map { String(cString: $0) } ?? "error \(code)"
    throw CameoError.system("\(function): \(text)")
  }
}

/// cuDNN on one device.
final class CUDNNSession: @unchecked Sendable {
  let library: CUDNN
  /// A handle has one stream at a time: who puts work into his holds it so long.
  private let handle: cameo_cudnn_handle
  private let lock = Mutex(())

  /// For the device whose context the calling thread has entered. Throws `.system` where cuDNN does not start.
  init(_ library: CUDNN) throws {
    self.library = library
    var made: cameo_cudnn_handle?
    try library.check(library.table.pointee.create(&made), "cudnnCreate")
    guard let made else { throw CameoError.system("cudnnCreate gave no handle") }
    handle = made
  }

  deinit { _ = library.table.pointee.destroy(handle) }

  func withHandle<R>(_ body: (cameo_cudnn_handle) throws -> R) throws -> R {
    try lock.withLock { _ in try body(handle) }
  }

  /// That of the device; nil where cuDNN is not there or does not start.
  static func shared(_ context: CUDAContext) -> CUDNNSession? {
    table.withLock { table in
      if let known = table[ObjectIdentifier(context)] { return known.session }
      let made = try? { () throws -> CUDNNSession in
        let library = try CUDALibraries.shared.dnn.get()
        try context.enter()
        return try CUDNNSession(library)
      }()
      table[ObjectIdentifier(context)] = Entry(context: context, session: made)
      return made
    }
  }

  /// The context is kept, so that its identity stays its own.
  private struct Entry {
    let context: CUDAContext
    let session: CUDNNSession?
  }
  private static let table = Mutex<[ObjectIdentifier: Entry]>([:])
}

/// A way of cuDNN to compute a convolution with what follows it.
final class CUDNNPlan: @unchecked Sendable {
  let session: CUDNNSession
  private let plan: OpaquePointer
  let workspace: Int

  private init(_ plan: OpaquePointer, _ session: CUDNNSession) {
    self.plan = plan
    self.session = session
    workspace = cameo_cudnn_workspace(plan)
  }

  deinit { cameo_cudnn_release(plan) }

  /// At most `room` plans, the heuristic's favourite first, whose workspace is bounded. Throws a refusal's words where cuDNN has none.
  static func plans(
    _ session: CUDNNSession, _ convolution: cameo_cudnn_convolution, room: Int, mode: Int = CAMEO_CUDNN_HEURISTIC_A
  ) throws -> [CUDNNPlan] {
    var convolution = convolution
    var found = [OpaquePointer?](repeating: nil, count: room)
    let words = try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { reason -> String in
      reason.initialize(repeating: 0)
      guard let base = reason.baseAddress else { return "no memory is left" }
      let count = try session.withHandle {
        cameo_cudnn_plans(
          session.library.table, $0, &convolution, Int32(mode), workspaceLimit, Int32(room), &found, base, reason.count)
      }
      return count > 0 ? "" : String(cString: base)
    }
    let plans = found.compactMap { $0.map { CUDNNPlan($0, session) } }
    guard !plans.isEmpty else { throw CameoError.unsupported(words) }
    return plans
  }

  private static let workspaceLimit = 256 << 20

  /// The plan that `text` stands for; nil where it does not fit this library or device.
  convenience init?(_ session: CUDNNSession, _ convolution: cameo_cudnn_convolution, text: [UInt8]) {
    var convolution = convolution
    let made = text.withUnsafeBytes { bytes -> OpaquePointer? in
      guard let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self) else { return nil }
      return try? session.withHandle {
        cameo_cudnn_restore(session.library.table, $0, &convolution, base, Int64(bytes.count))
      }
    }
    guard let made else { return nil }
    self.init(made, session)
  }

  /// Everything that making it took; empty where cuDNN does not write it.
  var text: [UInt8] {
    let size = Int(cameo_cudnn_text(plan, nil, 0))
    guard size > 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
      buffer.initialize(repeating: 0)
      filled =
        buffer.baseAddress.map { base in
          base.withMemoryRebound(to: CChar.self, capacity: size) { Int(cameo_cudnn_text(plan, $0, Int64(size))) }
        } ?? 0
    }
  }

  /// Puts the work into the queue.
  func run(
    _ queue: CUDAQueue, image: UnsafeRawPointer, filters: UnsafeRawPointer, bias: UnsafeRawPointer?,
    added: UnsafeRawPointer?, result: UnsafeMutableRawPointer, workspace: UnsafeMutableRawPointer?
  ) throws {
    let table = session.library.table.pointee
    try session.withHandle { handle in
      try session.library.check(table.set_stream(handle, UnsafeMutableRawPointer(queue.stream)), "cudnnSetStream")
      try session.library.check(
        cameo_cudnn_run(plan, handle, image, filters, bias, added, result, workspace), "cudnnBackendExecute")
    }
  }
}
