internal import CCUDA
public import InferenceRuntime
import Tensors

/// A stream.
public final class CUDAQueue: DeviceQueue, @unchecked Sendable {
  let context: CUDAContext
  let stream: cameo_cuda_stream
  private let driver: CUDADriver
  /// Sixteen integers that are zero between any two kernels.
  let counters: DeviceStorage

  /// The calling thread has entered the context.
  init(_ context: CUDAContext) throws {
    self.context = context
    driver = context.driver
    var stream: cameo_cuda_stream?
    try driver.check(
      driver.table.pointee.stream_create(&stream, UInt32(CAMEO_CUDA_STREAM_NON_BLOCKING)), "cuStreamCreate")
    guard let stream else { throw CameoError.system("cuStreamCreate gave no stream") }
    self.stream = stream
    counters = try context.memory(byteCount: 64)
    try driver.check(driver.table.pointee.fill(counters.address.word, 0, 64, stream), "cuMemsetD8Async")
  }

  deinit {
    try? context.enter()
    _ = driver.table.pointee.stream_destroy(stream)
  }

  public override func enter() throws { try context.enter() }

  public override func upload(
    _ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int
  ) throws {
    try driver.check(driver.table.pointee.upload(target.word, source, byteCount, stream), "cuMemcpyHtoDAsync")
  }

  public override func download(
    _ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int
  ) throws {
    try driver.check(driver.table.pointee.download(target, source.word, byteCount, stream), "cuMemcpyDtoHAsync")
  }

  public override func copy(_ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, byteCount: Int) throws {
    try driver.check(driver.table.pointee.copy(target.word, source.word, byteCount, stream), "cuMemcpyDtoDAsync")
  }

  /// Sets every byte to `value`.
  public func fill(_ target: UnsafeMutableRawPointer, _ value: UInt8, byteCount: Int) throws {
    try driver.check(driver.table.pointee.fill(target.word, value, byteCount, stream), "cuMemsetD8Async")
  }

  public override func finish() throws {
    try driver.check(driver.table.pointee.stream_synchronize(stream), "cuStreamSynchronize")
  }

  // MARK: Recordings

  private final class Recording: DeviceRecording {
    let graph: cameo_cuda_graph_exec
    private let context: CUDAContext
    init(_ graph: cameo_cuda_graph_exec, _ context: CUDAContext) {
      self.graph = graph
      self.context = context
    }
    deinit {
      try? context.enter()
      _ = context.driver.table.pointee.graph_exec_destroy(graph)
    }
  }

  public override func record(_ body: () throws -> Void) throws -> DeviceRecording? {
    let table = driver.table.pointee
    try driver.check(
      table.stream_begin_capture(stream, Int32(CAMEO_CUDA_CAPTURE_THREAD_LOCAL)), "cuStreamBeginCapture")
    let result = Result { try body() }
    var graph: cameo_cuda_graph?
    let code = table.stream_end_capture(stream, &graph)
    defer { if let graph { _ = table.graph_destroy(graph) } }
    try result.get()
    try driver.check(code, "cuStreamEndCapture")
    guard let graph else { throw CameoError.system("cuStreamEndCapture gave no graph") }
    var made: cameo_cuda_graph_exec?
    try driver.check(table.graph_instantiate(&made, graph, 0), "cuGraphInstantiate")
    guard let made else { throw CameoError.system("cuGraphInstantiate gave no graph") }
    return Recording(made, context)
  }

  public override func replay(_ recording: DeviceRecording) throws {
    guard let recording = recording as? Recording else { throw CameoError(.invariant, "a foreign recording") }
    try driver.check(driver.table.pointee.graph_launch(recording.graph, stream), "cuGraphLaunch")
  }

  // MARK: Times

  private final class Mark: DeviceMark {
    let event: cameo_cuda_event
    private let context: CUDAContext
    init(_ event: cameo_cuda_event, _ context: CUDAContext) {
      self.event = event
      self.context = context
    }
    deinit {
      try? context.enter()
      _ = context.driver.table.pointee.event_destroy(event)
    }
  }

  public override func mark() throws -> DeviceMark? {
    var event: cameo_cuda_event?
    try driver.check(driver.table.pointee.event_create(&event, 0), "cuEventCreate")
    guard let event else { throw CameoError.system("cuEventCreate gave no event") }
    let mark = Mark(event, context)
    try driver.check(driver.table.pointee.event_record(event, stream), "cuEventRecord")
    return mark
  }

  public override func milliseconds(from: DeviceMark, to: DeviceMark) -> Double {
    guard let from = from as? Mark, let to = to as? Mark else { return 0 }
    var result: Float = 0
    return driver.table.pointee.event_elapsed(&result, from.event, to.event) == 0 ? Double(result) : 0
  }
}

extension UnsafeRawPointer {
  /// A device's address as the driver writes it.
  var word: UInt64 { UInt64(UInt(bitPattern: self)) }
}

extension UnsafeMutableRawPointer {
  var word: UInt64 { UInt64(UInt(bitPattern: self)) }
}
