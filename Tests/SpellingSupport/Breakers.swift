import PassKit

/// Good spellings broken in one place: what must not be fused, and what the refusal has to say.
enum Breakers {
  struct Flaw {
    let name: String
    let needs: [String: String]
    var opsets: ClosedRange<Int>?
    /// The output's highest opset.
    var ceiling: Int?
    var target: OptimizationOptions.Target?
    let expectation: Spelling.Expectation.Kind
  }

  /// Draws a flaw; the axes that it needs are forced, the rest is mostly plain.
  static func draw(_ draw: Draw, _ flaws: [Flaw]) throws -> (Draw, Flaw) {
    var draw = draw
    let name = try draw.pick("flaw", flaws.map(\.name))
    guard let flaw = flaws.first(where: { $0.name == name }) else { throw Draw.DoesNotFit() }
    draw.require(flaw.needs)
    if let opsets = flaw.opsets { draw.require(["opset": String(draw.number(opsets))]) }
    if draw.plain == 0 { draw.plain = 70 }
    return (draw, flaw)
  }

  // MARK: Others

  static let normFlaws: [Flaw] = {
    let layer = "LayerNormalization"
    let rms = "RMSNormalization"
    func both(_ name: String, _ words: [String], _ needs: [String: String] = [:]) -> [Flaw] {
      [("layer", layer), ("rms", rms)].map { norm, op in
        Flaw(
          name: name + "-" + norm, needs: needs.merging(["norm": norm, "layerForm": "centered"]) { _, new in new },
          expectation: .refused(op, words))
      }
    }
    // At rank 3 the other axis is that of an InstanceNormalization with its channels last.
    return
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
      ]
  }()

  static func norm(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    let (draw, flaw) = try Self.draw(draw, normFlaws)
    let name = String(flaw.name.split(separator: "-")[0])
    let (g, _) = try NormSpelling.make(draw, flaw: name)
    return (g, [.init(flaw.name, flaw.expectation)])
  }

  static let activationFlaws: [Flaw] = {
    let erf = ["activation": "geluErf", "erfScale": "divSqrt2", "half": "anyOrder"]
    let tanh = ["activation": "geluTanh", "tanhForm": "cube", "cube": "pow3"]
    let hard = ["activation": "hardSwish", "hardForm": "clip"]
    func gelu(_ name: String, _ needs: [String: String], _ words: [String]) -> Flaw {
      Flaw(name: name, needs: needs, expectation: .refused("Gelu", words))
    }
    return
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
      ]
  }()

  static func activation(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    let (draw, flaw) = try Self.draw(draw, activationFlaws)
    let (g, _) = try ActivationSpelling.make(draw, flaw: flaw.name)
    return (g, [.init(flaw.name, flaw.expectation)])
  }

  static let batchNormFlaws = [
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
  ]

  static func batchNorm(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    let (draw, flaw) = try Self.draw(draw, batchNormFlaws)
    let (g, _) = try BatchNormSpelling.make(draw, flaw: flaw.name)
    return (g, [.init(flaw.name, flaw.expectation)])
  }
}
