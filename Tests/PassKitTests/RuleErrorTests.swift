import PassKit
import Tensors
import Testing

@Suite struct RuleErrorTests {
  static let wrong: [(String, String)] = [
    ("rule R { match { y = Nothing(x) } rewrite { y = Neg(x) } }", "r.rules:1:22: there is no operator Nothing"),
    ("rule R {\n match { y = Neg(x) }\n rewrite { y = Neg(z) } }", "r.rules:3:20: z is not bound by the match"),
    ("rule R { match { y = Neg(x) } rewrite { z = Neg(x) } }", "r.rules:1:6: the rewrite does not define y"),
    (
      "rule R { match { y = Neg(x) } rewrite { y = Neg(y) } }",
      "r.rules:1:49: y is what the rule replaces; it cannot be read here"
    ),
    ("rule R { match { y = Neg(x) y = Abs(x) } rewrite { y = x } }", "r.rules:1:29: y is defined twice"),
    ("rule R { match { y = Softmax<axes = 1>(x) } rewrite { y = x } }", "r.rules:1:30: Softmax has no attribute axes"),
    ("rule R { match { y = Neg(x, x) } rewrite { y = x } }", "r.rules:1:22: Neg takes at most 1 inputs"),
    (
      "rule R { match { y = Neg(x) } where { size(x) > 1 } rewrite { y = x } }",
      "r.rules:1:39: there is no function size"
    ),
    (
      "rule R { match { y = Neg(x) } where { rank(x) } rewrite { y = Abs(x, x) } }",
      "r.rules:1:63: Abs takes 1 to 1 inputs, 2 are given"
    ),
    ("rule R { match { y = Neg(x) } rewrite { y = Mul(x, $c) } }", "r.rules:1:52: $c is not bound by the match"),
    (
      "rule R level 7 { match { y = Neg(x) } rewrite { y = x } }",
      "r.rules:1:14: expected a level from 0 to 3, found '7'"
    ),
    ("rule R { match { y = Neg(x) }", "r.rules:1:30: expected 'rewrite', found the end of the text"),
    (
      "rule R { match { y = Cast?(1) } rewrite { y = Neg(\"\") } }",
      "r.rules:1:22: an optional node's first operand stands in for it, so it must be a value"
    ),
    (
      "form F(x) { Neg(F(x)) } rule R { match { y = F(x) } rewrite { y = x } }",
      "r.rules:1:6: the form F calls itself"
    ),
    (
      "form Neg(x) { Abs(x) } rule R { match { y = Neg(x) } rewrite { y = x } }",
      "r.rules:1:6: Neg is an operator, so it cannot be a form's name"
    ),
    (
      "form F(x) { Neg(x) } rule R { match { y = F(x, x) } rewrite { y = x } }",
      "r.rules:1:43: the form F takes 1 operands"
    ),
    (
      "form F(x, m) { m = Neg(x) Abs(m) } rule R { match { y = F(x, 1) } rewrite { y = x } }",
      "r.rules:1:57: the form F defines its parameter m, so a name must stand there"
    ),
    (
      "rule R { match { y = Neg(x) } where { let y = rank(x) } rewrite { y = x } }",
      "r.rules:1:43: y is a name already"
    ),
    (
      "rule R { match { y = Neg(x) } where { given(x) } rewrite { y = x } }",
      "r.rules:1:39: given asks for an attribute: $name"
    ),
    (
      "rule R { match { y = Neg(x) } rewrite { y = @m(x) } }",
      "r.rules:1:45: the match does not compute m"
    ),
    ("nonsense", "r.rules:1:1: expected 'rule', found 'nonsense'"),
  ]

  @Test(arguments: wrong.indices)
  func errorsHaveTheirPlace(_ index: Int) throws {
    let (text, expected) = Self.wrong[index]
    let error = try #require(throws: CameoError.self) { try RuleFile.parse(text, file: "r.rules") }
    #expect(error.reason == expected)
  }

  @Test func brokenTextIsRefusedNotTrapped() {
    let good =
      "rule R level 2 \"s\" { match { d = (Div|Mul)!<a = $b>(x, 1.5, ...) => (d) } where { rank(x) in (1, 2) : \"w\" } rewrite { d = Neg(x) } }"
    for end in good.indices { _ = try? RuleFile.parse(String(good[..<end]), file: "r") }
    for place in good.indices {
      var text = good
      text.replaceSubrange(place...place, with: "(")
      _ = try? RuleFile.parse(text, file: "r")
    }
    let deep = "rule R { match { y = Neg(x) } where { " + String(repeating: "(", count: 5000) + " } rewrite { y = x } }"
    #expect(throws: CameoError.self) { try RuleFile.parse(deep, file: "r") }
  }
}
