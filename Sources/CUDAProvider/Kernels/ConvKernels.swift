import InferenceRuntime
import Operators
import Tensors

/// Convolutions of floats: as products, by one filter a channel, by definition for narrow groups, or by cuDNN.
enum ConvKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "Conv": { try make($0, isPlanar: (true, true)) },
    "ai.cameo.FusedConv": { try make($0, isPlanar: (true, true)) },
    "ai.cameo.ChannelsLastConv": { request in
      try make(request, isPlanar: (try request.attributes.bool("channels_first"), false))
    },
    "ConvTranspose": { try TransposedConvKernels.make($0, isPlanar: true) },
    "ai.cameo.ChannelsLastConvTranspose": { try TransposedConvKernels.make($0, isPlanar: false) },
  ]

  private static func make(_ request: CUDARequest, isPlanar: (image: Bool, result: Bool)) throws -> PreparedKernel {
    let shape = try ConvShape(request, isPlanar: isPlanar)
    guard let x = request.input(0), let y = request.output() else { throw Refusal("an operand is left out") }
    var task = ConvTask(shape, try ConvElement(of: x.type, request.precision))
    task.outType = try ConvElement.code(y.type)
    task.activation =
      request.node.operatorName.domain.isEmpty ? ConvActivation() : try ConvActivation(request.attributes)
    task.isPlanar = isPlanar.result && shape.positions > 1
    try task.readBias(request, 2)
    try task.readAdded(request, 3)
    if shape.isDepthwise, let kernel = try DepthwiseConv.make(request, task, isPlanar: isPlanar) { return kernel }
    if shape.groups > 1, shape.channels < task.element.chunk || shape.filters < 16 {
      return try direct(request, task, isPlanar: isPlanar)
    }
    let isConstant = request.input(1)?.constant != nil
    let pairs = try task.readImage(request, 0, isPlanar: isPlanar.image, pairs: isConstant)
    try task.readFilters(request, 1, channels: shape.channels, pairs: pairs)
    return try ConvChoice.make(request, task)
  }

  /// One sum a thread.
  private static func direct(
    _ request: CUDARequest, _ given: ConvTask, isPlanar: (image: Bool, result: Bool)
  ) throws -> PreparedKernel {
    var task = given
    let shape = task.shape
    guard let x = request.input(0), let w = request.input(1) else { throw Refusal("an operand is left out") }
    let count = shape.rows * shape.groups * shape.filters
    var parameters = ParameterBytes()
    parameters.add(count, shape.channels, shape.filters)
    parameters.add(shape.input + shape.kernel + shape.strides + shape.dilations + shape.before)
    parameters.add(isPlanar.image ? 1 : 0, isPlanar.result ? 1 : 0)
    parameters.add(shape.groups * shape.channels, shape.groups * shape.filters)
    for divisor in [
      shape.positions, shape.groups * shape.filters, shape.output[1] * shape.output[2], shape.output[2],
    ] { parameters.add(divisor: divisor) }
    parameters.add(task.activation.p0)
    parameters.add(task.activation.p1)
    let macros = [
      "IN": try ConvElement.code(x.type), "FILTER": try ConvElement.code(w.type), "OUT": task.outType,
      "ADDED": task.addedType, "ACTIVATION": task.activation.code,
    ]
    let function = try request.function("conv_direct", in: ConvTask.files + ["conv_direct.cu"], macros: macros)
    task.launches.append(
      Launch(
        function, grid: LaunchSize((count + 255) / 256), block: LaunchSize(256),
        [.input(0), .input(1), task.bias, task.added, .output(), parameters.argument]))
    return PreparedKernel(
      LaunchKernel("conv, by definition", task.launches), scratchBytes: task.scratch, unreadInputs: task.unread)
  }
}

/// One filter a channel, channels last.
enum DepthwiseConv {
  /// nil where its kernel does not take the shape.
  static func make(
    _ request: CUDARequest, _ given: ConvTask, isPlanar: (image: Bool, result: Bool)
  ) throws -> PreparedKernel? {
    var task = given
    let shape = task.shape
    let (channels, taps) = (shape.groups, shape.taps)
    guard !isPlanar.image, !isPlanar.result, !shape.isVolume, channels % 8 == 0, shape.dilations[2] == 1,
      [1, 2].contains(shape.strides[2]), (1...9).contains(shape.kernel[2]), let x = request.input(0),
      let tensor = request.input(1)?.constant
    else { return nil }
    let storage = try request.resident(tensor, "taps by channels", byteCount: channels * taps * 4) { target in
      let values = try tensor.elements(as: Float.self)
      for channel in 0..<channels {
        for tap in 0..<taps {
          target.storeBytes(
            of: values[channel * taps + tap], toByteOffset: 4 * (tap * channels + channel), as: Float.self)
        }
      }
    }
    task.unread.append(1)
    let width = shape.kernel[2] > 5 ? 2 : 4
    let columns = (shape.output[2] + width - 1) / width
    let count = shape.batch * shape.output[1] * columns * (channels / 8)
    var parameters = ParameterBytes()
    parameters.add(count, channels)
    parameters.add(Array(shape.input[1...]) + shape.output[1...])
    parameters.add(shape.kernel[1], shape.strides[1], shape.dilations[1], shape.before[1], shape.before[2])
    for divisor in [channels / 8, columns, shape.output[1]] { parameters.add(divisor: divisor) }
    parameters.add(task.activation.p0)
    parameters.add(task.activation.p1)
    let macros = [
      "ELEMENT": try ConvElement.code(x.type), "OUT": task.outType, "ADDED": task.addedType,
      "ACTIVATION": task.activation.code, "KERNEL_W": shape.kernel[2], "STRIDE_W": shape.strides[2], "WIDTH": width,
    ]
    let function = try request.function("conv_depthwise", in: ConvTask.files + ["conv_depthwise.cu"], macros: macros)
    task.launches.append(
      Launch(
        function, grid: LaunchSize((count + 127) / 128), block: LaunchSize(128),
        [.input(0), .resident(storage), task.bias, task.added, .output(), parameters.argument]))
    return PreparedKernel(
      LaunchKernel("depthwise conv", task.launches), scratchBytes: task.scratch,
      inPlaceInputs: ConvChoice.inPlace(request), unreadInputs: task.unread)
  }
}
