internal import CKernels
import GraphIR
import Tensors

/// The sliding window of pooling and convolution: kernel, strides, dilations and padding per spatial axis.
struct NNWindow {
  enum AutoPad: String {
    case notSet = "NOTSET"
    case sameUpper = "SAME_UPPER"
    case sameLower = "SAME_LOWER"
    case valid = "VALID"
  }

  var kernel: [Int]
  var strides: [Int]
  var dilations: [Int]
  /// As written in the node; all zero where `autoPad` decides.
  var padsBegin: [Int]
  var padsEnd: [Int]
  var autoPad: AutoPad
  var ceilMode: Bool

  /// Reads the attributes. `kernel` comes from the weights where `kernel_shape` is absent.
  init(_ attributes: AttributeReader, kernel known: [Int]?) throws {
    guard let kernel = try attributes.optionalInts("kernel_shape") ?? known, !kernel.isEmpty || known != nil else {
      throw CameoError.badInput("attribute kernel_shape is missing")
    }
    if let known, known != kernel {
      throw CameoError.badInput("attribute kernel_shape is \(kernel), but the weights have \(known)")
    }
    self.kernel = kernel
    let rank = kernel.count
    func list(_ name: String, _ fallback: Int, _ count: Int, _ range: ClosedRange<Int>) throws -> [Int] {
      guard let values = try attributes.optionalInts(name), !values.isEmpty else {
        return [Int](repeating: fallback, count: count)
      }
      guard values.count == count, values.allSatisfy(range.contains) else {
        throw CameoError.badInput(
          "attribute \(name) is \(values), \(count) integers from \(range.lowerBound) on were expected")
      }
      return values
    }
    strides = try list("strides", 1, rank, 1...1 << 31)
    dilations = try list("dilations", 1, rank, 1...1 << 31)
    let pads = try list("pads", 0, 2 * rank, 0...1 << 32)
    guard kernel.allSatisfy((1...1 << 31).contains) else {
      throw CameoError.badInput("the kernel has the shape \(kernel), sizes of 1 or more were expected")
    }
    let text = try attributes.string("auto_pad", default: "NOTSET")
    guard let mode = AutoPad(rawValue: text.isEmpty ? "NOTSET" : text) else {
      throw CameoError.badInput("attribute auto_pad is \(text); NOTSET, VALID, SAME_UPPER or SAME_LOWER was expected")
    }
    autoPad = mode
    padsBegin = mode == .notSet ? Array(pads[..<rank]) : [Int](repeating: 0, count: rank)
    padsEnd = mode == .notSet ? Array(pads[rank...]) : [Int](repeating: 0, count: rank)
    ceilMode = try attributes.int("ceil_mode", default: 0) != 0
  }

  /// The window of a convolution: from `kernel_shape`, else from the weights' spatial dimensions, which `sizes` gives where
  /// they are expressions. nil where neither is known.
  static func ofWeights(_ spatial: [Dim]?, _ attributes: AttributeReader) throws -> (window: NNWindow, sizes: [Dim]?)? {
    let values = spatial?.compactMap(\.value)
    if let spatial, let values, values.count == spatial.count { return (try NNWindow(attributes, kernel: values), nil) }
    if let given = try attributes.optionalInts("kernel_shape"), !given.isEmpty {
      return (try NNWindow(attributes, kernel: nil), nil)
    }
    guard let spatial else { return nil }
    return (try NNWindow(attributes, kernel: [Int](repeating: 1, count: spatial.count)), spatial)
  }

  var rank: Int { kernel.count }
  func extent(_ axis: Int) -> Int { (kernel[axis] - 1) * dilations[axis] + 1 }

  /// How many elements a window reaches over where its size is an expression.
  func extent(_ axis: Int, kernel size: Dim) -> Dim { (size - 1) * Dim(dilations[axis]) + 1 }

  /// The number of window positions on each axis. `sizes`: the window's own sizes where they are expressions.
  func outputs(_ spatial: [Dim], kernel sizes: [Dim]? = nil) throws -> [Dim] {
    guard spatial.count == rank else {
      throw CameoError.badInput("the window has \(rank) axes (kernel_shape), the input \(spatial.count) spatial ones")
    }
    return try (0..<rank).map { axis in
      let size = spatial[axis]
      let stride = Dim(strides[axis])
      if autoPad == .sameUpper || autoPad == .sameLower { return size.ceilDiv(stride) }
      let padded = size + Dim(padsBegin[axis] + padsEnd[axis])
      let room = padded - extent(axis, kernel: sizes?[axis] ?? Dim(kernel[axis]))
      let result: Dim
      if ceilMode && autoPad == .notSet {
        // A window that would start in the padding at the end is left out.
        result = Dim.min(room.ceilDiv(stride) + 1, (size + Dim(padsBegin[axis])).ceilDiv(stride))
      } else {
        result = room.floorDiv(stride) + 1
      }
      if let value = result.value, value < 0 {
        throw CameoError.badInput("a window of \(extent(axis)) is larger than the padded input of \(padded)")
      }
      return result
    }
  }

  /// The window over a concrete input, padding resolved.
  func resolved(_ spatial: [Int]) throws -> NNGeometry {
    let out = try outputs(spatial.map { Dim($0) }).map { $0.value ?? 0 }
    _ = try Tensor.elementCount(out)
    _ = try Tensor.elementCount(spatial)
    _ = try Tensor.elementCount(kernel)
    var begin = padsBegin
    var end = padsEnd
    if autoPad == .sameUpper || autoPad == .sameLower {
      for axis in 0..<rank {
        let total = max(0, (out[axis] - 1) * strides[axis] + extent(axis) - spatial[axis])
        begin[axis] = autoPad == .sameUpper ? total / 2 : total - total / 2
        end[axis] = total - begin[axis]
      }
    }
    return NNGeometry(
      input: spatial, output: out, kernel: kernel, strides: strides, dilations: dilations, padsBegin: begin,
      padsEnd: end)
  }
}

/// A window with all sizes known. Output position o, tap t reads input o * stride + t * dilation - padsBegin.
struct NNGeometry {
  var input: [Int]
  var output: [Int]
  var kernel: [Int]
  var strides: [Int]
  var dilations: [Int]
  var padsBegin: [Int]
  var padsEnd: [Int]

  var rank: Int { input.count }
  var inputCount: Int { input.reduce(1, *) }
  var outputCount: Int { output.reduce(1, *) }
  var taps: Int { kernel.reduce(1, *) }

  /// True where the column matrix is the image itself.
  var isPointwise: Bool {
    kernel.allSatisfy { $0 == 1 } && strides.allSatisfy { $0 == 1 } && padsBegin.allSatisfy { $0 == 0 }
      && input == output
  }

  /// The form that the C kernels take. Throws `.unsupported` past three axes.
  func kernelWindow() throws -> ck_window {
    guard rank <= 3 else { throw CameoError.unsupported("windows of more than 3 spatial axes") }
    func three(_ values: [Int], _ fill: Int) -> (Int, Int, Int) {
      let v = [Int](repeating: fill, count: 3 - values.count) + values
      return (v[0], v[1], v[2])
    }
    return ck_window(
      in: three(input, 1), out: three(output, 1), kernel: three(kernel, 1), stride: three(strides, 1),
      dilation: three(dilations, 1), pad_begin: three(padsBegin, 0), pad_end: three(padsEnd, 0))
  }

  /// Calls `body` with each tap of output position `position` (linear): tap number and linear input index, -1 in the padding.
  func forEachTap(_ position: Int, _ body: (Int, Int) -> Void) {
    var start = [Int](repeating: 0, count: rank)
    var rest = position
    for axis in stride(from: rank - 1, through: 0, by: -1) {
      start[axis] = rest % output[axis] * strides[axis] - padsBegin[axis]
      rest /= output[axis]
    }
    var tap = [Int](repeating: 0, count: rank)
    for number in 0..<taps {
      var index = 0
      for axis in 0..<rank {
        let at = start[axis] + tap[axis] * dilations[axis]
        if at < 0 || at >= input[axis] { index = -1; break }
        index = index * input[axis] + at
      }
      body(number, index)
      for axis in stride(from: rank - 1, through: 0, by: -1) {
        tap[axis] += 1
        if tap[axis] < kernel[axis] { break }
        tap[axis] = 0
      }
    }
  }

  /// True where tap `number` of `position` lies in the padded input (past it only in ceil mode).
  func isInsidePadding(_ position: Int, _ number: Int) -> Bool {
    var rest = position
    var tap = number
    for axis in stride(from: rank - 1, through: 0, by: -1) {
      let at = rest % output[axis] * strides[axis] - padsBegin[axis] + tap % kernel[axis] * dilations[axis]
      if at >= input[axis] + padsEnd[axis] { return false }
      rest /= output[axis]
      tap /= kernel[axis]
    }
    return true
  }
}
