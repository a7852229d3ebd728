import GraphIR
import Operators
import PassKit
import Tensors

/// The spellings of HardSwish become one HardSwish (opset 14), and those of its gate one HardSigmoid.
///
/// Before: `x * Clip(x + 3, 0, 6) / 6` in any grouping, or `x * HardSigmoid<alpha=1/6, beta=0.5>(x)`. After: `HardSwish(x)`.
public enum FuseHardSwish {
  public static let pass = RewritePass(
    "FuseHardSwish", level: 2, summary: "recognises the spellings of HardSwish", rules: rules)

  private static let gate = [
    PatternNode("Add", inputs: [.value("x"), .constant(nil, .equal(3))], outputs: ["a"]),
    PatternNode("Clip", inputs: [.value("a"), .constant(nil, .equal(0)), .constant(nil, .equal(6))], outputs: ["c"])
      .key(),
  ]
  private static let sixth = PatternInput.constant(nil, .equal(1.0 / 6))

  private static let rules: [any RewriteRule] = [
    rule(
      "HardSwishProductScaled",
      gate + [
        PatternNode("Mul", inputs: [.value("x"), .value("c")], outputs: ["p"]),
        PatternNode("Mul", inputs: [.value("p"), sixth], outputs: ["y"]),
      ]),
    rule(
      "HardSwishGateScaled",
      gate + [
        PatternNode("Mul", inputs: [.value("c"), sixth], outputs: ["p"]),
        PatternNode("Mul", inputs: [.value("x"), .value("p")], outputs: ["y"]),
      ]),
    rule(
      "HardSwishInputScaled",
      gate + [
        PatternNode("Mul", inputs: [.value("x"), sixth], outputs: ["p"]),
        PatternNode("Mul", inputs: [.value("p"), .value("c")], outputs: ["y"]),
      ]),
    rule(
      "HardSwishHardSigmoid",
      [
        PatternNode(
          "HardSigmoid", inputs: [.value("x")], outputs: ["h"],
          attributes: [
            PatternAttribute(
              "alpha", .matching { if case .float(let a) = $0 { (a - 1 / 6).magnitude < 1e-6 } else { false } }),
            PatternAttribute("beta", .matching { if case .float(let b) = $0 { b == 0.5 } else { $0 == nil } }),
          ]),
        PatternNode("Mul", inputs: [.value("x"), .value("h")], outputs: ["y"]),
      ]),
  ]

  private static func rule(_ name: String, _ nodes: [PatternNode]) -> any RewriteRule {
    PatternRule(name, match: Pattern(nodes, results: ["y"])) { match, context, change in
      guard context.mayEmit(opset: 14) else {
        throw Refusal("HardSwish needs opset 14, the output is limited to \(context.options.opsetCeiling)")
      }
      guard let x = match.value("x"), let y = match.value("y") else { return }
      change.replace(y, with: change.node("HardSwish", [.existing(x)]))
    }
  }
}
