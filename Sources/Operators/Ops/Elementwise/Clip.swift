import GraphIR
import Tensors

/// Clip: min(max, max(x, min)); a bound that is left out does not bind.
struct Clip: Operator {
  let name = OperatorName("Clip")
  let traits: OperatorTraits = .elementwise

  func infer(_ context: inout InferenceContext) throws {
    let type = try context.commonType([0, 1, 2].filter { context.hasInput($0) })
    context.set(0, type, context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let bounds = (try context.optionalTensor(1), try context.optionalTensor(2))
    for (index, bound) in [(1, bounds.0), (2, bounds.1)] {
      if let bound, bound.dataType != x.dataType {
        throw CameoError.badInput(
          "inputs 0 and \(index) must agree in type, \(x.dataType) and \(bound.dataType) are there")
      }
    }
    switch x.dataType {
    case .double: return [.tensor(try clip(x, bounds, Double.self))]
    case .uint64: return [.tensor(try clip(x, bounds, UInt64.self))]
    case let type where type.isFloatingPoint: return [.tensor(try clip(x, bounds, Float.self))]
    case let type where type.isInteger: return [.tensor(try clip(x, bounds, Int64.self))]
    default: throw CameoError.unsupported("Clip of \(x.dataType)")
    }
  }

  private func clip<T: ComputeElement & Comparable>(_ x: Tensor, _ bounds: (Tensor?, Tensor?), _: T.Type) throws
    -> Tensor
  {
    let low = try bounds.0?.scalar(as: T.self)
    let high = try bounds.1?.scalar(as: T.self)
    return try ElementwiseMaps.map(x, to: x.dataType) { (value: T) -> T in
      // Comparisons written so that NaN passes through.
      var result = value
      if let low, result < low { result = low }
      if let high, result > high { result = high }
      return result
    }
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    graph.dropConsumedInputs(node)
    guard version < 11 else { return }
    let type = graph.dataType(graph[node].input(0)) ?? .float
    for (name, index) in [("min", 1), ("max", 2)] {
      try graph.moveAttributeToInput(name, of: node, at: index)
      guard type != .float, let bound = graph[node].input(index) else { continue }
      if let tensor = graph.constant(bound) {
        graph.setInput(index, of: node, to: graph.emitConstant(try tensor.converted(to: type), like: node))
      } else if let x = graph[node].input(0) {
        graph.setInput(index, of: node, to: graph.emit("CastLike", [bound, x], like: node))
      }
    }
    guard graph.dataType(graph[node].input(0)) == nil, graph[node].inputs.count > 1, let x = graph[node].input(0) else {
      return
    }
    // The element type is not declared: the float bounds take it at run time.
    for index in 1..<graph[node].inputs.count {
      if let bound = graph[node].input(index) {
        graph.setInput(index, of: node, to: graph.emit("CastLike", [bound, x], like: node))
      }
    }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 11 else { return }
    // The higher input first: moving one trims the list.
    try graph.moveInputToAttribute(2, of: node, named: "max", Attribute.float)
    try graph.moveInputToAttribute(1, of: node, named: "min", Attribute.float)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Clip(), to: $0) })
