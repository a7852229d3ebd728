import GraphIR
import Tensors

/// Dropout: the input as it is, unless `training_mode` holds; then each element is dropped with probability `ratio` and the
/// others are scaled by 1 / (1 - ratio). Output 1 tells which were kept.
struct Dropout: Operator {
  let name = OperatorName("Dropout")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, context.dataType(0), context.shape(0))
    context.set(1, .bool, context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let trains = try context.optionalTensor(2).map { try $0.scalar(as: Int64.self) != 0 } ?? false
    let ratio = try context.optionalScalar(1, as: Double.self) ?? 0.5
    guard trains, ratio != 0 else {
      guard context.hasOutput(1) else { return [.tensor(data)] }
      let mask = try Tensor.makeRaw(.bool, data.shape) { bytes in for i in bytes.indices { bytes[i] = 1 } }
      return [.tensor(data), .tensor(mask)]
    }
    guard ratio > 0, ratio < 1 else { throw CameoError.badInput("ratio is \(ratio), 0 <= ratio < 1 was expected") }
    var generator = RandomStream(
      try context.attributes.optionalInt("seed").map { UInt64(bitPattern: Int64($0)) } ?? context.seed)
    let kept = (0..<data.count).map { _ in generator.uniform() >= ratio }
    let mask = try Tensor.of(kept, .bool, shape: data.shape)
    let x = try ElementView<Double>(data)
    let scale = 1 / (1 - ratio)
    let output = try Tensor.make(data.dataType, data.shape, as: Double.self) { out in
      for i in 0..<x.count { out[i] = kept[i] ? x[i] * scale : 0 }
    }
    return [.tensor(output), .tensor(mask)]
  }

  /// Before opset 7 `is_test` 0 asked for training; before opset 10 the mask had the data's type.
  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    graph.dropConsumedInputs(node)
    guard version < 12 else { return }
    // Version 7 on has inference behaviour unless told; is_test is what older exporters used for the same. A reference
    // runtime infers: training is not carried over.
    if graph[node]["is_test"] != nil { graph.setAttribute("is_test", of: node, to: nil) }
    try graph.moveAttributeToInput("ratio", of: node, at: 1)
    // Before version 10 the mask had the data's type: its readers get it cast.
    guard version < 10, let mask = graph[node].output(1), !graph[mask].uses.isEmpty else { return }
    let kept = graph.addValue(name: graph.freshName("mask"), in: graph[node].region)
    graph.rebindOutput(1, of: node, to: kept)
    guard let data = graph[node].input(0) else { return }
    graph.addNode(
      OperatorName("CastLike"), inputs: [kept, data], outputs: [mask], origins: graph[node].origins,
      in: graph[node].region)
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 12 else { return }
    if let training = graph[node].input(2) {
      guard let tensor = graph.constant(training), try tensor.scalar(as: Int64.self) == 0 else {
        throw CameoError.unsupported("before opset 12 a node cannot ask for training")
      }
      graph.setInput(2, of: node, to: nil)
    }
    try graph.moveInputToAttribute(1, of: node, named: "ratio", Attribute.float)
    graph.trimInputs(of: node)
    graph.setAttribute("seed", of: node, to: nil)
    if version < 7 { graph.setAttribute("is_test", of: node, to: .int(1)) }
    guard version < 10, let mask = graph[node].output(1), !graph[mask].uses.isEmpty else { return }
    let kept = graph.addValue(name: graph.freshName("mask"), in: graph[node].region)
    graph.rebindOutput(1, of: node, to: kept)
    graph.addNode(
      OperatorName("Cast"), inputs: [kept], outputs: [mask],
      attributes: [NamedAttribute("to", .int(Int64(DataType.bool.rawValue)))], origins: graph[node].origins,
      in: graph[node].region)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Dropout(), to: $0) })
