public import GraphIR
public import Tensors

/// What holds of an operator whatever its node.
public struct OperatorTraits: OptionSet, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Two runs on equal inputs may differ: never folded, never merged.
  public static let random = OperatorTraits(rawValue: 1)
  /// Its first two inputs may be exchanged.
  public static let commutative = OperatorTraits(rawValue: 2)
  /// Output element i depends only on the (broadcast) elements i of the inputs.
  public static let elementwise = OperatorTraits(rawValue: 4)
  /// Moves elements without computing: the output holds input 0's elements, or some of them, in another order.
  public static let dataMovement = OperatorTraits(rawValue: 8)
  /// Has bodies as attributes.
  public static let controlFlow = OperatorTraits(rawValue: 16)
  /// Exists in old opsets only: import rewrites it, no node of the dialect has it.
  public static let retired = OperatorTraits(rawValue: 32)
}

/// An operator is one value that answers every question about itself.
///
/// One file under `Ops/<family>/` defines it and registers it:
///
///     @used @section("cameo_operators")
///     private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Flatten(), to: $0) })
///
/// `infer` and `evaluate` see the newest version only; `upgrade` and `lower` bridge the older ones.
public protocol Operator: Sendable {
  var name: OperatorName { get }
  var traits: OperatorTraits { get }

  /// The operator's records where no published table has them (com.microsoft, ai.cameo, plugins), in the format of
  /// `SchemaText`: a D line with the domain and its opset, an O line a version, its parameters.
  ///
  ///     D com.microsoft 1
  ///     O FastGelu 1 1 2 1 1
  ///     i X T
  ///     i? bias T
  ///     o Y T
  ///     c T tensor(*):float,float16,bfloat16
  var signature: StaticString? { get }

  /// States each output's type and symbolic shape, and integer contents where they are shape arithmetic.
  /// Throws where the inputs break the operator's rules. Unknown ranks and types are not errors.
  func infer(_ context: inout InferenceContext) throws

  /// Computes the outputs on the portable path. Control flow asks the context to run its bodies.
  func evaluate(_ context: EvaluationContext) throws -> [Value?]

  /// Rewrites `node`, written for since-version `version` (always older than the newest), to the newest version.
  /// Changes of type constraints alone need nothing. A retired operator replaces the node by others.
  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws

  /// Rewrites `node` to since-version `version`. Throws `.unsupported` where that version cannot say it.
  /// Attributes that the older schema lacks are dropped by the caller where they equal their default, refused otherwise.
  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws

  /// Says `node` by other operators for `opset` of its domain, which is older than the operator: a predecessor under another
  /// name, say. False where nothing says it; the node is then as it was. New nodes are in their newest versions.
  func replace(_ graph: inout Graph, _ node: NodeID, before opset: Int) throws -> Bool
}

extension Operator {
  public var traits: OperatorTraits { [] }
  public var signature: StaticString? { nil }

  /// Through the function body.
  public func infer(_ context: inout InferenceContext) throws {
    let types = context.inputs.map { $0?.type }
    // The element type may come later: a body is written for types that are known.
    guard let body = try? FunctionBody.graph(of: context.node, inputTypes: types) else { return }
    let facts = try ShapeInference(body).run(inputs: context.inputs)
    for (fact, index) in zip(facts, context.node.outputs.indices.filter { context.node.output($0) != nil }) {
      context.set(index, fact)
    }
  }

  /// Through the function body.
  public func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let types = context.inputs.map { $0?.staticType }
    guard let body = try FunctionBody.graph(of: context.node, inputTypes: types) else {
      throw CameoError.unsupported("operator \(name) has neither an evaluation nor a function body")
    }
    var options = GraphEvaluator.Options()
    options.accumulatesInDouble = context.accumulatesInDouble
    options.seed = context.seed
    var results = try GraphEvaluator(body, options: options, depth: 1).run(context.inputs)[...]
    return context.node.outputs.map { $0 == nil ? nil : results.popFirst() }
  }
  public func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {}
  public func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {}
  public func replace(_ graph: inout Graph, _ node: NodeID, before opset: Int) throws -> Bool { false }
  /// The newest version's published signature.
  public var schema: OperatorSchema? { SchemaRegistry.newest(domain: name.domain, name: name.name) }
}
