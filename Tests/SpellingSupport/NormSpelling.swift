import Tensors

/// LayerNormalization and RMSNormalization in pieces.
enum NormSpelling {
  static func make(_ draw: Draw, flaw: String? = nil) throws -> (GraphWriter, [Spelling.Expectation]) {
    var draw = draw
    let casts = try draw.pick("casts", ["none", "none", "fp16", "fp16Float"])
    let g = try GraphWriter(draw, opsets: 9...24, real: casts == "none" ? .float : .float16)
    let norm = try g.draw.pick("norm", ["layer", "rms"])
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
    var y = try norm == "layer" ? inner.layer(x) : inner.rms(x)
    var castLate = false
    if casts == "fp16Float" {
      castLate = try g.draw.pick("castBack", ["beforeScale", "afterScale"]) == "afterScale"
      if !castLate { y = g.cast(y, .float16) }
    }
    let affine = try g.draw.pick("affine", norm == "layer" ? ["both", "scale", "none"] : ["scale", "none"])
    func weight() throws -> String {
      let values = g.draw.numbers(width, 0.5).map { $0 + 1 }
      let isWide = g.draw.number(0...4) == 0 && rank == 3
      return g.constant(try .of(values, castLate ? .float : g.real, shape: isWide ? [1, 1, width] : [width]))
    }
    if affine != "none" { y = g.mul(y, try weight()) }
    if affine == "both" { y = g.add(y, try weight()) }
    if castLate { y = g.cast(y, .float16) }
    g.output(y, shape)
    if sum == "twice" { g.output(g.add(outer, try g.realInput("next", shape)), shape) }
    let name = norm == "layer" ? "LayerNormalization" : "RMSNormalization"
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

    private func mean(_ x: String) throws -> String {
      let last = flaw == "axis" ? rank - 2 : rank - 1
      return try g.reduce(
        flaw == "sum" ? "ReduceSum" : "ReduceMean", x, [g.opset >= 11 && flaw != "axis" && g.draw.flip() ? -1 : last])
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
      switch try g.draw.pick("root", ["divSqrt", "mulReciprocal", "mulDivOne", "powMinusHalf", "divPowHalf"]) {
      case "divSqrt": return g.div(x, g.node("Sqrt", [sum]))
      case "mulReciprocal": return g.mul(x, g.node("Reciprocal", [g.node("Sqrt", [sum])]))
      case "mulDivOne": return g.mul(x, g.div(try g.scalar(1, type), g.node("Sqrt", [sum])))
      case "powMinusHalf": return g.mul(x, g.node("Pow", [sum, try g.scalar(-0.5, type)]))
      default: return g.div(x, g.node("Pow", [sum, try g.scalar(0.5, type)]))
      }
    }

    func rms(_ x: String) throws -> String { try divided(x, mean(square(x))) }

    func layer(_ x: String) throws -> String {
      switch try g.draw.pick("layerForm", ["centered", "twiceCentered", "moments"]) {
      case "centered":
        let centered = g.sub(x, try mean(x))
        let other = try flaw == "otherVariance" ? g.sub(x, mean(g.node("Abs", [x]))) : centered
        return try divided(centered, mean(square(other)))
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
