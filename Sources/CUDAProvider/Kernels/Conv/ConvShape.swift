import InferenceRuntime
import Operators
import Tensors

/// A convolution over images of depth, height and width; axes that an image lacks have the size 1.
struct ConvShape: Sendable {
  var batch: Int
  var groups: Int
  /// Of one group.
  var channels: Int
  var filters: Int
  var input: [Int]
  var output: [Int]
  var kernel: [Int]
  var strides: [Int]
  var dilations: [Int]
  var before: [Int]
  var after: [Int]

  var taps: Int { kernel.reduce(1, *) }
  /// Positions of the result of one item.
  var positions: Int { output.reduce(1, *) }
  var rows: Int { batch * positions }
  var pixels: Int { input.reduce(1, *) }
  var isVolume: Bool { input[0] != 1 || output[0] != 1 || kernel[0] != 1 }
  var isDepthwise: Bool { channels == 1 && filters == 1 && groups > 1 }

  /// Without padding.
  init(
    batch: Int, groups: Int, channels: Int, filters: Int, input: [Int], output: [Int], kernel: [Int], strides: [Int],
    dilations: [Int]
  ) {
    (self.batch, self.groups, self.channels, self.filters) = (batch, groups, channels, filters)
    (self.input, self.output, self.kernel) = (input, output, kernel)
    (self.strides, self.dilations) = (strides, dilations)
    (before, after) = ([0, 0, 0], [0, 0, 0])
  }

  /// `isPlanar`: whether the channels of the image and of the result come first.
  init(
    _ request: CUDARequest, image: Int = 0, weights: Int = 1, isPlanar: (image: Bool, result: Bool)
  ) throws {
    guard let x = request.input(image), let w = request.input(weights), let y = request.output() else {
      throw Refusal("an operand is left out")
    }
    let rank = x.rank - 2
    guard (1...3).contains(rank), w.rank == x.rank, y.rank == x.rank else { throw Refusal("\(rank) spatial axes") }
    guard x.count < 1 << 31, y.count < 1 << 31, w.count < 1 << 31 else { throw Refusal("more than 2^31 elements") }
    func sizes(_ shape: [Int], _ isPlanar: Bool) -> [Int] {
      ConvShape.three(Array(isPlanar ? shape[2...] : shape[1...rank]), 1)
    }
    groups = try request.attributes.int("group", default: 1)
    batch = x.shape[0]
    channels = w.shape[1]
    guard groups > 0, w.shape[0] % groups == 0, channels > 0,
      x.shape[isPlanar.image ? 1 : rank + 1] == channels * groups,
      y.shape[isPlanar.result ? 1 : rank + 1] == w.shape[0]
    else { throw Refusal("\(groups) groups") }
    filters = w.shape[0] / groups
    kernel = ConvShape.three(Array(w.shape[2...]), 1)
    input = sizes(x.shape, isPlanar.image)
    output = sizes(y.shape, isPlanar.result)
    strides = try ConvShape.list(request, "strides", rank)
    dilations = try ConvShape.list(request, "dilations", rank)
    (before, after) = ([0, 0, 0], [0, 0, 0])
    try setPads(request, rank: rank)
  }

  private mutating func setPads(_ request: CUDARequest, rank: Int) throws {
    switch try request.attributes.string("auto_pad", default: "NOTSET") {
    case "", "NOTSET":
      let pads = try request.attributes.optionalInts("pads") ?? []
      guard pads.count == 2 * rank else { return }
      before = ConvShape.three(Array(pads[..<rank]), 0)
      after = ConvShape.three(Array(pads[rank...]), 0)
    case "VALID": return
    case let mode:
      for axis in 3 - rank..<3 {
        let extent = (kernel[axis] - 1) * dilations[axis] + 1
        let total = max(0, (output[axis] - 1) * strides[axis] + extent - input[axis])
        before[axis] = mode == "SAME_UPPER" ? total / 2 : total - total / 2
        after[axis] = total - before[axis]
      }
    }
  }

  static func list(_ request: CUDARequest, _ name: String, _ rank: Int) throws -> [Int] {
    let values = try request.attributes.optionalInts(name) ?? []
    return three(values.count == rank ? values : [Int](repeating: 1, count: rank), 1)
  }

  /// Of three axes, missing ones in front.
  static func three(_ values: [Int], _ fill: Int) -> [Int] {
    [Int](repeating: fill, count: 3 - values.count) + values
  }
}

/// What products are computed in, and the number that kernels give a type.
struct ConvElement: Hashable, Sendable {
  /// 0 float16, 1 bfloat16, 2 float32, 3 uint8, 4 int8.
  let code: Int
  /// Of float32: three products of halves that keep its precision; otherwise one, of factors rounded to tf32.
  var isExact = false

  var size: Int { code == 2 ? 4 : code > 2 ? 1 : 2 }
  /// Elements of 16 bytes.
  var chunk: Int { 16 / size }

  static let half = ConvElement(code: 0)
  static let bfloat16 = ConvElement(code: 1)

  /// Throws a refusal for a type without kernels.
  init(of type: DataType, _ precision: Precision) throws {
    switch (type, precision) {
    case (.float16, _), (.float, .fp16): self = .half
    case (.bfloat16, _), (.float, .bf16), (.float, .auto): self = .bfloat16
    case (.float, .tf32): self.init(code: 2)
    case (.float, .fp32): self.init(code: 2, isExact: true)
    default: throw Refusal("elements of \(type)")
    }
  }

  init(code: Int, isExact: Bool = false) { (self.code, self.isExact) = (code, isExact) }

  static func code(_ type: DataType) throws -> Int {
    switch type {
    case .float16: 0
    case .bfloat16: 1
    case .float: 2
    default: throw Refusal("elements of \(type)")
    }
  }

  func store(_ value: Float, to base: UnsafeMutableRawPointer, _ index: Int) {
    switch code {
    case 0: base.storeBytes(of: SmallFloats.half(from: value), toByteOffset: 2 * index, as: UInt16.self)
    case 1: base.storeBytes(of: SmallFloats.bfloat16(from: value), toByteOffset: 2 * index, as: UInt16.self)
    default: base.storeBytes(of: value, toByteOffset: 4 * index, as: Float.self)
    }
  }
}

/// The activation behind a convolution, by the number that conv_common.cuh gives it.
struct ConvActivation: Hashable, Sendable {
  var code = 0
  var p0: Float = 0
  var p1: Float = 0

  init() {}

  init(_ attributes: AttributeReader) throws {
    guard let activation = try FusedActivation(attributes) else { return }
    let names = [
      "Relu", "Sigmoid", "Tanh", "HardSwish", "Gelu", "GeluTanh", "LeakyRelu", "Elu", "Swish", "HardSigmoid", "Clip",
    ]
    guard let index = names.firstIndex(of: activation.name) else { throw Refusal("activation \(activation.name)") }
    code = index + 1
    if let first = activation.parameters.first { p0 = first }
    if activation.parameters.count > 1 { p1 = activation.parameters[1] }
  }
}
