import GraphIR
import PassKit
import Tensors
import TestSupport
import Testing

/// One rule on one graph: how often it applies and what it says where it does not.
func outcome(_ rules: String, _ graph: String) throws -> (applied: Int, reasons: [String], text: String) {
  let passes = try RuleFile.parse(rules, file: "test.rules")
  let manager = PassManager(stages: [PassManager.Stage(passes)], options: OptimizationOptions())
  let (model, report) = try manager.run(try ONNXText.parseModel(graph))
  #expect(report.failures.isEmpty, "\(report.failures)")
  return (
    report.passes.reduce(0) { $0 + $1.applied }, report.nearMisses.map(\.reason),
    ONNXText.canonicalText(model.graph, types: false)
  )
}

@Suite struct MatcherTests {
  static let head = "g (float[2,3] x, float[2,3] z) => (float[2,3] y) <float two = {2}, float[2,3] k = {1,2,3,4,5,6}>"

  @Test(arguments: ["Add (x, z)", "Add (z, x)"])
  func commutative(_ sum: String) throws {
    let rule = "rule R { match { a = Neg!(x) y = Add(a, z) } rewrite { y = Sub(z, x) } }"
    #expect(try outcome(rule, "\(Self.head) { n = Neg (x) y = \(sum.replacing("x", with: "n")) }").applied == 1)
  }

  @Test func nonCommutativeKeepsItsOrder() throws {
    let rule = "rule R { match { a = Neg!(x) y = Sub(z, a) } rewrite { y = Add(z, x) } }"
    #expect(try outcome(rule, "\(Self.head) { n = Neg (x) y = Sub (z, n) }").applied == 1)
    #expect(try outcome(rule, "\(Self.head) { n = Neg (x) y = Sub (n, z) }").applied == 0)
  }

  @Test func optionalNodes() throws {
    let rule =
      "rule R { match { a = Neg!(x) c = Cast?(a) y = Neg(c) } where { type(x) == type(y) } rewrite { y = Identity(x) } }"
    #expect(try outcome(rule, "\(Self.head) { n = Neg (x) y = Neg (n) }").applied == 1)
    #expect(try outcome(rule, "\(Self.head) { n = Neg (x) c = Cast <to = 1> (n) y = Neg (c) }").applied == 1)
  }

  @Test func alternativesAndAttributes() throws {
    let rule = "rule R { match { s = (Softmax|LogSoftmax)!<axis = 1>(x) y = Neg(s) } rewrite { y = Relu(x) } }"
    #expect(try outcome(rule, "\(Self.head) { n = LogSoftmax <axis = 1> (x) y = Neg (n) }").applied == 1)
    #expect(try outcome(rule, "\(Self.head) { n = Softmax <axis = 1> (x) y = Neg (n) }").applied == 1)
    let other = try outcome(rule, "\(Self.head) { n = Softmax <axis = 0> (x) y = Neg (n) }")
    #expect(other.applied == 0)
  }

  @Test func repeatedVariables() throws {
    let rule = "rule R { match { n = Neg!(x) y = Mul(x, n) } rewrite { y = Neg(Mul(x, x)) } }"
    #expect(try outcome(rule, "\(Self.head) { n = Neg (x) y = Mul (n, x) }").applied == 1)
    let different = try outcome(rule, "\(Self.head) { n = Neg (x) y = Mul (n, z) }")
    #expect(different.applied == 0)
    #expect(different.reasons == ["z and x stand where the same value was expected (x)"])
  }

  @Test func constants() throws {
    let rule = "rule R { match { n = Neg!(x) y = Mul(n, 2) } rewrite { y = Mul(x, -2) } }"
    let match = try outcome(rule, "\(Self.head) { n = Neg (x) y = Mul (two, n) }")
    #expect(match.applied == 1 && match.text.contains("{-2}"), "\(match.text)")
    #expect(try outcome(rule, "\(Self.head) { n = Neg (x) y = Mul (n, k) }").reasons.isEmpty == false)
    let computed = "rule R { match { n = Neg!(x) y = Mul(n, $c) } where { value(c) > 0 } rewrite { y = Mul(x, -$c) } }"
    #expect(try outcome(computed, "\(Self.head) { n = Neg (x) y = Mul (n, two) }").text.contains("{-2}"))
  }

  @Test func severalResults() throws {
    let rule = "rule R { match { a = Neg!(x) b = Abs(x) => (a, b) } rewrite { a = Relu(x) b = Exp(x) } }"
    let graph = "g (float[2] x) => (float[2] p, float[2] q) { p = Neg (x) q = Abs (x) }"
    let result = try outcome(rule, graph)
    #expect(result.applied == 1 && result.text.contains("Relu") && result.text.contains("Exp"))
  }

  @Test func staysInOneBody() throws {
    let rule = "rule R { match { n = Neg!(x) y = Abs(n) } rewrite { y = Relu(x) } }"
    let graph = """
      g (float[2] x, bool c) => (float[2] y) { n = Neg (x) y = If (c) <then_branch = t () => (u) { u = Abs (n) }, else_branch = e () => (w) { w = Exp (x) }> }
      """
    #expect(try outcome(rule, graph).applied == 0)
  }

  @Test func guardsSayWhy() throws {
    let rule = """
      rule R { match { n = Neg!(x) y = Abs(n) } where { rank(x) >= 3; opset >= 1 : "never" } rewrite { y = Abs(x) } }
      """
    #expect(
      try outcome(rule, "\(Self.head) { n = Neg (x) y = Abs (n) }").reasons == ["rank(x) >= 3 does not hold, it is 2"])
    let own = rule.replacing("rank(x) >= 3;", with: "rank(x) >= 3 : \"too flat\";")
    #expect(try outcome(own, "\(Self.head) { n = Neg (x) y = Abs (n) }").reasons == ["too flat"])
    let opset = "rule R { match { n = Neg!(x) y = Abs(n) } where { last_dim(x) == 4 } rewrite { y = Abs(x) } }"
    #expect(
      try outcome(opset, "g (float[2,N] x) => (float[2,N] y) { n = Neg (x) y = Abs (n) }").reasons.first?.hasPrefix(
        "last_dim(x) == 4 is not known") == true)
  }
}

/// `PatternInput.moved`: data movement between two matched nodes, put back behind the rewrite.
@Suite struct MovementTests {
  private func run(_ body: String) throws -> (applied: Int, text: String) {
    let pattern = Pattern(
      [
        PatternNode("Neg", inputs: [.value("x")], outputs: ["a"]).key(),
        PatternNode("Relu", inputs: [.moved("a")], outputs: ["y"]),
      ], results: ["y"])
    let rule = PatternRule("NegRelu", match: pattern) { match, context, change in
      guard let x = match.value("x"), let y = match.value("y") else { return }
      let low = change.constant(try .scalar(Float(0), .float))
      let minimum = change.node("Min", [.existing(x), low], covers: [])
      let positive = change.node("Abs", [minimum])
      change.replace(y, with: change.repeating(match.movements["a"] ?? [], on: positive, in: context.graph))
    }
    let pass = RewritePass("Movement", level: 1, summary: "test", rules: [rule])
    let manager = PassManager(stages: [PassManager.Stage([pass])], options: OptimizationOptions())
    let source = "g (float[2,3] x) => (float[3,2] y) <int64[2] s = {3, 2}> \(body)"
    let (model, report) = try manager.run(try ONNXText.parseModel(source))
    #expect(report.failures.isEmpty, "\(report.failures)")
    return (report.passes.reduce(0) { $0 + $1.applied }, ONNXText.print(model.graph))
  }

  @Test func oneMoveInBetween() throws {
    let result = try run("{ n = Neg (x) t = Transpose <perm = [1, 0]> (n) y = Relu (t) }")
    #expect(result.applied == 1)
    #expect(result.text.contains("Transpose") && result.text.contains("Abs") && !result.text.contains("Relu"))
  }

  @Test func severalMovesInBetween() throws {
    let result = try run("{ n = Neg (x) i = Identity (n) r = Reshape (i, s) y = Relu (r) }")
    #expect(result.applied == 1)
    #expect(result.text.contains("Reshape"))
  }

  @Test func noMove() throws {
    #expect(try run("{ r = Reshape (x, s) n = Neg (r) y = Relu (n) }").applied == 1)
  }

  @Test func computationInBetweenIsNoMove() throws {
    #expect(try run("{ n = Neg (x) e = Exp (n) t = Transpose <perm = [1, 0]> (e) y = Relu (t) }").applied == 0)
  }
}

@Suite struct MovementInRulesTests {
  static let rule = "rule R { match { a = Neg!(x) y = Relu(~a) } rewrite { m = Min(x, 0.0) y = Abs(m) } }"

  @Test(arguments: ["t = Transpose <perm = [1, 0]> (n)", "i = Identity (n) t = Reshape (i, s)"])
  func movementIsPutBack(_ middle: String) throws {
    let result = try outcome(
      Self.rule, "g (float[2,3] x) => (float[3,2] y) <int64[2] s = {3, 2}> { n = Neg (x) \(middle) y = Relu (t) }")
    #expect(result.applied == 1)
    #expect(result.text.contains("Abs") && !result.text.contains("Relu"))
    #expect(result.text.contains("Transpose") || result.text.contains("Reshape"))
  }

  @Test func onePlaceOnly() {
    #expect(throws: CameoError.self) {
      try RuleFile.parse(
        "rule R { match { a = Neg(x) b = Exp(x) y = Add(~a, ~b) } rewrite { y = Abs(x) } }", file: "t.rules")
    }
  }
}
