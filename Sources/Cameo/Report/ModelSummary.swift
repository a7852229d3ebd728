public import GraphIR
import Operators
public import Tensors

/// What a model holds, as `cameo inspect` prints it.
public struct ModelSummary: Sendable {
  public struct Port: Sendable {
    public let name: String
    public let type: ValueType?
    /// True where the model carries a default value for it.
    public let hasDefault: Bool
  }

  public struct UnknownOperator: Sendable {
    public let name: OperatorName
    public let count: Int
    public let reason: String
  }

  public let inputs: [Port]
  public let outputs: [Port]
  public let nodeCount: Int
  public let operators: [String: Int]
  /// Elements of all weights: constants of floating-point type, and of integers narrower than 32 bits.
  public let parameters: Int
  /// Bytes of all constants.
  public let weightBytes: Int
  public let bytesByType: [String: Int]
  public let multiplyAdds: MultiplyAdds
  public let unknownOperators: [UnknownOperator]
  /// What shape inference found wrong.
  public let problems: [CameoError]
  /// Symbols of the inputs' dimensions.
  public let symbols: [String]

  /// Infers shapes with `bindings` in place of symbols. O(nodes).
  public init(_ model: Model, bindings: [String: Dim] = [:]) throws {
    let graph = model.graph
    var options = ShapeInference.Options()
    options.isLenient = true
    options.bindings = bindings
    let inference = ShapeInference(graph, functions: model.functions, options: options)
    try inference.run()
    problems = inference.problems
    inputs = graph.inputs.map {
      Port(name: graph[$0].name, type: graph[$0].type?.substituting(bindings), hasDefault: graph[$0].constant != nil)
    }
    outputs = graph.outputs.map {
      Port(name: graph[$0].name, type: inference[$0].type ?? graph[$0].type, hasDefault: false)
    }
    multiplyAdds = MultiplyAdds(graph) { inference[$0] }

    var operators: [String: Int] = [:]
    var unknown: [OperatorName: (count: Int, reason: String)] = [:]
    for id in graph.allNodes {
      let node = graph[id]
      operators[node.operatorName.description, default: 0] += 1
      if let reason = ModelSummary.whyUnknown(node, model) {
        unknown[node.operatorName, default: (0, reason)].count += 1
      }
    }
    nodeCount = operators.values.reduce(0, +)
    for function in model.functions {
      for id in function.body.allNodes {
        if let reason = ModelSummary.whyUnknown(function.body[id], model) {
          unknown[function.body[id].operatorName, default: (0, reason)].count += 1
        }
      }
    }
    self.operators = operators
    unknownOperators = unknown.map { UnknownOperator(name: $0.key, count: $0.value.count, reason: $0.value.reason) }
      .sorted { $0.name.description < $1.name.description }

    var parameters = 0
    var bytes: [String: Int] = [:]
    for body in [graph] + model.functions.map(\.body) {
      for id in body.allValues {
        guard let tensor = body[id].constant?.tensor else { continue }
        bytes[tensor.dataType.name, default: 0] += tensor.byteCount
        if tensor.dataType.isFloatingPoint || (tensor.dataType.isInteger && tensor.dataType.bitWidth < 32) {
          parameters += tensor.count
        }
      }
    }
    self.parameters = parameters
    bytesByType = bytes
    weightBytes = bytes.values.reduce(0, +)
    symbols = graph.inputs.flatMap { graph[$0].type?.substituting(bindings).shape ?? [] }
      .reduce(into: Set<String>()) { $0.formUnion($1.symbols) }.sorted()
  }

  private static func whyUnknown(_ node: Node, _ model: Model) -> String? {
    if OperatorRegistry[node.operatorName] != nil || model.function(node.operatorName, overload: node.overload) != nil {
      return nil
    }
    let isPublished = SchemaRegistry.newest(domain: node.domain, name: node.type) != nil
    return isPublished
      ? "no evaluation yet" : "not published in domain \(node.domain.isEmpty ? "ai.onnx" : node.domain)"
  }
}
