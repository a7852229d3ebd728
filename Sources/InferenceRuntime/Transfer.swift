import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// How a value gets from one memory to the other: through host memory that the device copies to and from by itself, so that neither side
/// waits for the other until it reads the value.
enum Transfer {
  /// Host to staging, by the host, right after the value was made.
  case stage
  /// Staging to device, by the device.
  case upload
  /// Device to staging, by the device.
  case download
  /// Staging to host, by the host, when the device is done.
  case fetch

  var isOnDevice: Bool {
    switch self {
    case .upload, .download: true
    case .stage, .fetch: false
    }
  }

  var name: String {
    switch self {
    case .stage, .upload: "upload"
    case .download, .fetch: "download"
    }
  }

  func kernel(byteCount: Int) -> Kernel {
    if isOnDevice { return DeviceTransfer(self, byteCount) }
    return RangeKernel(name, count: byteCount, grain: 1 << 18) { call, begin, end, _ in
      memmove(call.output() + begin, call.input(0) + begin, end - begin)
    }
  }

  private final class DeviceTransfer: Kernel, @unchecked Sendable {
    private let isUpload: Bool
    private let byteCount: Int

    init(_ transfer: Transfer, _ byteCount: Int) {
      if case .upload = transfer { isUpload = true } else { isUpload = false }
      self.byteCount = byteCount
      super.init(transfer.name)
    }

    override func run(_ call: KernelCall) throws {
      if byteCount == 0 { return }
      if isUpload {
        try call.queue.upload(call.input(0), to: call.output(), byteCount: byteCount)
      } else {
        try call.queue.download(call.input(0), to: call.output(), byteCount: byteCount)
      }
    }
  }
}

/// Copies within a device: parts of one result, each from the start of an operand.
final class DeviceCopy: Kernel, @unchecked Sendable {
  struct Part {
    let input: Int
    let from: Int
    let to: Int
    let bytes: Int
  }

  private let parts: ContiguousArray<Part>

  init(_ name: String, _ parts: [Part]) {
    self.parts = ContiguousArray(parts)
    super.init(name)
  }

  override func run(_ call: KernelCall) throws {
    for index in parts.indices where parts[index].bytes > 0 {
      let part = parts[index]
      try call.queue.copy(call.input(part.input) + part.from, to: call.output() + part.to, byteCount: part.bytes)
    }
  }
}
