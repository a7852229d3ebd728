/// A transformer block: norms, attention, residuals, a feed-forward part with an activation or a gate.
enum BlockSpelling {
  static func make(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    var draw = draw
    let layout = try draw.pick("blockLayout", ["bhld", "bhld", "bmm", "lbmm", "rank5", "einsum"])
    let sources = ["projected"] + (layout == "bhld" || layout == "bmm" ? ["packedSplit", "packedSlice"] : [])
    draw.require(["kind": "self", "layout": layout, "source": try draw.pick("blockSource", sources)])
    let attention = try AttentionSpelling(draw)
    let g = attention.g
    let norm = try g.draw.pick("norm", ["layer", "rms"])
    let isPre = try g.draw.pick("place", ["pre", "post"]) == "pre"
    let feed = try g.draw.pick("feed", ["geluErf", "geluTanh", "silu", "swiglu", "geglu"])
    let rows = [attention.batch, attention.length]
    let width = attention.embed
    let inner = NormSpelling.Inner(g: g, type: g.real, rows: rows, width: width)
    // The spelling of the norms is drawn once a norm, as pruned and merged models have it.
    func normed(_ x: String) throws -> String {
      let y = g.mul(try norm == "layer" ? inner.layer(x) : inner.rms(x), try g.gamma([width]))
      return norm == "layer" ? g.add(y, try g.weight([width])) : y
    }
    func fed(_ x: String) throws -> String {
      let hidden = 2 * width
      let body = ActivationSpelling.Body(g: g, shape: rows + [Size(hidden)])
      let gate = g.matMul(x, try g.weight([width, hidden]))
      let active: String
      switch feed {
      case "geluErf", "geglu": active = try body.geluErf(gate)
      case "geluTanh": active = try body.geluTanh(gate)
      default: active = try body.silu(gate)
      }
      let isGated = feed == "swiglu" || feed == "geglu"
      let product = isGated ? g.mul(active, g.matMul(x, try g.weight([width, hidden]))) : active
      return g.matMul(product, try g.weight([hidden, width]))
    }
    let x = try g.realInput("x", rows + [Size(width)])
    attention.entry = (isPre ? try normed(x) : x, x)
    var expectations = try attention.build()
    var y = attention.rows
    if isPre {
      y = g.add(y, try fed(normed(y)))
    } else {
      let middle = try normed(y)
      y = try normed(g.add(fed(middle), middle))
    }
    g.output(y, rows + [Size(width)])
    g.tolerance = max(g.tolerance, g.real == .float16 ? 3e-2 : 5e-4)
    let name = norm == "layer" ? "LayerNormalization" : "RMSNormalization"
    // In half precision the difference of two means is mostly rounding: that has to be refused, in words.
    let refused = g.real == .float16 ? g.draw.values.count { $0.axis == "layerForm" && $0.value == "moments" } : 0
    let kind: Spelling.Expectation.Kind =
      refused == 2 ? .refused(name, ["difference of two means"]) : .operators(name, 2 - refused)
    expectations.append(.init(name, kind))
    let activation = feed == "swiglu" ? "SwiGLU" : feed == "silu" ? "Swish" : "Gelu"
    expectations.append(.init(activation, .operators(activation, 1)))
    return (g, expectations)
  }
}
