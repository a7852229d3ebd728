import Tensors

/// GroupNormalization and InstanceNormalization in pieces.
struct GroupNormSpelling {
  private let g: GraphWriter
  private let batch: Size
  private let channels: Int
  private let image: [Size]
  private let groups: Int

  static func make(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    let g = try GraphWriter(draw, opsets: 9...24)
    let norm = try g.draw.pick("norm", ["group", "group", "instance"])
    let form = try g.draw.pick(
      "form",
      norm == "group" ? ["instanceNode", "reduced", "channelsLast"] : ["reduced", "layerOfFlat", "channelsLast"])
    let dynamic = try g.draw.pick("dynamic", ["static", "batch", "image"])
    let groups = g.draw.number(2...3)
    let channels = norm == "group" ? groups * g.draw.number(2...3) : g.draw.number(2...5)
    let batch = Size(g.draw.number(1...3), dynamic == "static" ? nil : "batch")
    let spatial = try form == "channelsLast" ? 2 : g.draw.pick("spatial", 1...3)
    let image = ["height", "width", "depth"].prefix(spatial).map {
      Size(g.draw.number(2...4), dynamic == "image" ? $0 : nil)
    }
    let spelling = GroupNormSpelling(g: g, batch: batch, channels: channels, image: image, groups: groups)
    let x = try g.realInput("x", form == "channelsLast" ? spelling.lastShape : spelling.shape)
    let affine = try g.draw.pick("affine", ["both", "both", "none", "scale"])
    if form == "channelsLast" {
      g.output(try spelling.channelsLast(x, norm, affine), spelling.lastShape)
    } else {
      var y = try norm == "group" ? spelling.group(x, form) : spelling.instance(x, form)
      if affine != "none" { y = g.mul(y, try g.gamma(spelling.row)) }
      if affine == "both" { y = g.add(y, try g.gamma(spelling.row)) }
      g.output(y, spelling.shape)
    }
    if norm == "instance", spatial == 1, affine == "none", form != "channelsLast" {
      // Rows of a tensor of rank 3: either says it.
      return (g, [.init("row", .operators("InstanceNormalization|LayerNormalization", 1))])
    }
    // Runtimes expand GroupNormalization-21: InstanceNormalization between Reshapes is the form that they run.
    return (g, [.init("InstanceNormalization", .operators("InstanceNormalization|GroupNormalization", 1))])
  }

  private var shape: [Size] { [batch, Size(channels)] + image }
  private var lastShape: [Size] { [batch] + image + [Size(channels)] }
  private var spatial: [Int] { Array(2..<2 + image.count) }
  private var row: [Int] {
    (g.draw.flip() ? [channels] : [1, channels]) + [Int](repeating: 1, count: image.count)
  }

  private func group(_ x: String, _ form: String) throws -> String {
    let isWhole = form == "reduced" && g.draw.flip()
    let parts = image.enumerated().map { (size: $0.element, value: x, axis: $0.offset + 2) }
    let split: [(size: Size, value: String, axis: Int)] =
      [(batch, x, 0), (Size(groups), "", 0), (Size(channels / groups), "", 0)] + parts
    let flat = g.node("Reshape", [x, try isWhole ? g.shapeTensor(split) : g.ints([0, groups, -1])])
    var y: String
    if form == "instanceNode" {
      let ones = g.constant(try .of([Double](repeating: 1, count: groups), .float))
      let zeros = g.constant(try .of([Double](repeating: 0, count: groups), .float))
      y = g.node("InstanceNormalization", [flat, ones, zeros], [.float("epsilon", 1e-5)])
    } else {
      y = try reduced(flat, axes: isWhole ? Array(2..<3 + image.count) : [2])
    }
    let whole = try g.shapeTensor([(batch, x, 0), (Size(channels), "", 1)] + parts)
    y = g.node("Reshape", [y, g.draw.flip() ? g.node("Shape", [x]) : whole])
    return y
  }

  private func instance(_ x: String, _ form: String) throws -> String {
    if form == "reduced" { return try reduced(x, axes: spatial) }
    let flat = g.node("Reshape", [x, try g.ints([0, channels, -1])])
    return g.node("Reshape", [try reduced(flat, axes: [2]), g.node("Shape", [x])])
  }

  /// As Keras has it: groups are the last axis but one, scale and bias are folded into the normalization.
  private func channelsLast(_ x: String, _ norm: String, _ affine: String) throws -> String {
    let isGroup = norm == "group"
    let rank = 2 + image.count
    let each = channels / groups
    let parts: [(size: Size, value: String, axis: Int)] =
      [(batch, x, 0)] + image.enumerated().map { (size: $0.element, value: x, axis: $0.offset + 1) }
    let input =
      try isGroup ? g.node("Reshape", [x, g.shapeTensor(parts + [(Size(groups), "", 0), (Size(each), "", 0)])]) : x
    let axes = Array(1...image.count) + (isGroup ? [rank] : [])
    let factor = isGroup ? [groups, each] : [channels]
    let scale = try affine == "none" ? nil : g.gamma(factor)
    let bias = try affine == "both" ? g.weight(factor) : nil
    let y = try reduced(input, axes: axes, scale: scale, bias: bias)
    if !isGroup { return y }
    return g.node(
      "Reshape", [y, try g.draw.flip() ? g.node("Shape", [x]) : g.shapeTensor(parts + [(Size(channels), "", 0)])])
  }

  private func squared(_ x: String) throws -> String {
    try g.draw.flip() ? g.node("Mul", [x, x]) : g.node("Pow", [x, g.scalar(2)])
  }

  private func reduced(_ x: String, axes: [Int], scale: String? = nil, bias: String? = nil) throws -> String {
    let mean = try g.reduce("ReduceMean", x, axes)
    let centered = g.sub(x, mean)
    var variance: String
    if try g.draw.pick("variance", ["centered", "centered", "moments"]) == "moments" {
      variance = g.sub(try g.reduce("ReduceMean", squared(x), axes), try squared(mean))
    } else {
      variance = try g.reduce("ReduceMean", squared(centered), axes)
    }
    variance = g.add(variance, try g.scalar(1e-5))
    let root = g.node("Sqrt", [variance])
    let isFolded = scale != nil && bias != nil && g.draw.flip()
    if isFolded, let scale, let bias {
      let factor = g.mul(g.node("Reciprocal", [root]), scale)
      let shift =
        g.draw.flip()
        ? g.sub(bias, g.mul(mean, factor)) : g.add(g.mul(g.node("Neg", [mean]), factor), bias)
      return g.add(g.mul(x, factor), shift)
    }
    var y = g.draw.flip() ? g.div(centered, root) : g.mul(centered, g.node("Reciprocal", [root]))
    if let scale { y = g.mul(y, scale) }
    if let bias { y = g.add(y, bias) }
    return y
  }
}
