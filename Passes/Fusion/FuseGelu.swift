import GraphIR
import Operators
import PassKit
import Tensors

/// The spellings of Gelu become one Gelu (opset 20).
///
/// Before: `0.5 * x * (1 + Erf(x / sqrt(2)))` in any grouping and order. After: `Gelu(x)`.
/// Before: `0.5 * x * (1 + Tanh(sqrt(2/pi) * (x + 0.044715 * x^3)))`, or the same number as
/// `x * Sigmoid(2 * sqrt(2/pi) * (x + 0.044715 * x^3))`. After: `Gelu<approximate="tanh">(x)`.
public enum FuseGelu {
  public static let pass = RewritePass(
    "FuseGelu", level: 2, summary: "recognises the erf, tanh and sigmoid spellings of Gelu",
    rules: erfRules + tanhRules + sigmoidRules)

  static let rsqrt2 = 0.7071067811865476
  static let cubic = 0.044715
  static let tanhScale = 0.7978845608028654

  /// erf(x / sqrt 2), then + 1 in `g`.
  private static let gate = [
    PatternNode("Mul", inputs: [.value("x"), .constant(nil, .equal(rsqrt2))], outputs: ["d"]),
    PatternNode("Erf", inputs: [.value("d")], outputs: ["e"]).key(),
    PatternNode("Add", inputs: [.value("e"), .constant(nil, .equal(1))], outputs: ["g"]),
  ]

  static let erfRules: [any RewriteRule] = products("Erf", gate: gate, approximate: "none")

  /// The cube, written as Pow(x, 3) or as x * x * x.
  private static let cubes: [[PatternNode]] = [
    [PatternNode("Pow", inputs: [.value("x"), .constant(nil, .equal(3))], outputs: ["c"])],
    [
      PatternNode("Mul", inputs: [.value("x"), .value("x")], outputs: ["s"]),
      PatternNode("Mul", inputs: [.value("s"), .value("x")], outputs: ["c"]),
    ],
  ]

  static let tanhRules: [any RewriteRule] = {
    var rules: [any RewriteRule] = []
    let tail = [
      PatternNode("Tanh", inputs: [.value("t")], outputs: ["h"]).key(),
      PatternNode("Add", inputs: [.value("h"), .constant(nil, .equal(1))], outputs: ["g"]),
    ]
    for (index, cube) in cubes.enumerated() {
      let gate =
        cube + [
          PatternNode("Mul", inputs: [.value("c"), .constant(nil, .equal(cubic))], outputs: ["m"]),
          PatternNode("Add", inputs: [.value("x"), .value("m")], outputs: ["i"]),
          PatternNode("Mul", inputs: [.value("i"), .constant(nil, .equal(tanhScale))], outputs: ["t"]),
        ] + tail
      rules += products("TanhCube\(index)", gate: gate, approximate: "tanh")
    }
    // x * (sqrt(2/pi) * (1 + 0.044715 x^2)) and x * (sqrt(2/pi) + sqrt(2/pi) * 0.044715 x^2).
    let factored = [
      PatternNode("Mul", inputs: [.value("x"), .value("x")], outputs: ["s"]),
      PatternNode("Mul", inputs: [.value("s"), .constant(nil, .equal(cubic))], outputs: ["m"]),
      PatternNode("Add", inputs: [.value("m"), .constant(nil, .equal(1))], outputs: ["i"]),
      PatternNode("Mul", inputs: [.value("x"), .constant(nil, .equal(tanhScale))], outputs: ["k"]),
      PatternNode("Mul", inputs: [.value("k"), .value("i")], outputs: ["t"]),
    ]
    rules += products("TanhFactored", gate: factored + tail, approximate: "tanh")
    return rules
  }()

  /// (1 + tanh(t)) / 2 is sigmoid(2 t).
  static let sigmoidRules: [any RewriteRule] = cubes.enumerated().map { index, cube in
    let nodes =
      cube + [
        PatternNode("Mul", inputs: [.value("c"), .constant(nil, .equal(cubic))], outputs: ["m"]),
        PatternNode("Add", inputs: [.value("x"), .value("m")], outputs: ["i"]),
        PatternNode("Mul", inputs: [.value("i"), .constant(nil, .equal(2 * tanhScale))], outputs: ["t"]),
        PatternNode("Sigmoid", inputs: [.value("t")], outputs: ["g"]),
        PatternNode("Mul", inputs: [.value("x"), .value("g")], outputs: ["y"]),
      ]
    return PatternRule("GeluSigmoidCube\(index)", match: Pattern(nodes, results: ["y"])) { match, context, change in
      try replace(match, context, &change, approximate: "tanh")
    }
  }

  private static func replace(
    _ match: Match, _ context: PassContext, _ change: inout GraphChange, approximate: String
  ) throws {
    guard context.mayEmit(opset: 20) else {
      throw Refusal("Gelu needs opset 20, the output is limited to \(context.options.opsetCeiling)")
    }
    guard let x = match.value("x"), let y = match.value("y") else { return }
    let attributes = approximate == "none" ? [] : [NamedAttribute("approximate", .string(approximate))]
    change.replace(y, with: change.node("Gelu", [.existing(x)], attributes))
  }

  /// x * g * 0.5 in its three groupings.
  private static func products(_ name: String, gate: [PatternNode], approximate: String) -> [any RewriteRule] {
    let half = PatternInput.constant(nil, .equal(0.5))
    let groupings: [(String, [PatternNode])] = [
      (
        "xg",
        [
          PatternNode("Mul", inputs: [.value("x"), .value("g")], outputs: ["p"]),
          PatternNode("Mul", inputs: [.value("p"), half], outputs: ["y"]),
        ]
      ),
      (
        "xh",
        [
          PatternNode("Mul", inputs: [.value("x"), half], outputs: ["p"]),
          PatternNode("Mul", inputs: [.value("p"), .value("g")], outputs: ["y"]),
        ]
      ),
      (
        "gh",
        [
          PatternNode("Mul", inputs: [.value("g"), half], outputs: ["p"]),
          PatternNode("Mul", inputs: [.value("x"), .value("p")], outputs: ["y"]),
        ]
      ),
    ]
    return groupings.map { suffix, product in
      PatternRule("Gelu\(name)\(suffix)", match: Pattern(product + gate, results: ["y"])) { match, context, change in
        try replace(match, context, &change, approximate: approximate)
      }
    }
  }
}
