internal import CCUDA
import InferenceRuntime
import Tensors

/// Chooses a convolution's kernel by running the candidates on memory of their own. What won is kept beside the compiled kernels, so that
/// a convolution is timed once on a machine.
struct ConvTuner {
  private let request: CUDARequest
  private let task: ConvTask
  private let tiles: [ConvTile]

  init(_ request: CUDARequest, _ task: ConvTask, _ tiles: [ConvTile]) {
    (self.request, self.task, self.tiles) = (request, task, tiles)
  }

  /// nil where nothing can be timed.
  func best() -> ConvChoice.Way? {
    let session = task.libraryForm == nil ? nil : CUDNNSession.shared(request.context)
    let key = "conv choice 1\n" + ConvChoice.key(request, task, session)
    if let known = KernelCache.standard?.image(for: key).flatMap({ way($0, session) }) { return known }
    guard let (way, text) = try? measured(session) else { return nil }
    try? KernelCache.standard?.keep(text, for: key)
    return way
  }

  /// A kept choice: "t" and the tile's text, or "l" and the plan's.
  private func way(_ text: [UInt8], _ session: CUDNNSession?) -> ConvChoice.Way? {
    let rest = Array(text.dropFirst())
    switch text.first {
    case UInt8(ascii: "t"): return tiles.first { Array($0.text.utf8) == rest }.map { .tile($0) }
    case UInt8(ascii: "l"):
      guard let session, let form = task.libraryForm else { return nil }
      return CUDNNPlan(session, form, text: rest).map { .library($0) }
    default: return nil
    }
  }

  private func measured(_ session: CUDNNSession?) throws -> (ConvChoice.Way, [UInt8]) {
    let bench = try ConvBench(request, task)
    var (best, least): (ConvChoice.Way?, Double) = (nil, .infinity)
    func attempt(_ way: ConvChoice.Way) {
      guard let time = try? bench.time(way), time < least else { return }
      (best, least) = (way, time)
    }
    for tile in tiles { attempt(.tile(tile)) }
    if let session {
      for plan in (try? CUDNNPlan.plans(session, for: task, room: 6)) ?? [] { attempt(.library(plan)) }
    }
    guard let best else { throw CameoError(.invariant, "nothing could be timed") }
    switch best {
    case .tile(let tile): return (best, [UInt8(ascii: "t")] + Array(tile.text.utf8))
    case .library(let plan): return (best, [UInt8(ascii: "l")] + plan.text)
    }
  }
}

/// Memory and a queue to run a convolution's candidates. Contents do not matter: zeros.
private final class ConvBench {
  private let request: CUDARequest
  private let task: ConvTask
  private let queue: CUDAQueue
  private let image: DeviceStorage
  private let filters: DeviceStorage
  private let bias: DeviceStorage
  private let added: DeviceStorage?
  private let result: DeviceStorage

  init(_ request: CUDARequest, _ given: ConvTask) throws {
    let (context, shape) = (request.context, given.shape)
    try context.enter()
    let queue = try CUDAQueue(context)
    func zeros(_ count: Int, _ size: Int) throws -> DeviceStorage {
      let storage = try context.memory(byteCount: max(256, count * size))
      try queue.fill(storage.address, 0, byteCount: storage.byteCount)
      return storage
    }
    image = try zeros(shape.batch * shape.pixels * shape.groups * shape.channels, given.element.size)
    filters = try zeros(shape.groups * shape.filters * shape.taps * shape.channels, given.element.size)
    bias = try zeros(shape.groups * shape.filters, 4)
    let count = shape.rows * shape.groups * shape.filters
    added = given.added.isNull ? nil : try zeros(count, given.addedType == 2 ? 4 : 2)
    result = try zeros(count, given.outType == 2 ? 4 : 2)
    try queue.finish()
    self.request = request
    self.queue = queue
    var task = given
    task.image = .resident(image)
    task.filters = .resident(filters)
    if !task.bias.isNull { task.bias = .resident(bias) }
    if let added { task.added = .resident(added) }
    self.task = task
  }

  /// Milliseconds of one run, the least of several rounds of a recorded row of runs.
  func time(_ way: ConvChoice.Way) throws -> Double {
    let body = try runner(way)
    for _ in 0..<2 { try body() }
    try queue.finish()
    let runs = 10
    guard let recording = try queue.record({ for _ in 0..<runs { try body() } }) else {
      throw CameoError(.invariant, "a queue that does not record")
    }
    var least = Double.infinity
    for _ in 0..<4 {
      guard let from = try queue.mark() else { break }
      try queue.replay(recording)
      guard let to = try queue.mark() else { break }
      try queue.finish()
      least = min(least, queue.milliseconds(from: from, to: to) / Double(runs))
    }
    return least
  }

  private func runner(_ way: ConvChoice.Way) throws -> () throws -> Void {
    switch way {
    case .tile(let tile):
      var launch = try ConvProduct.launch(request, task, tile)
      launch.arguments[4] = .resident(result)
      let kernel = LaunchKernel("conv", [launch])
      return { [queue] in try kernel.put(queue) }
    case .library(let plan):
      let workspace = plan.workspace > 0 ? try request.context.memory(byteCount: plan.workspace) : nil
      return { [self] in
        try plan.run(
          queue, image: image.address, filters: filters.address, bias: bias.address, added: added?.address,
          result: result.address, workspace: workspace?.address)
      }
    }
  }
}
