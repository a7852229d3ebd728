import GraphIR
import Tensors

/// AveragePool: each window hands its gradient, divided by how many elements it counts, to those elements: a transposed
/// convolution with ones, channel by channel.
private let rules = [
  DerivativeRule("AveragePool") { b, call in
    let (x, y) = (try call.input(0), try call.result)
    let window = try CountedWindow(call.attributes, spatial: b.shape(x).map { Array($0.dropFirst(2)) })
    let one = try b.scalar(1, like: x)
    let kernel = b.call("Expand", [one, try b.ints([1, 1] + window.kernel)])
    let share = b.div(try call.gradient, try window.counts(&b, x, one, kernel))

    let items = b.call("Slice", [try b.shapeTensor(x), try b.ints([0]), try b.ints([2])])
    let planes = b.call("ReduceProd", [items])
    let places = b.call("Slice", [try b.shapeTensor(y), try b.ints([2]), try b.ints([window.rank + 2])])
    let shape = b.call("Concat", [planes, try b.ints([1]), places], [NamedAttribute("axis", .int(0))])
    let flat = b.call("Reshape", [share, shape], [NamedAttribute("allowzero", .int(1))])
    let whole = b.call("ConvTranspose", [flat, kernel], window.steps)
    // Strides may leave a rest at the end: some zeros, then the input's part.
    let padded = b.call(
      "Pad", [whole, try b.ints([Int](repeating: 0, count: window.rank + 4) + window.strides.map { $0 - 1 })])
    let begin = try b.ints(window.begin)
    let end = b.add(try window.sizes(&b, x), begin)
    let part = b.call("Slice", [padded, begin, end, try b.ints(Array(2..<window.rank + 2))])
    return [try b.reshape(part, like: x)]
  }
]

/// The window of an AveragePool with its padding as numbers.
private struct CountedWindow {
  let kernel: [Int]
  let strides: [Int]
  let begin: [Int]
  /// Padding at the end that counts where any does, and what windows reach past it.
  private let end: [Int]
  private let over: [Int]
  private let dilations: [Int]
  private let countsPadding: Bool

  var rank: Int { kernel.count }

  init(_ attributes: AttributeReader, spatial: [Dim]?) throws {
    let window = try NNWindow(attributes, kernel: nil)
    (kernel, strides, dilations) = (window.kernel, window.strides, window.dilations)
    countsPadding = try attributes.bool("count_include_pad")
    let isSame = window.autoPad == .sameUpper || window.autoPad == .sameLower
    guard isSame || window.ceilMode else {
      (begin, end, over) = (window.padsBegin, window.padsEnd, window.padsEnd.map { _ in 0 })
      return
    }
    guard let spatial, spatial.count == window.rank, spatial.allSatisfy(\.isKnown) else {
      throw CameoError.unsupported(
        "its derivative needs the input's size for auto_pad or ceil_mode, which is not known")
    }
    let geometry = try window.resolved(spatial.compactMap(\.value))
    begin = geometry.padsBegin
    let reach = (0..<window.rank).map { axis in
      (geometry.output[axis] - 1) * window.strides[axis] + window.extent(axis) - geometry.input[axis]
        - geometry.padsBegin[axis]
    }
    end = zip(geometry.padsEnd, reach).map { max(0, min($0, $1)) }
    over = zip(reach, end).map { max(0, $0 - $1) }
  }

  private func list(_ name: String, _ values: [Int]) -> NamedAttribute {
    NamedAttribute(name, .ints(values.map(Int64.init)))
  }

  var steps: [NamedAttribute] { [list("strides", strides), list("dilations", dilations)] }

  /// The spatial sizes of the input.
  func sizes(_ b: inout GradientBuilder, _ x: ValueID) throws -> ValueID {
    b.call("Slice", [try b.shapeTensor(x), try b.ints([2]), try b.ints([rank + 2])])
  }

  /// How many elements each window counts, [1, 1, outputs..].
  func counts(_ b: inout GradientBuilder, _ x: ValueID, _ one: ValueID, _ kernel: ValueID) throws -> ValueID {
    let shape = b.call("Concat", [try b.ints([1, 1]), try sizes(&b, x)], [NamedAttribute("axis", .int(0))])
    var ones = b.call("Expand", [one, shape])
    guard countsPadding else {
      return b.call("Conv", [ones, kernel], steps + [list("pads", begin + zip(end, over).map { $0 + $1 })])
    }
    ones = b.call("Pad", [ones, try b.ints([0, 0] + begin + [0, 0] + end), one])
    return b.call("Conv", [ones, kernel], steps + [list("pads", begin.map { _ in 0 } + over)])
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (1, { DerivativeRules.submit(rules, to: $0) })
