public import GraphIR
import Operators
public import Tensors

/// One transformation of a graph. A pass reads the graph through its context and hands over changes; the pass manager applies
/// and checks them, records where new nodes came from, counts, and rolls all of them back where one fails.
public protocol Pass: Sendable {
  /// Unique, in the manner of `FuseGelu`.
  var name: String { get }
  /// One line for `cameo passes`.
  var summary: String { get }
  /// The lowest level that runs it: 1 clean-up and folding, 2 fusions, 3 forms tied to this machine.
  var level: Int { get }
  /// Before and after, in words or ONNX text, for `cameo passes NAME`.
  var documentation: String { get }

  func run(_ context: PassContext) throws
}

extension Pass {
  public var documentation: String { summary }
}

/// Why a rewrite was not made, in a sentence, with the node that stood in the way.
public struct Refusal: Error, Sendable {
  public let reason: String
  public let node: NodeID?
  /// Nodes of a pattern that had matched; a guard's refusal comes after all of them.
  var depth = Int.max
  /// How far a pattern came in nodes, a guard's refusal one further; Int.max for rules that are no patterns.
  var reach = Int.max
  /// The node that makes it a candidate, where that is not the one the rule was tried on.
  var key: NodeID?

  public init(_ reason: String, at node: NodeID? = nil) {
    self.reason = reason
    self.node = node
  }
}

/// What the caller of the optimizer wants; passes read it.
public struct OptimizationOptions: Sendable {
  public enum Target: String, Sendable, CaseIterable, Codable {
    /// Standard operators only.
    case onnx
    /// Also com.microsoft.
    case ort
    /// Also ai.cameo.
    case cameo
  }

  public var level = 2
  public var target = Target.onnx
  /// The opset that the result should stay within; nil: whatever a rewrite needs, at most 24.
  public var maximumOpset: Int?
  /// Use operators that known runtimes expand, too.
  public var prefersStandard = false
  /// The user's word that each attention row has an allowed key.
  public var assumesNoEmptyRows = false
  /// Bytes that constant folding may add to the file beyond what it removes.
  public var foldingGrowth = 0
  public var enabled: Set<String> = []
  public var disabled: Set<String> = []
  /// Values that declared symbols take (`--dim`), and input types that specialise the graph.
  public var bindings: [String: Dim] = [:]
  public var inputTypes: [String: ValueType] = [:]
  /// Changes after which a pass is stopped; one that does not come to an end is stopped at a hundred a node.
  public var maximumChanges = 1_000_000

  public init() {}

  /// The newest opset that rewrites may emit operators of.
  public var opsetCeiling: Int { maximumOpset ?? 24 }
}
