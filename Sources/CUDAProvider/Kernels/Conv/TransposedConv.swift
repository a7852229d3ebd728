import InferenceRuntime
import Operators
import Tensors

/// Transposed convolutions: for each place that a position of the result may have between two steps of the stride, a convolution of
/// the image by those taps that reach it.
enum TransposedConvKernels {
  static func make(_ request: CUDARequest, isPlanar: Bool) throws -> PreparedKernel {
    guard let x = request.input(0), let y = request.output() else { throw Refusal("an operand is left out") }
    let whole = try shape(request, isPlanar: isPlanar)
    var task = ConvTask(whole, try ConvElement(of: x.type, request.precision))
    task.outType = try ConvElement.code(y.type)
    task.isPlanar = isPlanar && whole.positions > 1
    try task.readBias(request, 2)
    _ = try task.readImage(request, 0, isPlanar: isPlanar, pairs: false)
    var launches: [Launch] = []
    let steps = whole.strides
    for z in 0..<min(steps[0], whole.output[0]) {
      for h in 0..<min(steps[1], whole.output[1]) {
        for w in 0..<min(steps[2], whole.output[2]) {
          launches.append(try part(request, whole, &task, at: [z, h, w]))
        }
      }
    }
    return PreparedKernel(
      LaunchKernel("transposed conv", task.launches + launches), scratchBytes: task.scratch,
      unreadInputs: request.input(1)?.constant == nil ? task.unread : task.unread + [1])
  }

  /// Input, output and pads as the operator has them; `kernel` all taps.
  private static func shape(_ request: CUDARequest, isPlanar: Bool) throws -> ConvShape {
    guard let x = request.input(0), let w = request.input(1), let y = request.output(), w.rank == x.rank, w.rank >= 3
    else { throw Refusal("an operand is left out") }
    let rank = x.rank - 2
    guard rank <= 3, x.count < 1 << 31, y.count < 1 << 31 else {
      throw Refusal("\(rank) spatial axes, or too many elements")
    }
    let groups = try request.attributes.int("group", default: 1)
    let channels = x.shape[isPlanar ? 1 : rank + 1]
    guard groups > 0, channels % groups == 0, channels == w.shape[0],
      w.shape[1] * groups == y.shape[isPlanar ? 1 : rank + 1]
    else { throw Refusal("\(groups) groups") }
    func sizes(_ shape: [Int]) -> [Int] { ConvShape.three(Array(isPlanar ? shape[2...] : shape[1...rank]), 1) }
    var result = ConvShape(
      batch: x.shape[0], groups: groups, channels: channels / groups, filters: w.shape[1], input: sizes(x.shape),
      output: sizes(y.shape), kernel: ConvShape.three(Array(w.shape[2...]), 1),
      strides: try ConvShape.list(request, "strides", rank), dilations: try ConvShape.list(request, "dilations", rank))
    try setPads(request, &result, rank)
    return result
  }

  private static func setPads(_ request: CUDARequest, _ shape: inout ConvShape, _ rank: Int) throws {
    let mode = try request.attributes.string("auto_pad", default: "NOTSET")
    let isSame = mode == "SAME_UPPER" || mode == "SAME_LOWER"
    let asked = try request.attributes.optionalInts("output_shape") ?? []
    let given = try request.attributes.optionalInts("output_padding") ?? []
    let extra = ConvShape.three(given.count == rank ? given : [Int](repeating: 0, count: rank), 0)
    if isSame || !asked.isEmpty {
      for axis in 3 - rank..<3 {
        let full =
          shape.strides[axis] * (shape.input[axis] - 1) + extra[axis] + (shape.kernel[axis] - 1) * shape.dilations[axis]
          + 1
        let total = max(0, full - shape.output[axis])
        shape.before[axis] = mode == "SAME_UPPER" ? total / 2 : total - total / 2
      }
    } else if mode == "NOTSET" || mode.isEmpty {
      let pads = try request.attributes.optionalInts("pads") ?? []
      if pads.count == 2 * rank { shape.before = ConvShape.three(Array(pads[..<rank]), 0) }
    }
  }

  /// The launch for the positions `at` and every stride behind.
  private static func part(_ request: CUDARequest, _ whole: ConvShape, _ task: inout ConvTask, at: [Int]) throws
    -> Launch
  {
    var shape = task.shape
    var taps = ConvTaps(whole: whole.kernel, first: [0, 0, 0], step: [1, 1, 1])
    for axis in 0..<3 {
      let (stride, dilation) = (whole.strides[axis], whole.dilations[axis])
      // Position i * stride + at is reached by tap k from pixel i + (at + before - k * dilation) / stride.
      let reach = at[axis] + whole.before[axis]
      let reached = (0..<whole.kernel[axis]).filter { (reach - $0 * dilation) % stride == 0 }
      shape.output[axis] = (whole.output[axis] - at[axis] + stride - 1) / stride
      shape.strides[axis] = 1
      shape.kernel[axis] = reached.count
      let step = reached.count > 1 ? reached[1] - reached[0] : 1
      shape.dilations[axis] = step * dilation / stride
      if reached.count <= 1 { shape.dilations[axis] = 1 }
      let last = reached.last ?? 0
      shape.before[axis] = -((reach - last * dilation) / stride)
      (taps.first[axis], taps.step[axis]) = (last, -step)
    }
    let isEmpty = shape.taps == 0
    if isEmpty { shape.kernel = [0, 1, 1] }
    var part = task
    part.shape = shape
    if !isEmpty { try readFilters(request, &part, whole, taps) } else { part.filters = part.image }
    // Conversions run in front of all products, room in the scratch is shared.
    let used = part
    task = used
    task.shape = whole
    task.shape.channels = shape.channels
    part.areFiltersFixed = part.areFiltersFixed || isEmpty
    let tile = ConvTile.candidates(shape, part.element, ConvProduct.device(request))[0]
    return try ConvProduct.launch(
      request, part, tile, ConvScatter(whole: whole.output, up: whole.strides, at: at))
  }

  private static func readFilters(
    _ request: CUDARequest, _ task: inout ConvTask, _ whole: ConvShape, _ taps: ConvTaps
  ) throws {
    let (shape, element) = (task.shape, task.element)
    let count = shape.groups * shape.filters
    let bytes = count * shape.taps * shape.channels * element.size
    guard let tensor = request.input(1)?.constant else {
      task.filters = task.reserve(bytes)
      return try task.convert(
        request, 1, to: task.filters, element, filters: count, channels: whole.channels, padded: shape.channels,
        kernel: shape.kernel, transposed: taps)
    }
    let form = "transposed conv \(element.code), groups \(shape.groups), \(shape.channels), \(shape.kernel), \(taps)"
    let storage = try request.resident(tensor, form, byteCount: bytes) { target in
      let values = try tensor.elements(as: Float.self)
      pack(values, to: target, element, shape, channels: whole.channels, taps)
    }
    task.filters = .resident(storage)
    task.areFiltersFixed = true
  }

  private static func pack(
    _ values: [Float], to target: UnsafeMutableRawPointer, _ element: ConvElement, _ shape: ConvShape, channels: Int,
    _ taps: ConvTaps
  ) {
    let all = taps.whole.reduce(1, *)
    var place = 0
    for filter in 0..<shape.groups * shape.filters {
      let (group, inner) = (filter / shape.filters, filter % shape.filters)
      for tap in 0..<shape.taps {
        let index = [
          tap / shape.kernel[2] / shape.kernel[1], tap / shape.kernel[2] % shape.kernel[1], tap % shape.kernel[2],
        ]
        var source = 0
        for axis in 0..<3 { source = source * taps.whole[axis] + taps.first[axis] + taps.step[axis] * index[axis] }
        for channel in 0..<shape.channels {
          let row = (group * channels + channel) * shape.filters + inner
          element.store(channel < channels ? values[row * all + source] : 0, to: target, place)
          place += 1
        }
      }
    }
  }
}
