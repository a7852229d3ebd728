public import GraphIR
import Operators
public import Tensors

/// A shape of computation to look for, over the canonical dialect.
///
/// Nodes are listed in any order and name their values. A name that no node defines is a variable: it binds to any value,
/// and to the same one wherever it stands again. Constants match by number or predicate, whatever their shape.
public struct Pattern: Sendable {
  public var nodes: [PatternNode]
  /// The values that the rewrite replaces; the first one's node anchors the search.
  public var results: [String]

  public init(_ nodes: [PatternNode], results: [String]) {
    self.nodes = nodes
    self.results = results
  }
}

public struct PatternNode: Sendable {
  /// Any of these operators.
  public var operators: [OperatorName]
  public var inputs: [PatternInput]
  /// Names by output position; nil where the output is of no interest.
  public var outputs: [String?]
  public var attributes: [PatternAttribute]
  /// May be absent: then its first input stands in for its output.
  public var isOptional = false
  /// A failure after this node, and every other such node of the pattern, has matched is a near miss worth telling.
  public var isKey = false
  /// Its other readers do not hinder the rewrite.
  public var mayBeShared = false
  /// Further inputs than those listed are allowed.
  public var allowsMoreInputs = false
  /// The label by which guards and rewrites ask for the matched node; the first output's name.
  public var label: String { outputs.lazy.compactMap { $0 }.first ?? operators[0].name }

  public init(
    _ operators: String..., domain: String = "", inputs: [PatternInput], outputs: [String?],
    attributes: [PatternAttribute] = []
  ) {
    self.operators = operators.map { OperatorName($0, domain: domain) }
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
  }

  public init(
    operators: [OperatorName], inputs: [PatternInput], outputs: [String?], attributes: [PatternAttribute] = []
  ) {
    self.operators = operators
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
  }

  public func optional() -> PatternNode { with { $0.isOptional = true } }
  public func key() -> PatternNode { with { $0.isKey = true } }
  public func shared() -> PatternNode { with { $0.mayBeShared = true } }

  private func with(_ edit: (inout PatternNode) -> Void) -> PatternNode {
    var copy = self
    edit(&copy)
    return copy
  }
}

public enum PatternInput: Sendable {
  /// A node's output or a variable.
  case value(String)
  /// The same behind any chain of nodes that only move data (Reshape, Transpose, Squeeze, Identity, ...), none included.
  /// `Match.movements` tells which stood there; `GraphChange.repeating` puts them on the rewrite's result.
  case moved(String)
  /// A constant that passes the test; bound to the name where there is one.
  case constant(String?, ConstantTest)
  /// Left out.
  case absent
  /// Anything, left out included.
  case any
}

/// Which constants match.
public enum ConstantTest: Sendable {
  case any
  /// Every element equals the number, up to a relative 1e-5 (exporters round; see `ConstantTest.tolerance`), in half precision up to
  /// one unit in the last place.
  case equal(Double)
  /// One number repeated.
  case uniform
  case matching(@Sendable (Tensor) -> Bool)

  /// sqrt(2) written with seven digits still is sqrt(2).
  public static let tolerance = 1e-5

  /// True where the constant stands for one number.
  var isUniform: Bool {
    switch self {
    case .equal, .uniform: true
    case .any, .matching: false
    }
  }

  /// `type`: that of the node which reads the constant.
  func accepts(_ operand: Operand, _ context: PassContext, type: DataType? = nil) -> Bool {
    switch self {
    case .any: return operand.isConstant(context)
    case .uniform: return operand.uniform(context) != nil
    case .equal(let number):
      guard let found = operand.uniform(context) else { return false }
      if found == number { return true }
      let tolerance =
        switch type {
        case .float16: 0x1p-10
        case .bfloat16: 0x1p-7
        default: ConstantTest.tolerance
        }
      return (found - number).magnitude <= tolerance * number.magnitude
    case .matching(let test):
      guard let tensor = operand.tensor(context) else { return false }
      return test(tensor)
    }
  }
}

public struct PatternAttribute: Sendable {
  public enum Test: Sendable {
    case equal(Attribute)
    case matching(@Sendable (Attribute?) -> Bool)
  }

  public var name: String
  public var test: Test

  public init(_ name: String, _ test: Test) {
    self.name = name
    self.test = test
  }
  public init(_ name: String, equals value: Attribute) { self.init(name, .equal(value)) }
}

/// What a pattern's value or constant is bound to: a value of the graph, or a number that the canonical spelling computed
/// from one (the reciprocal of a divisor).
public enum Operand: Sendable {
  case value(ValueID)
  case computed(Tensor)

  public var valueID: ValueID? {
    if case .value(let id) = self { return id }
    return nil
  }

  public func tensor(_ context: PassContext) -> Tensor? {
    switch self {
    case .value(let id): context.constant(id)
    case .computed(let tensor): tensor
    }
  }

  func isConstant(_ context: PassContext) -> Bool { tensor(context) != nil }

  public func uniform(_ context: PassContext) -> Double? {
    switch self {
    case .value(let id): return context.uniform(id)
    case .computed(let tensor):
      guard tensor.count >= 1, let view = try? ElementView<Double>(tensor) else { return nil }
      for index in 1..<max(view.count, 1) where view[index] != view[0] { return nil }
      return view[0]
    }
  }

  func isSame(as other: Operand, _ context: PassContext) -> Bool {
    switch (self, other) {
    case (.value(let a), .value(let b)):
      if a == b { return true }
      guard let x = context.graph.constant(a), let y = context.graph.constant(b) else { return false }
      return x.isIdentical(to: y)
    case (.computed(let a), .computed(let b)): return a.isIdentical(to: b)
    default: return false
    }
  }
}
