import Tensors

/// Convolutions and products with normalizations or scales by channel around them.
struct BatchNormSpelling {
  private let g: GraphWriter
  private let flaw: String?
  private let product: String
  private let form: String
  private let channels: Int
  private let outer: Int
  private let batch: Size
  /// What the product reads is of one row a sample, without sides.
  private let isFlat: Bool
  private let sides: [Int]
  private let hasBias: Bool
  private let hasPadding: Bool

  static func make(_ draw: Draw, flaw: String? = nil) throws -> (GraphWriter, [Spelling.Expectation]) {
    let g = try GraphWriter(draw, opsets: 9...24)
    let product = try g.draw.pick(
      "product", ["conv", "convTranspose", "gemm", "matMul", "depthwise", "conv1d", "conv3d", "groups", "tokens"])
    let isFlat = product == "gemm" || product == "matMul"
    let order = try g.draw.pick("order", product == "tokens" ? ["after"] : ["after", "before"])
    // The shift in front of a ConvTranspose does not reach all of its results alike.
    let forms =
      product == "convTranspose" && order == "before"
      ? ["mul"] : ["node", "mulAdd", "mul", "add", "subDiv", "pieces", "folded", "fixedGamma"]
    let form = try g.draw.pick("form", forms)
    let dynamic = try g.draw.pick("dynamic", ["static", "batch"])
    let channels = 2 * g.draw.number(1...2)
    let outer = product == "depthwise" ? channels : 2 * g.draw.number(1...3)
    let batch = Size(g.draw.number(1...3), dynamic == "static" ? nil : "batch")
    let hasBias = try g.draw.pick("bias", ["none", "bias"]) == "bias"
    // Before a convolution an offset survives only without padding.
    let isPaddable = !isFlat && product != "tokens" && (order == "after" || flaw == "padding" || form == "mul")
    let hasPadding = try g.draw.pick("padding", isPaddable ? ["none", "one"] : ["none"]) == "one"
    let dims = ["gemm": 0, "matMul": 0, "conv1d": 1, "tokens": 1, "conv3d": 3][product] ?? 2
    let spelling = BatchNormSpelling(
      g: g, flaw: flaw, product: product, form: form, channels: channels, outer: outer, batch: batch, isFlat: isFlat,
      sides: [Int](repeating: 5, count: dims), hasBias: hasBias, hasPadding: hasPadding)
    try order == "after" ? spelling.writeAfter() : spelling.writeBefore()
    let isMatMul = product == "matMul" || product == "tokens"
    return (g, [.init("folded", .gone(["BatchNormalization", "Mul", "Div", "Sub"] + (isMatMul ? [] : ["Add"])))])
  }

  /// The sides of the product's result.
  private var reach: [Size] {
    if product == "tokens" { return sides.map { Size($0) } }
    return sides.map { Size(product == "convTranspose" ? (hasPadding ? $0 : $0 + 2) : hasPadding ? $0 : $0 - 2) }
  }

  private func writeAfter() throws {
    let isTokens = product == "tokens"
    let x = try g.realInput(
      "x", [batch] + (isTokens ? [Size(5), Size(channels)] : [Size(channels)] + sides.map { Size($0) }))
    let inner = try multiplied(x)
    let shape = [batch, Size(outer)] + reach
    if flaw == "readInner" { g.output(inner, shape) }
    let isMovable = flaw == nil && !isFlat && form != "node" && form != "fixedGamma"
    let last = [0] + Array(2..<2 + sides.count) + [1]
    switch try g.draw.pick(
      "layout", isTokens ? ["first", "rows"] : isMovable ? ["first", "first", "last"] : ["first"])
    {
    case "last":
      // TensorFlow: what follows a convolution reads the channels last.
      let y = try around(g.transpose(inner, last), outer, isLast: true)
      g.output(y, last.map { shape[$0] })
    case "rows":
      // BatchNorm1d over the tokens of all samples.
      let rows = g.node("Reshape", [inner, try g.ints([-1, outer])])
      let y = try around(rows, outer, isLast: true)
      g.output(g.node("Reshape", [y, g.node("Shape", [inner])]), [batch, Size(5), Size(outer)])
    default:
      if !isTokens { return g.output(try around(inner, outer), shape) }
      let y = try around(g.transpose(inner, [0, 2, 1]), outer)
      g.output(g.transpose(y, [0, 2, 1]), [batch, Size(5), Size(outer)])
    }
  }

  private func writeBefore() throws {
    let result = [batch, Size(outer)] + reach
    if product == "gemm", flaw == nil, try g.draw.pick("flatten", ["no", "no", "yes"]) == "yes" {
      // An image, normalized and flattened in front of a classifier.
      let x = try g.realInput("x", [batch, Size(channels), Size(2), Size(3)])
      let image = BatchNormSpelling(
        g: g, flaw: nil, product: "conv", form: form, channels: channels, outer: outer, batch: batch, isFlat: false,
        sides: [2, 3], hasBias: false, hasPadding: false)
      let flat = BatchNormSpelling(
        g: g, flaw: nil, product: "gemm", form: form, channels: channels * 6, outer: outer, batch: batch, isFlat: true,
        sides: [], hasBias: hasBias, hasPadding: false)
      let y = try image.around(x, channels)
      let row = g.draw.flip() ? g.node("Flatten", [y]) : g.node("Reshape", [y, try g.ints([-1, channels * 6])])
      return g.output(try flat.multiplied(row), result)
    }
    let x = try g.realInput("x", [batch, Size(channels)] + sides.map { Size($0) })
    if !isFlat, flaw == nil, form != "node", form != "fixedGamma",
      try g.draw.pick("layout", ["first", "first", "last"]) == "last"
    {
      let last = [0] + Array(2..<2 + sides.count) + [1]
      let back = [0, 1 + sides.count] + Array(1..<1 + sides.count)
      let y = try around(g.transpose(x, last), channels, isLast: true)
      return g.output(try multiplied(g.transpose(y, back)), result)
    }
    g.output(try multiplied(around(x, channels)), result)
  }

  private func around(_ x: String, _ channels: Int, isLast: Bool = false) throws -> String {
    let ones = [Int](repeating: 1, count: sides.count)
    let shape =
      flaw == "spatial" ? [5] : isFlat || isLast ? [channels] : (g.draw.flip() ? [1, channels] : [channels]) + ones
    switch form {
    case "node", "fixedGamma":
      // MXNet's fix_gamma: all ones, whatever the file trained.
      let gamma =
        try form == "node" ? g.gamma([channels]) : g.constant(.of([Double](repeating: 1, count: channels), g.real))
      return g.node(
        "BatchNormalization",
        [x, gamma, try g.weight([channels]), try g.weight([channels]), try g.gamma([channels])],
        g.draw.flip() ? [.float("epsilon", 1e-3)] : [])
    case "pieces":
      // The decomposition of torch: (x - mean) * (1 / sqrt(var + eps)) * gamma + beta, the root over constants.
      let root = g.node("Sqrt", [g.add(try g.gamma(shape), try g.scalar(1e-3))])
      let inverse = g.draw.flip() ? g.node("Reciprocal", [root]) : g.div(try g.scalar(1), root)
      let centered = g.sub(x, try g.weight(shape))
      return g.add(g.mul(g.mul(centered, inverse), try g.gamma(shape)), try g.weight(shape))
    case "folded":
      // TensorFlow: x * f + (beta - mean * f), f = gamma * rsqrt(var + eps) over constants of one axis, reshaped or not.
      let flat = [channels]
      let root = g.node("Sqrt", [g.add(try g.gamma(flat), try g.scalar(1e-3))])
      let factor = g.mul(g.node("Reciprocal", [root]), try g.gamma(flat))
      let shift = g.sub(try g.weight(flat), g.mul(try g.weight(flat), factor))
      func placed(_ row: String) throws -> String {
        shape == flat ? row : g.node("Reshape", [row, try g.ints(shape)])
      }
      return g.add(g.mul(x, try placed(factor)), try placed(shift))
    case "mulAdd": return g.add(g.mul(x, try g.gamma(shape)), try g.weight(shape))
    case "mul": return g.mul(x, try g.gamma(shape))
    case "add": return g.add(x, try g.weight(shape))
    default: return g.div(g.sub(x, try g.weight(shape)), try g.gamma(shape))
    }
  }

  /// Weights of that shape, their first axis the channels of the result, as exporters leave them.
  private func weight(_ shape: [Int]) throws -> String {
    switch try g.draw.pick(
      "weights", flaw == nil ? ["constant", "constant", "weightNorm", "transposed"] : ["constant"])
    {
    case "weightNorm":
      // g * v / |v|, left in the graph.
      let direction = try g.weight(shape)
      let length = try g.reduce("ReduceL2", direction, Array(1..<shape.count))
      let size = try g.gamma([shape[0]] + [Int](repeating: 1, count: shape.count - 1))
      return g.mul(g.div(direction, length), size)
    case "transposed":
      return g.transpose(try g.weight(shape.reversed()), (0..<shape.count).reversed())
    default: return try g.weight(shape)
    }
  }

  private func multiplied(_ x: String) throws -> String {
    let bias = hasBias ? [try g.weight([outer])] : []
    let ones = [Int](repeating: 1, count: 2 * sides.count)
    let pads: [Attr] = hasPadding ? [.ints("pads", ones)] : []
    let kernel = [Int](repeating: 3, count: sides.count)
    switch product {
    case "depthwise":
      return g.node("Conv", [x, try weight([outer, 1] + kernel)] + bias, pads + [.int("group", channels)])
    case "groups":
      return g.node("Conv", [x, try weight([outer, channels / 2] + kernel)] + bias, pads + [.int("group", 2)])
    case "convTranspose":
      return g.node("ConvTranspose", [x, try weight([channels, outer] + kernel)] + bias, pads)
    case "gemm":
      // Before opset 11 C is no option.
      let c = bias.isEmpty && g.opset < 11 ? [try g.weight([outer])] : bias
      return g.node("Gemm", [x, try weight([outer, channels])] + c, [.int("transB", 1)])
    case "matMul", "tokens":
      let y = g.matMul(x, try weight([channels, outer]))
      return hasBias ? g.add(y, bias[0]) : y
    default:
      let shape = [outer, channels] + kernel
      return g.node(
        "Conv", [x, try flaw == "weightInput" ? g.realInput("weight", shape.map { Size($0) }) : weight(shape)] + bias,
        pads)
    }
  }
}
