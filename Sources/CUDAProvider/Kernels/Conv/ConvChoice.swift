internal import CCUDA
import InferenceRuntime
import Tensors

/// Which kernel computes a convolution that products can take: cuDNN's for large ones, where it is there, otherwise conv_mma.cu. Where
/// kernels may be timed, the fastest of several of both.
enum ConvChoice {
  enum Way {
    case tile(ConvTile)
    case library(CUDNNPlan)
  }

  static func make(_ request: CUDARequest, _ task: ConvTask) throws -> PreparedKernel {
    let tiles = ConvTile.candidates(task.shape, task.element, ConvProduct.device(request))
    if request.mode.timesKernels, let way = ConvTuner(request, task, tiles).best() {
      return try kernel(request, task, way)
    }
    let answer = request.request.choice("tile", of: tiles.count)
    if answer == 0, isLarge(task.shape), let plan = libraryPlan(request, task) {
      return try kernel(request, task, .library(plan))
    }
    return try kernel(request, task, .tile(tiles[min(answer, tiles.count - 1)]))
  }

  /// Worth the time that making a plan takes.
  private static func isLarge(_ shape: ConvShape) -> Bool {
    shape.rows * shape.filters * shape.groups * shape.channels * shape.taps >= 400_000_000
  }

  /// The heuristic's favourite, kept on disk with what was compiled for it.
  private static func libraryPlan(_ request: CUDARequest, _ task: ConvTask) -> CUDNNPlan? {
    guard let form = task.libraryForm, let session = CUDNNSession.shared(request.context) else { return nil }
    let key = "cuDNN plan\n" + ConvChoice.key(request, task, session)
    if let text = KernelCache.standard?.image(for: key) {
      if text.isEmpty { return nil }
      if let plan = CUDNNPlan(session, form, text: text) { return plan }
    }
    guard (try? request.context.enter()) != nil else { return nil }
    let plan = (try? CUDNNPlan.plans(session, for: task, room: 1))?.first
    try? KernelCache.standard?.keep(plan?.text ?? [], for: key)
    return plan
  }

  /// Everything that the choice for a convolution depends on.
  static func key(_ request: CUDARequest, _ task: ConvTask, _ session: CUDNNSession?) -> String {
    let (context, shape) = (request.context, task.shape)
    return [
      "\(context.info.name), \(context.info.multiprocessors) multiprocessors, driver \(context.driver.version)",
      "cuDNN \(session?.library.version ?? "none")", "\(task.element)", "\(task.outType) \(task.addedType)",
      "\(task.activation) \(task.bias.isNull) \(task.added.isNull) \(task.isPlanar)", "\(shape)",
    ].joined(separator: "\n")
  }

  static func kernel(_ request: CUDARequest, _ given: ConvTask, _ way: Way) throws -> PreparedKernel {
    switch way {
    case .tile(let tile):
      let launch = try ConvProduct.launch(request, given, tile)
      return PreparedKernel(
        LaunchKernel("conv \(tile.text)", given.launches + [launch]), scratchBytes: given.scratch,
        inPlaceInputs: inPlace(request), unreadInputs: given.unread)
    case .library(let plan):
      var task = given
      let place = task.scratch
      if plan.workspace > 0 { _ = task.reserve(plan.workspace) }
      return PreparedKernel(
        ConvLibraryKernel(plan, task, workspace: place), scratchBytes: task.scratch, unreadInputs: task.unread)
    }
  }

  /// The result may take over what is added to it: each element is read by the thread that writes it, before it does.
  static func inPlace(_ request: CUDARequest) -> [Int] {
    guard let added = request.input(3), added.type == request.output()?.type else { return [] }
    return [3]
  }
}
