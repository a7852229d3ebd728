internal import CCUDA
import InferenceRuntime
import Tensors

/// A convolution by cuDNN, with bias, sum and activation in one go.
final class ConvLibraryKernel: Kernel, @unchecked Sendable {
  private let plan: CUDNNPlan
  private let before: LaunchKernel?
  private let task: ConvTask
  private let workspace: Int

  /// `workspace`: where in the scratch.
  init(_ plan: CUDNNPlan, _ task: ConvTask, workspace: Int) {
    self.plan = plan
    self.task = task
    self.workspace = workspace
    before = task.launches.isEmpty ? nil : LaunchKernel("image", task.launches)
    super.init("conv (cuDNN)")
  }

  override func run(_ call: KernelCall) throws {
    try before?.run(call)
    let queue = unsafeDowncast(call.queue, to: CUDAQueue.self)
    let scratch = call.operands[call.inputCount + call.outputCount]
    func address(_ argument: Launch.Argument) -> UnsafeMutableRawPointer? {
      switch argument {
      case .input(let index, let offset): index < call.inputCount ? call.operands[index].map { $0 + offset } : nil
      case .output(let index, let offset): call.operands[call.inputCount + index].map { $0 + offset }
      case .scratch(let offset): scratch.map { $0 + offset }
      case .resident(let storage, let offset): storage.address + offset
      default: nil
      }
    }
    guard let image = address(task.image), let filters = address(task.filters) else {
      throw CameoError(.invariant, "an operand of a convolution has no address")
    }
    try plan.run(
      queue, image: image, filters: filters, bias: address(task.bias), added: address(task.added),
      result: call.output(), workspace: plan.workspace > 0 ? scratch.map { $0 + workspace } : nil)
  }
}

extension ConvTask {
  /// The convolution in cuDNN's words; nil where it has none for it.
  var libraryForm: cameo_cudnn_convolution? {
    guard element.code < 2, !isPlanar, shape.groups == 1, shape.taps > 0,
      (shape.before + shape.after).allSatisfy({ $0 >= 0 })
    else { return nil }
    let types = [Int32(CAMEO_CUDNN_HALF), Int32(CAMEO_CUDNN_BFLOAT16), Int32(CAMEO_CUDNN_FLOAT)]
    var form = cameo_cudnn_convolution()
    let axes = shape.isVolume ? 3 : 2
    form.axes = Int32(axes)
    form.groups = 1
    form.type = types[element.code]
    form.out = types[outType]
    form.added = added.isNull ? -1 : types[addedType]
    form.has_bias = bias.isNull ? 0 : 1
    guard activation.write(to: &form) else { return nil }
    func put<T>(_ values: [Int], _ target: inout T) {
      withUnsafeMutableBytes(of: &target) { bytes in
        for (index, value) in values.enumerated() {
          bytes.storeBytes(of: Int64(value), toByteOffset: 8 * index, as: Int64.self)
        }
      }
    }
    put([shape.batch, shape.channels] + shape.input.suffix(axes), &form.x)
    put([shape.filters, shape.channels] + shape.kernel.suffix(axes), &form.w)
    put([shape.batch, shape.filters] + shape.output.suffix(axes), &form.y)
    put(Array(shape.strides.suffix(axes)), &form.stride)
    put(Array(shape.dilations.suffix(axes)), &form.dilation)
    put(Array(shape.before.suffix(axes)), &form.before)
    put(Array(shape.after.suffix(axes)), &form.after)
    return form
  }
}

extension ConvActivation {
  /// False where cuDNN has no such function.
  fileprivate func write(to form: inout cameo_cudnn_convolution) -> Bool {
    form.activation = Int32(CAMEO_CUDNN_RELU)
    form.clip_high = .greatestFiniteMagnitude
    switch code {
    case 0: form.activation = Int32(CAMEO_CUDNN_NO_ACTIVATION)
    case 1: break
    case 2: form.activation = Int32(CAMEO_CUDNN_SIGMOID)
    case 3: form.activation = Int32(CAMEO_CUDNN_TANH)
    case 5: form.activation = Int32(CAMEO_CUDNN_GELU)
    case 6: form.activation = Int32(CAMEO_CUDNN_GELU_TANH)
    case 7: form.slope = p0
    case 8: (form.activation, form.slope) = (Int32(CAMEO_CUDNN_ELU), p0)
    case 9: (form.activation, form.slope) = (Int32(CAMEO_CUDNN_SWISH), p0)
    case 11: (form.clip_low, form.clip_high) = (p0, p1)
    default: return false
    }
    return true
  }
}

extension CUDNNPlan {
  /// Plans for a task, the heuristic's favourite first. Throws where cuDNN has none.
  static func plans(_ session: CUDNNSession, for task: ConvTask, room: Int) throws -> [CUDNNPlan] {
    guard let form = task.libraryForm else { throw CameoError.unsupported("cuDNN has no form of this convolution") }
    return try plans(session, form, room: room)
  }
}
