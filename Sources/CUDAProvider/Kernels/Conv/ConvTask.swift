import InferenceRuntime
import Tensors

/// A convolution as products take it: an image with its channels last and filters [filters, taps, channels], both in whole copies of 16
/// bytes, made by launches in front where they are not so given.
struct ConvTask {
  /// With channels as they lie in memory.
  var shape: ConvShape
  let element: ConvElement
  var activation = ConvActivation()
  var launches: [Launch] = []
  /// Bytes of scratch so far; what is added begins at a multiple of 256.
  private(set) var scratch = 0
  var image = Launch.Argument.null
  var filters = Launch.Argument.null
  /// They are the same in every run.
  var areFiltersFixed = false
  var bias = Launch.Argument.null
  var added = Launch.Argument.null
  var addedType = 0
  var outType = 0
  var isPlanar = false
  /// Constants that were packed.
  var unread: [Int] = []

  init(_ shape: ConvShape, _ element: ConvElement) { (self.shape, self.element) = (shape, element) }

  /// Room in the scratch, as an argument.
  mutating func reserve(_ bytes: Int) -> Launch.Argument {
    let place = scratch
    scratch += (bytes + 255) & ~255
    return .scratch(offset: place)
  }

  // MARK: Image

  /// The image at input `index`, moved or converted first where products cannot read it as it lies. `pairs`: pixels that share a copy may
  /// be taken for one, which needs constant filters.
  mutating func readImage(_ request: CUDARequest, _ index: Int, isPlanar given: Bool, pairs: Bool) throws -> ConvPairs?
  {
    guard let x = request.input(index) else { throw Refusal("input \(index) is left out") }
    let type = try ConvElement.code(x.type)
    let isPlanar = given && shape.pixels > 1
    let chunk = element.chunk
    if !isPlanar, type == element.code, shape.channels % chunk == 0 {
      image = .input(index)
      return nil
    }
    if pairs, shape.groups == 1, shape.channels <= 4, chunk == 8, shape.strides[2] == 2, shape.dilations[2] == 1 {
      let pairs = ConvPairs(shape)
      let width = 2 * ((shape.input[2] + 1) / 2)
      try moveImage(request, index, type, isPlanar, padded: 4, out: [shape.input[0], shape.input[1], width])
      pairs.apply(to: &shape)
      return pairs
    }
    let padded = (shape.channels + chunk - 1) / chunk * chunk
    try moveImage(request, index, type, isPlanar, padded: padded, out: shape.input)
    shape.channels = padded
    return nil
  }

  private mutating func moveImage(
    _ request: CUDARequest, _ index: Int, _ type: Int, _ isPlanar: Bool, padded: Int, out: [Int]
  ) throws {
    let pixels = out.reduce(1, *)
    let target = reserve(shape.batch * pixels * shape.groups * padded * element.size)
    let part = min(padded, element.chunk)
    let count = shape.batch * shape.groups * (padded / part) * pixels
    guard count * part < 1 << 31 else { throw Refusal("more than 2^31 elements") }
    var parameters = ParameterBytes()
    parameters.add(count, shape.groups, shape.channels, padded, part, isPlanar ? 1 : 0)
    parameters.add(shape.input + out + [0, 0, 0])
    parameters.add(0)
    for divisor in [pixels, padded / part, shape.groups, out[1] * out[2], out[2]] { parameters.add(divisor: divisor) }
    let function = try request.function(
      "conv_image", in: ConvTask.files + ["conv_prepare.cu"], macros: ["IN": type, "ELEMENT": element.code])
    launches.append(
      Launch(
        function, grid: LaunchSize((count + 255) / 256), block: LaunchSize(256),
        [.input(index), .null, target, parameters.argument]))
    image = target
  }

  static let files = ["elements.cuh", "conv_common.cuh"]

  // MARK: Bias and sum

  /// One number a channel, in float32.
  mutating func readBias(_ request: CUDARequest, _ index: Int) throws {
    guard let operand = request.input(index) else { return }
    guard operand.count == shape.groups * shape.filters else {
      throw Refusal("input \(index) has the shape \(operand.shape)")
    }
    if operand.type == .float {
      bias = .input(index)
    } else if let tensor = operand.constant {
      let values = try tensor.elements(as: Float.self)
      let storage = try request.resident(tensor, "float32", byteCount: values.count * 4) { target in
        for (place, value) in values.enumerated() {
          target.storeBytes(of: value, toByteOffset: 4 * place, as: Float.self)
        }
      }
      bias = .resident(storage)
      unread.append(index)
    } else {
      bias = reserve(operand.count * 4)
      try convert(request, index, to: bias, ConvElement(code: 2), filters: 1, channels: operand.count)
    }
  }

  /// What is added to the result: of its shape.
  mutating func readAdded(_ request: CUDARequest, _ index: Int) throws {
    guard let operand = request.input(index) else { return }
    guard operand.shape == request.output()?.shape else { throw Refusal("a residual of the shape \(operand.shape)") }
    added = .input(index)
    addedType = try ConvElement.code(operand.type)
  }

  // MARK: Filters

  /// The filters at input `index`, [filters, channels, taps] of `channels` channels.
  mutating func readFilters(_ request: CUDARequest, _ index: Int, channels: Int, pairs: ConvPairs?) throws {
    guard let operand = request.input(index) else { throw Refusal("input \(index) is left out") }
    let (count, element, padded, taps) = (shape.groups * shape.filters, element, shape.channels, shape.taps)
    if let tensor = operand.constant {
      let form = "conv \(element.code), \(count) of \(channels) to \(padded), \(pairs?.form ?? "")"
      let storage = try request.resident(tensor, form, byteCount: max(16, count * taps * padded * element.size)) {
        target in
        let values = try tensor.elements(as: Float.self)
        if let pairs {
          pairs.pack(values, to: target, element, filters: count, channels: channels)
        } else {
          ConvTask.pack(values, to: target, element, filters: count, channels: channels, padded: padded, taps: taps)
        }
      }
      filters = .resident(storage)
      areFiltersFixed = true
      unread.append(index)
    } else {
      filters = reserve(max(16, count * taps * padded * element.size))
      try convert(
        request, index, to: filters, element, filters: count, channels: channels, padded: padded, kernel: shape.kernel)
    }
  }

  private static func pack(
    _ values: [Float], to target: UnsafeMutableRawPointer, _ element: ConvElement, filters: Int, channels: Int,
    padded: Int, taps: Int
  ) {
    values.withUnsafeBufferPointer { values in
      for filter in 0..<filters {
        for tap in 0..<taps {
          let row = (filter * taps + tap) * padded
          for channel in 0..<channels {
            element.store(values[(filter * channels + channel) * taps + tap], to: target, row + channel)
          }
          for channel in channels..<padded { element.store(0, to: target, row + channel) }
        }
      }
    }
  }

  /// A launch of conv_filters. `transposed`: which taps, and filters of a group, of [channels, filters, taps].
  mutating func convert(
    _ request: CUDARequest, _ index: Int, to target: Launch.Argument, _ element: ConvElement, filters: Int,
    channels: Int, padded: Int? = nil, kernel: [Int] = [1, 1, 1], transposed: ConvTaps? = nil
  ) throws {
    guard let operand = request.input(index) else { return }
    let padded = padded ?? channels
    let count = filters * padded * kernel.reduce(1, *)
    guard count > 0 else { return }
    guard count < 1 << 31 else { throw Refusal("more than 2^31 elements") }
    var parameters = ParameterBytes()
    parameters.add(count, channels, padded, kernel.reduce(1, *))
    parameters.add(transposed == nil ? 0 : 1, shape.filters)
    parameters.add(kernel + (transposed?.whole ?? kernel))
    parameters.add((transposed?.first ?? [0, 0, 0]) + (transposed?.step ?? [1, 1, 1]))
    let function = try request.function(
      "conv_filters", in: ConvTask.files + ["conv_prepare.cu"],
      macros: ["IN": try ConvElement.code(operand.type), "ELEMENT": element.code])
    launches.append(
      Launch(
        function, grid: LaunchSize((count + 255) / 256), block: LaunchSize(256),
        [.input(index), target, parameters.argument]))
  }
}

/// Which of a filter's taps a part of a transposed convolution has.
struct ConvTaps {
  var whole: [Int]
  var first: [Int]
  var step: [Int]
}

/// Two neighbouring pixels of up to four channels as one of eight: a window that moves by two pixels moves by one of these.
struct ConvPairs {
  private let kernel: [Int]
  /// Pixels between the begin of the first pair and the window's first tap.
  private let shift: Int
  private let before: Int
  private let taps: Int
  private let width: Int

  init(_ shape: ConvShape) {
    kernel = shape.kernel
    before = (shape.before[2] + 1) / 2
    shift = 2 * before - shape.before[2]
    taps = (shape.kernel[2] + shift + 1) / 2
    width = (shape.input[2] + 1) / 2
  }

  var form: String { "pairs, shift \(shift)" }

  func apply(to shape: inout ConvShape) {
    shape.channels = 8
    shape.input[2] = width
    shape.kernel[2] = taps
    shape.strides[2] = 1
    shape.before[2] = before
    shape.after[2] = max(0, shape.output[2] - 1 + taps - before - width)
  }

  func pack(
    _ values: [Float], to target: UnsafeMutableRawPointer, _ element: ConvElement, filters: Int, channels: Int
  ) {
    let (lines, all) = (kernel[0] * kernel[1], kernel.reduce(1, *))
    for filter in 0..<filters {
      for line in 0..<lines {
        for place in 0..<taps * 8 {
          let (pixel, channel) = (place / 4 - shift, place % 4)
          let isThere = pixel >= 0 && pixel < kernel[2] && channel < channels
          let value = isThere ? values[(filter * channels + channel) * all + line * kernel[2] + pixel] : 0
          element.store(value, to: target, (filter * lines + line) * taps * 8 + place)
        }
      }
    }
  }
}
