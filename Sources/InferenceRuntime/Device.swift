import Tensors

/// Memory of a device, or host memory that a device reaches by itself. Freed when nothing refers to it.
public final class DeviceStorage: @unchecked Sendable {
  public let address: UnsafeMutableRawPointer
  public let byteCount: Int
  private let release: () -> Void

  public init(address: UnsafeMutableRawPointer, byteCount: Int, release: @escaping () -> Void) {
    self.address = address
    self.byteCount = byteCount
    self.release = release
  }

  deinit { release() }
}

/// A device with memory of its own, as plans use it. Used by many threads at once.
open class Device: @unchecked Sendable {
  /// Its memory.
  public let kind: MemoryKind
  /// What every address that `memory` gives is a multiple of, and what plans place values at.
  public let alignment: Int

  public init(_ kind: MemoryKind, alignment: Int) {
    self.kind = kind
    self.alignment = alignment
  }

  /// Memory of the device, its contents undefined. Throws `.limit` where there is not so much left; nothing else changes then.
  open func memory(byteCount: Int) throws -> DeviceStorage { throw CameoError(.invariant, "an abstract device") }

  /// Host memory that the device copies from and to while the host goes on.
  open func staging(byteCount: Int) throws -> DeviceStorage { throw CameoError(.invariant, "an abstract device") }

  /// The queue of one run at a time.
  open func makeQueue() throws -> DeviceQueue { throw CameoError(.invariant, "an abstract device") }

  /// Waits until `byteCount` bytes of `source`, in host memory, are at `target`, in the device's.
  open func upload(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int) throws {
    throw CameoError(.invariant, "an abstract device")
  }
}

/// Work for a device, done in the order in which it is put there, after the call has returned. Used by one thread at a time.
open class DeviceQueue: @unchecked Sendable {
  public init() {}

  /// Makes the calling thread one whose steps may go into this queue.
  open func enter() throws {}

  /// Copies from memory that `Device.staging` made, which must stay as it is until `finish`.
  open func upload(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int) throws {}

  /// Copies to memory that `Device.staging` made.
  open func download(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int) throws {}

  /// Copies within the device.
  open func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int) throws {}

  /// Waits until everything is done. Throws what went wrong on the device since the last time.
  open func finish() throws {}

  /// What `body` puts into the queue, noted instead of done; nil where the device cannot do that. Every address in it stays as it is.
  open func record(_ body: () throws -> Void) throws -> DeviceRecording? { nil }

  /// Puts all of a recording of this queue into it at once.
  open func replay(_ recording: DeviceRecording) throws {}

  /// A point in the queue; `milliseconds` tells, after `finish`, how long the device worked between two.
  open func mark() throws -> DeviceMark? { nil }
  open func milliseconds(from: DeviceMark, to: DeviceMark) -> Double { 0 }
}

/// Work that was noted once and can be done again as a whole.
open class DeviceRecording {
  public init() {}
}

/// A point in a queue.
open class DeviceMark {
  public init() {}
}

extension Ceilings {
  /// The rate at which the device copies its own memory, read and written bytes together; what it computes at most is not known.
  public init(copyingOn device: Device) throws {
    let bytes = 512 << 20
    let memory = try device.memory(byteCount: 2 * bytes)
    let queue = try device.makeQueue()
    try queue.enter()
    var best = 0.0
    for _ in 0..<5 {
      let start = try queue.mark()
      try queue.copy(memory.address, to: memory.address + bytes, byteCount: bytes)
      let end = try queue.mark()
      try queue.finish()
      guard let start, let end else { break }
      let milliseconds = queue.milliseconds(from: start, to: end)
      if milliseconds > 0 { best = max(best, 2 * Double(bytes) / milliseconds * 1000) }
    }
    self.init(operationsPerSecond: .infinity, reads: [Read(bytes: bytes, bytesPerSecond: best > 0 ? best : .infinity)])
  }
}
