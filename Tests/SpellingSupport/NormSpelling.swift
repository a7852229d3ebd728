import Tensors

/// LayerNormalization and RMSNormalization in pieces.
enum NormSpelling {
  static func make(_ draw: Draw, flaw: String? = nil) throws -> (GraphWriter, [Spelling.Expectation]) {
    var draw = draw
    let casts = try draw.pick("casts", ["none", "none", "fp16", "fp16Float"])
    let g = try GraphWriter(draw, opsets: 9...24, real: casts == "none" ? .float : .float16)
    let norm = try g.draw.pick("norm", flaw == nil ? ["layer", "rms", "layer", "rms", "scale"] : ["layer", "rms"])
    let dynamic = try g.draw.pick("dynamic", ["static", "batch", "both"])
    let rank = try g.draw.pick("rank", 2...4)
    let width = g.draw.number(3...7)
    var shape = [Size(g.draw.number(1...3), dynamic == "static" ? nil : "batch")]
    while shape.count < rank - 1 { shape.append(Size(g.draw.number(2...4), dynamic == "both" ? "length" : nil)) }
    shape.append(Size(width))
    var x = try g.realInput("x", shape)
    let sum = try g.draw.pick("addedSum", ["none", "once", "twice"])
    if sum != "none" { x = g.add(x, try g.realInput("skip", shape)) }
    let outer = x
    // The inside in float: as transformers writes norms of half-precision models.
    let type: DataType = casts == "fp16Float" ? .float : g.real
    if casts == "fp16Float" { x = g.cast(x, .float) }
    let inner = Inner(g: g, type: type, rows: Array(shape.dropLast()), width: width, flaw: flaw)
    let fold = norm == "layer" ? try inner.folded() : false
    var y: String
    switch norm {
    case "scale": y = try inner.scale(x)
    case "rms": y = try inner.rms(x)
    default: y = try fold ? inner.layerFolded(x) : inner.layer(x)
    }
    var castLate = false
    if casts == "fp16Float" {
      castLate = try g.draw.pick("castBack", ["beforeScale", "afterScale"]) == "afterScale"
      if !castLate { y = g.cast(y, .float16) }
    }
    let some = norm == "layer" ? ["both", "scale", "none"] : ["scale", "none"]
    let affine = try g.draw.pick("affine", fold || flaw != nil ? some : some + ["modulated"])
    func weight() throws -> String {
      let values = g.draw.numbers(width, 0.5).map { $0 + 1 }
      let isWide = g.draw.number(0...4) == 0 && rank == 3
      return g.constant(try .of(values, castLate ? .float : g.real, shape: isWide ? [1, 1, width] : [width]))
    }
    if affine == "modulated" {
      // Adaptive norms: x * (1 + scale) + shift, both computed from what the model is conditioned on.
      var ones = [Size](repeating: Size(1), count: rank - 2)
      ones = [shape[0]] + ones + [Size(width)]
      if castLate { y = g.cast(y, .float16) }
      let scale = g.add(try g.realInput("scale", ones), try g.scalar(1))
      y = g.add(g.mul(y, scale), try g.realInput("shift", ones))
      castLate = false
    } else if affine != "none" {
      y = g.mul(y, try weight())
    }
    if affine == "both" { y = g.add(y, try weight()) }
    if castLate { y = g.cast(y, .float16) }
    g.output(y, shape)
    if sum == "twice" { g.output(g.add(outer, try g.realInput("next", shape)), shape) }
    let name = ["layer": "LayerNormalization", "rms": "RMSNormalization"][norm] ?? "LpNormalization"
    if inner.type == .float16 && inner.moments > 0 {
      // The difference of two means is rounding in half precision: LayerNormalization would give other numbers.
      return (g, [.init("halfMoments", .refused(name, ["two means"]))])
    }
    return (g, [.init(name, .operators(name, 1))])
  }

  /// The normalization without scale and bias.
  struct Inner {
    let g: GraphWriter
    let type: DataType
    let rows: [Size]
    let width: Int
    var flaw: String?
    private var rank: Int { rows.count + 1 }

    /// How many variances are E[x^2] - E[x]^2 so far.
    var moments: Int { g.draw.values.count { $0.axis == "layerForm" && $0.value == "moments" } }

    private func mean(_ x: String) throws -> String {
      let last = flaw == "axis" ? rank - 2 : rank - 1
      let axes = [g.opset >= 11 && flaw != "axis" && g.draw.flip() ? -1 : last]
      if flaw != nil { return try g.reduce(flaw == "sum" ? "ReduceSum" : "ReduceMean", x, axes) }
      switch try g.draw.pick("mean", ["reduceMean", "reduceMean", "unsqueezed", "sumDiv", "sumMul"]) {
      case "unsqueezed": return try g.unsqueeze(try g.reduce("ReduceMean", x, axes, keep: false), axes)
      // In half precision the sum and its quotient are rounded one after the other: a mean that nobody computes.
      case "sumDiv" where type != .float16:
        return g.div(try g.reduce("ReduceSum", x, axes), try g.scalar(Double(width), type))
      case "sumMul" where type != .float16:
        return g.mul(try g.reduce("ReduceSum", x, axes), try g.scalar(1 / Double(width), type))
      default: return try g.reduce("ReduceMean", x, axes)
      }
    }

    /// mean(x^2)
    private func meanSquare(_ x: String) throws -> String {
      guard flaw == nil, g.draw.number(0...5) == 0 else { return try mean(square(x)) }
      g.draw.note("square", "sumSquare")
      // ReduceSumSquare takes its axes as an attribute until opset 18.
      let sum = try g.reduce("ReduceSumSquare", x, [rank - 1])
      return g.div(sum, try g.scalar(Double(width), type))
    }

    private func square(_ x: String) throws -> String {
      let forms = ["powFloat", "mulSelf"] + (g.opset >= 12 ? ["powInt"] : [])
      switch try g.draw.pick("square", forms) {
      case "powFloat": return g.node("Pow", [x, try g.scalar(2, type)])
      case "powInt": return g.node("Pow", [x, try g.exactScalar(2, .int64)])
      default: return g.node("Mul", [x, x])
      }
    }

    /// x / sqrt(variance + epsilon)
    private func divided(_ x: String, _ variance: String) throws -> String {
      if flaw == "readVariance" { g.output(variance, rows + [Size(1)]) }
      var epsilon = ""
      switch flaw {
      case "epsilonInput": epsilon = g.input("epsilon", type, [], try .of([1e-5], type, shape: []))
      case "epsilonVector":
        epsilon = g.constant(try .of((0..<width).map { 0.1 * Double($0 + 1) }, type))
      default: epsilon = try g.scalar(1e-5, type)
      }
      let sum = g.add(variance, epsilon)
      switch try g.draw.pick(
        "root", ["divSqrt", "mulReciprocal", "mulDivOne", "powMinusHalf", "divPowHalf", "rootOfReciprocal"])
      {
      case "rootOfReciprocal": return g.mul(x, g.node("Sqrt", [g.node("Reciprocal", [sum])]))
      case "divSqrt": return g.div(x, g.node("Sqrt", [sum]))
      case "mulReciprocal": return g.mul(x, g.node("Reciprocal", [g.node("Sqrt", [sum])]))
      case "mulDivOne": return g.mul(x, g.div(try g.scalar(1, type), g.node("Sqrt", [sum])))
      case "powMinusHalf": return g.mul(x, g.node("Pow", [sum, try g.scalar(-0.5, type)]))
      default: return g.div(x, g.node("Pow", [sum, try g.scalar(0.5, type)]))
      }
    }

    func rms(_ x: String) throws -> String { try divided(x, meanSquare(x)) }

    /// ScaleNorm: x over its length, perhaps in units of the root of the width.
    func scale(_ x: String) throws -> String {
      var length: String
      switch try g.draw.pick("length", ["l2", "rootOfSum", "rootOfSumSquare"]) {
      case "l2": length = try g.reduce("ReduceL2", x, [rank - 1])
      case "rootOfSum": length = g.node("Sqrt", [try g.reduce("ReduceSum", try square(x), [rank - 1])])
      default: length = g.node("Sqrt", [try g.reduce("ReduceSumSquare", x, [rank - 1])])
      }
      switch try g.draw.pick("unit", ["one", "mulRoot", "divRoot"]) {
      case "mulRoot": length = g.mul(length, try g.scalar(1 / Double(width).squareRoot(), type))
      case "divRoot": length = g.div(length, try g.scalar(Double(width).squareRoot(), type))
      default: break
      }
      return g.draw.flip() ? g.div(x, length) : g.mul(x, g.node("Reciprocal", [length]))
    }

    func folded() throws -> Bool { flaw == nil && g.draw.number(0...5) == 0 }

    /// Scale and bias folded as tf.nn.batch_normalization and Keras do it: x * f + (b - m * f), f = w / sqrt(v + epsilon).
    func layerFolded(_ x: String) throws -> String {
      g.draw.note("layerForm", "folded")
      let m = try mean(x)
      let variance = try mean(square(g.sub(x, m)))
      let sum = g.add(variance, try g.scalar(1e-5, type))
      let root =
        g.draw.flip() ? g.node("Reciprocal", [g.node("Sqrt", [sum])]) : g.node("Pow", [sum, try g.scalar(-0.5, type)])
      let values = (0..<2).map { _ in g.draw.numbers(width, 0.5) }
      let factor = g.mul(root, g.constant(try .of(values[0].map { $0 + 1 }, type)))
      let bias = g.constant(try .of(values[1], type))
      let shift =
        g.draw.flip()
        ? g.sub(bias, g.mul(m, factor)) : g.add(g.mul(g.node("Neg", [m]), factor), bias)
      return g.add(g.mul(x, factor), shift)
    }

    func layer(_ x: String) throws -> String {
      switch try g.draw.pick("layerForm", ["centered", "twiceCentered", "moments"]) {
      case "centered":
        let centered = g.sub(x, try mean(x))
        let other = try flaw == "otherVariance" ? g.sub(x, mean(g.node("Abs", [x]))) : centered
        return try divided(centered, flaw == nil ? meanSquare(other) : mean(square(other)))
      case "twiceCentered":
        // TensorFlow and older torch: the difference is computed twice.
        let m = try mean(x)
        let deviation = try square(g.sub(x, m))
        return try divided(g.sub(x, flaw == "otherMean" ? try mean(g.node("Abs", [x])) : m), mean(deviation))
      default:
        // E[x^2] - E[x]^2.
        let m = try mean(x)
        let variance = g.sub(try mean(square(x)), try square(m))
        return try divided(g.sub(x, m), variance)
      }
    }
  }
}
