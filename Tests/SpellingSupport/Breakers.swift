/// Good spellings broken in one place: what must not be fused, and a word that the refusal has to say.
enum Breakers {
  private struct Flaw {
    let name: String
    let needs: [String: String]
    let expectation: Spelling.Expectation.Kind
  }

  /// Draws a flaw; the axes that it needs are forced, the rest is mostly plain.
  private static func draw(_ draw: Draw, _ flaws: [Flaw]) throws -> (Draw, Flaw) {
    var draw = draw
    let name = try draw.pick("flaw", flaws.map(\.name))
    guard let flaw = flaws.first(where: { $0.name == name }) else { throw Draw.DoesNotFit() }
    draw.require(flaw.needs)
    if draw.plain == 0 { draw.plain = 70 }
    return (draw, flaw)
  }

  // MARK: Attention

  private static let attentionFlaws: [Flaw] = {
    let heads = ["layout": "bhld", "kind": "self", "keyTranspose": "swap"]
    let plain = heads.merging(["heads": "mha", "cache": "none", "rope": "none"]) { _, new in new }
    func flaw(
      _ name: String, _ base: [String: String], _ needs: [String: String], _ kind: Spelling.Expectation.Kind
    ) -> Flaw { Flaw(name: name, needs: base.merging(needs) { _, new in new }, expectation: kind) }
    let causal = ["mask": "causal", "fill": "finfoMin", "dynamic": "static", "cache": "none"]
    let triangle = ["triangle", "causal", "diagonal", "masks"]
    return [
      flaw(
        "readScores", plain, ["scale": "afterMul", "mask": "none", "softcap": "none"],
        .refused("Attention", ["in front of a scale"])),
      flaw("negated", plain, [:], .refused("Attention", ["takes positive ones"])),
      flaw("rectified", plain, [:], .refused("Attention", ["Relu stands between QK and Softmax"])),
      flaw("rectifiedBehind", plain, [:], .refused("Attention", ["Relu stands between Softmax and the product"])),
      flaw("cappedTwice", plain, ["softcap": "none"], .refused("Attention", ["the scores pass two Tanh"])),
      flaw("cappedByInput", plain, ["softcap": "none"], .refused("Attention", ["the soft cap is a computed number"])),
      flaw(
        "scaledLate", plain, ["mask": "free11ls", "softcap": "none", "casts": "none"],
        .refused("Attention", ["a bias or mask is applied before a computed scale"])),
      flaw(
        "narrowed", plain, ["casts": "none", "mask": "none"],
        .refused("Attention", ["cast from float to float16 before the Softmax"])),
      flaw(
        "fillReached", plain,
        ["mask": "padding", "fill": "minus1e4", "paddingForm": "bool", "apply": "whereKeep", "rows": "anyKey"],
        .refused("Attention", ["which scores may reach"])),
      flaw("readBoth", plain, ["mask": "none"], .refused("Attention", ["read", "output"])),
      flaw(
        "readUncapped", plain, ["softcap": "divTanhMul", "mask": "none"],
        .refused("Attention", ["in front of the soft cap"])),
      flaw(
        "readMasked", plain,
        ["mask": "padding", "fill": "finfoMin", "paddingForm": "bool", "apply": "whereKeep", "casts": "none"],
        .refused("Attention", ["in the place of masked ones"])),
      // Right as a factor of Q or of the scale, and with the new rows in the place of the past and the past in theirs.
      flaw("scaleByHead", plain, ["scale": "afterMul", "mask": "none"], .anything),
      flaw("pastLast", heads, ["cache": "concat"], .anything),
      // Right without a past: the triangle starts at the top left then.
      flaw("causalUncached", heads, causal.merging(["cache": "concat"]) { _, new in new }, .anything),
      flaw(
        "scaleByKey", plain, ["scale": "afterMul", "mask": "none", "dynamic": "static"],
        .refused("Attention", ["scale", "scalar", "Mul"])),
      flaw("softmaxRows", plain, [:], .refused("Attention", ["axis"])),
      flaw("softmaxHeads", plain, ["mask": "none"], .refused("Attention", ["axis"])),
      flaw("maskMul", plain, ["mask": "free11ls"], .refused("Attention", ["Mul", "scale", "multipl"])),
      flaw("weightsMul", plain, ["mask": "none"], .refused("Attention", ["Mul", "between", "weights"])),
      flaw(
        "maskBatch", plain, ["mask": "freeB1ls", "source": "inputs", "result": "raw", "dynamic": "static"],
        .refused("Attention", ["mask", "bias", "shape", "broadcast"])),
      flaw("softcapUneven", plain, ["softcap": "divTanhMul"], .anything),
      flaw(
        "softcapLate", plain, ["softcap": "divTanhMul", "mask": "free11ls"], .refused("Attention", ["cap", "Tanh"])),
      flaw(
        "nanToOne", plain, ["guard": "isNaN", "mask": "padding", "fill": "negInf", "casts": "none"],
        .refused("Attention", ["NaN", "Where"])),
      flaw(
        "headOrder", heads, ["heads": "gqaGather", "cache": "none"], .allHeads(0, ["order", "repeat", "head"])),
      flaw(
        "valueHeadOrder", heads, ["heads": "gqaGather", "cache": "none"], .allHeads(0, ["order", "repeat", "head"])),
      flaw("pastValueLast", heads, ["cache": "concat"], .anything),
      flaw("causalShifted", heads, causal, .notCausal(triangle)),
      flaw("causalStrict", heads, causal, .notCausal(triangle)),
      flaw("causalHole", heads, causal, .notCausal(triangle)),
    ]
  }()

  /// Forms that build the triangle from `keeps`.
  private static let constantForms = ["constBool", "constAdded", "buffer"]

  static func attention(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    var (draw, flaw) = try Self.draw(draw, attentionFlaws)
    if flaw.name.hasPrefix("causal") {
      draw.require(["causalForm": constantForms[draw.number(0...(flaw.name == "causalUncached" ? 1 : 2))]])
    }
    let spelling = try AttentionSpelling(draw, flaw: flaw.name)
    _ = try spelling.build()
    var kind = flaw.expectation
    // Before opset 13 another axis also flattens: import says that in several nodes.
    if flaw.name.hasPrefix("softmax") && spelling.g.opset < 13 { kind = .refused("Attention", []) }
    if case .allHeads(_, let words) = kind { kind = .allHeads(spelling.headCount, words) }
    return (spelling.g, [.init(flaw.name, kind)])
  }

  // MARK: Others

  static func rope(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    let op = "RotaryEmbedding"
    let (draw, flaw) = try Self.draw(
      draw,
      [
        Flaw(
          name: "unequalHalves", needs: ["rope": "halfSlice", "ropeTable": "gathered"],
          expectation: .refused(op, ["half", "halves", "differ"])),
        Flaw(
          name: "otherPairing", needs: ["rope": "halfSplit", "ropeTable": "sliced"],
          expectation: .refused(op, ["half", "halves", "differ", "pair"])),
        Flaw(name: "notNegated", needs: ["rope": "halfSplit"], expectation: .refused(op, ["Neg", "negat", "sign"])),
        Flaw(
          name: "quarter", needs: ["rope": "halfSlice"],
          expectation: .refused(op, ["half", "halves", "Slice", "slice"])),
        Flaw(name: "order", needs: ["rope": "halfSplit"], expectation: .refused(op, ["itself"])),
        Flaw(name: "otherValue", needs: ["rope": "halfSplit"], expectation: .refused(op, ["those of"])),
        Flaw(
          name: "axis", needs: ["rope": "halfSplit", "dynamic": "static"], expectation: .refused(op, ["axis"])),
        Flaw(
          name: "fullInput", needs: ["rope": "halfSlice"],
          expectation: .refused(op, ["half", "halves", "constant", "known", "proved"])),
      ])
    let (g, _) = try RopeSpelling.make(draw, flaw: flaw.name)
    return (g, [.init(flaw.name, flaw.expectation)])
  }

  static func norm(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    let layer = "LayerNormalization"
    let rms = "RMSNormalization"
    func both(_ name: String, _ words: [String], _ needs: [String: String] = [:]) -> [Flaw] {
      [("layer", layer), ("rms", rms)].map { norm, op in
        Flaw(
          name: name + "-" + norm, needs: needs.merging(["norm": norm, "layerForm": "centered"]) { _, new in new },
          expectation: .refused(op, words))
      }
    }
    let (draw, flaw) = try Self.draw(
      draw,
      // At rank 3 the other axis is that of an InstanceNormalization with its channels last.
      both("axis", ["axis", "axes", "last", "dimension"], ["rank": "4"])
        + both("epsilonInput", ["epsilon", "constant"])
        + both("epsilonVector", ["epsilon", "constant", "scalar", "shape"])
        + both("readVariance", ["read", "output"]) + both("sum", ["ReduceMean", "ReduceSum"])
        + [
          Flaw(
            name: "otherMean", needs: ["norm": "layer", "layerForm": "twiceCentered"],
            expectation: .refused(layer, ["the same value was expected", "mean", "Mean", "differ"])),
          Flaw(
            name: "otherVariance", needs: ["norm": "layer", "layerForm": "centered"],
            expectation: .refused(layer, ["the same value was expected", "mean", "Mean", "differ", "variance"])),
        ])
    let name = String(flaw.name.split(separator: "-")[0])
    let (g, _) = try NormSpelling.make(draw, flaw: name)
    return (g, [.init(flaw.name, flaw.expectation)])
  }

  static func activation(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    let erf = ["activation": "geluErf", "erfScale": "divSqrt2", "half": "anyOrder"]
    let tanh = ["activation": "geluTanh", "tanhForm": "cube", "cube": "pow3"]
    let hard = ["activation": "hardSwish", "hardForm": "clip"]
    func gelu(_ name: String, _ needs: [String: String], _ words: [String]) -> Flaw {
      Flaw(name: name, needs: needs, expectation: .refused("Gelu", words))
    }
    let (draw, flaw) = try Self.draw(
      draw,
      [
        gelu("erfConstant", erf, ["1.5", "0.66", "constant", "sqrt"]),
        gelu("half", erf, ["0.6", "0.5", "constant"]),
        gelu("one", erf, ["1.5", "constant", "1"]),
        gelu("otherFactor", erf, ["same", "another", "other", "differ"]),
        gelu("readErf", erf, ["read", "output"]),
        gelu("tanhConstant", tanh, ["0.05", "0.044715", "constant"]),
        gelu("cube", tanh, ["3", "cube", "power", "Pow", "constant"]),
        Flaw(
          name: "hardOffset", needs: hard, expectation: .refused("HardSwish", ["3", "2", "constant"])),
        Flaw(
          name: "hardLimit", needs: hard, expectation: .refused("HardSwish", ["6", "5", "constant", "Clip"])),
      ])
    let (g, _) = try ActivationSpelling.make(draw, flaw: flaw.name)
    return (g, [.init(flaw.name, flaw.expectation)])
  }

  static func batchNorm(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    let (draw, flaw) = try Self.draw(
      draw,
      [
        Flaw(
          name: "readInner", needs: ["product": "conv", "order": "after", "form": "mulAdd"],
          expectation: .kept(["Mul"], ["read", "output"])),
        Flaw(
          name: "padding", needs: ["product": "conv", "order": "before", "form": "add", "padding": "one"],
          expectation: .kept(["Add"], ["pad"])),
        Flaw(
          name: "spatial", needs: ["product": "conv", "order": "before", "form": "mul"],
          expectation: .kept(["Mul"], ["channel", "spatial", "broadcast", "shape"])),
        Flaw(
          name: "weightInput", needs: ["product": "conv", "order": "after", "form": "mul"],
          expectation: .kept(["Mul"], ["constant"])),
      ])
    let (g, _) = try BatchNormSpelling.make(draw, flaw: flaw.name)
    return (g, [.init(flaw.name, flaw.expectation)])
  }
}
