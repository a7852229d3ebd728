import GraphIR
import Tensors

/// PRelu: x where x >= 0, slope * x elsewhere; slope is broadcast to x (not the other way).
struct PRelu: Operator {
  let name = OperatorName("PRelu")
  let traits: OperatorTraits = .elementwise

  func infer(_ context: inout InferenceContext) throws {
    let type = try context.commonType([0, 1])
    if let x = context.shape(0), let slope = context.shape(1), try Broadcast.shape(x, slope).count != x.count {
      throw CameoError.badInput("the slope of rank \(slope.count) cannot be broadcast to an input of rank \(x.count)")
    }
    context.set(0, type, context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (x, slope) = (try context.tensor(0), try context.tensor(1))
    guard try Broadcast.shape(x.shape, slope.shape) == x.shape else {
      throw CameoError.badInput("the slope \(slope.shape) cannot be broadcast to the input \(x.shape)")
    }
    let functions = ElementFunctions(
      float: { x, slope in x < 0 ? slope * x : x }, double: { x, slope in x < 0 ? slope * x : x },
      signed: { x, slope in x < 0 ? slope &* x : x }, unsigned: { x, _ in x })
    return [.tensor(try functions(x, slope, x.shape, name: name))]
  }

  /// Before opset 7 the slope is one number or one a channel (axis 1).
  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    graph.dropConsumedInputs(node)
    guard version < 7, let slope = graph[node].input(1) else { return }
    if let shape = graph.shape(slope), shape.isEmpty || shape == [1] { return }
    try graph.alignOperand(1, of: node, atAxis: 1)
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 7, let slope = graph[node].input(1) else { return }
    guard let tensor = graph.constant(slope), let rank = graph.rank(graph[node].input(0)) else {
      throw CameoError.unsupported("before opset 7 the slope is one number or one a channel")
    }
    if tensor.count == 1 {
      return graph.setInput(1, of: node, to: graph.emitConstant(try tensor.reshaped([1]), like: node))
    }
    let axis = tensor.shape.firstIndex { $0 != 1 } ?? 0
    guard tensor.shape[axis] == tensor.count, axis + rank - tensor.rank == 1 else {
      throw CameoError.unsupported("before opset 7 the slope is one number or one a channel")
    }
    graph.setInput(1, of: node, to: graph.emitConstant(try tensor.reshaped([tensor.count]), like: node))
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(PRelu(), to: $0) })
