import GraphIR
import Tensors

// The syntax tree of a rule file: what was written. `RuleParser` makes it, `RuleCompiler` gives it meaning. Offsets are bytes in
// the text.

/// `rule Name level 2 "summary" { match {...} where {...} rewrite {...} }`.
struct RuleSyntax: Sendable {
  var name: String
  var level: Int
  var summary: String
  var match: [MatchStatement]
  /// Names after `=>`; empty: the outputs of the last statement.
  var results: [NameSyntax]
  var guards: [GuardSyntax]
  var rewrite: [RewriteStatement]
  var offset: Int
  /// The text from `rule` to the last bracket, for documentation.
  var source: String
}

/// `form Half(x, g) { Mul(Mul(x, g), 0.5) | Mul(x, Mul(g, 0.5)) }`: a name for several ways to write one thing.
struct FormSyntax: Sendable {
  var name: String
  var parameters: [String]
  var alternatives: [FormAlternative]
  var offset: Int
  var source: String
}

/// Statements, then the call whose output is the form's.
struct FormAlternative: Sendable {
  var statements: [MatchStatement]
  var call: MatchCall
}

struct RuleFileSyntax: Sendable {
  var forms: [FormSyntax] = []
  var rules: [RuleSyntax] = []
}

/// `y = Mul!(x, 0.5)`.
struct MatchStatement: Sendable {
  var outputs: [NameSyntax]
  var call: MatchCall
}

/// `(Div|Mul)!<axis = $a>(x, $c, ...)`.
struct MatchCall: Sendable {
  var operators: [OperatorName]
  var attributes: [(name: String, value: MatchAttribute, offset: Int)]
  var inputs: [MatchOperand]
  var isKey = false
  var isOptional = false
  var mayBeShared = false
  var allowsMoreInputs = false
  var offset: Int
}

enum MatchAttribute: Sendable {
  case capture(String)
  case value(AttributeSyntax)
}

indirect enum MatchOperand: Sendable {
  case name(String, offset: Int)
  /// `$c`: a constant, bound to the name.
  case capture(String, offset: Int)
  case number(NumberSyntax)
  case tensor(TensorSyntax)
  case absent
  /// `_`: anything, left out included.
  case any
  case call(MatchCall)
  /// `~a`: behind nodes that only move data, which the rewrite puts back behind its result.
  case moved(MatchOperand, offset: Int)
}

/// `rank(x) >= 2 : "sentence"` or `let axes = axes(m) : "sentence"`.
struct GuardSyntax: Sendable {
  /// The name that the value gets; nil: a condition.
  var binding: NameSyntax?
  var condition: RuleExpression
  var sentence: String?
  /// As it was written.
  var text: String
}

/// `y, z = Split<axis = 1>(x)` or `y = x`.
struct RewriteStatement: Sendable {
  var outputs: [NameSyntax]
  var value: RewriteOperand
}

struct RewriteCall: Sendable {
  var operatorName: OperatorName
  /// `@m(...)`: the operator, attributes and further inputs of the matched node `m`.
  var copied: String?
  var attributes: [(name: String, value: RuleExpression, offset: Int)]
  var inputs: [RewriteOperand?]
  var offset: Int
}

indirect enum RewriteOperand: Sendable {
  case call(RewriteCall)
  /// A name or something to compute.
  case expression(RuleExpression)
}

/// A guard's condition, an attribute's value, a computed constant.
struct RuleExpression: Sendable {
  indirect enum Node: Sendable {
    case number(NumberSyntax)
    case string(String)
    case tensor(TensorSyntax)
    case list([RuleExpression])
    case name(String)
    case capture(String)
    case function(String, [RuleExpression])
    case unary(String, RuleExpression)
    case binary(String, RuleExpression, RuleExpression)
  }

  var node: Node
  var offset: Int
}
