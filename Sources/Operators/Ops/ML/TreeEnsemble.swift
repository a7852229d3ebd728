import GraphIR
import Tensors

/// TreeEnsemble: the scores that the trees of an ensemble give each row; [N, F] (or [F], one row) to [N, n_targets].
///
/// A missing value (NaN) follows `nodes_missing_value_tracks_true` whatever the node's mode, as the standard's text says; ONNX
/// Runtime and `onnx.reference` send NaN to the true side of BRANCH_NEQ. A target that no leaf votes for has 0 under MIN and
/// MAX, as in ONNX Runtime (`onnx.reference`: infinity). float16 is computed in float.
struct TreeEnsemble: Operator {
  let name = OperatorName("TreeEnsemble", domain: "ai.onnx.ml")

  private struct Plan<T: BinaryFloatingPoint & ComputeElement>: Sendable {
    let forest: MLForest<T>
    let aggregate: MLAggregate
    let transform: MLTransform
  }

  private let floats = MLPlanCache<Plan<Float>>()
  private let doubles = MLPlanCache<Plan<Double>>()

  func infer(_ context: inout InferenceContext) throws {
    let targets = try MLEnsembleTables.targetCount(context.attributes)
    context.set(0, context.dataType(0), try context.mlOutputShape(Dim(targets)))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    return [.tensor(try x.dataType == .double ? run(context, x, doubles) : run(context, x, floats))]
  }

  private func run<T: BinaryFloatingPoint & ComputeElement>(
    _ context: EvaluationContext, _ x: Tensor, _ cache: MLPlanCache<Plan<T>>
  ) throws -> Tensor {
    let attributes = context.attributes
    let targets = try MLEnsembleTables.targetCount(attributes)
    let plan = try cache.plan(for: context.node, variant: T.nativeType) {
      let number = try attributes.int("aggregate_function", default: 1)
      guard let aggregate = MLAggregate(rawValue: number) else {
        throw CameoError.badInput("aggregate_function is \(number), 0 to 3 was expected")
      }
      return Plan(
        forest: try MLEnsembleTables(attributes: attributes).forest(of: T.self, targetCount: targets),
        aggregate: aggregate,
        transform: try MLTransform(number: try attributes.int("post_transform", default: 0)))
    }
    let shape = try MLRows(x)
    let view = try ElementView<T>(x)
    return try Tensor.make(x.dataType, [shape.rows, targets], as: T.self) { out in
      try view.withBase { x in
        try plan.forest.evaluate(x, shape, targetCount: targets, by: plan.aggregate, into: out) { _, scores in
          plan.transform.apply(scores, targets)
        }
      }
    }
  }

  /// Versions 1 to 3 of ai.onnx.ml have TreeEnsembleRegressor, whose results are floats.
  func replace(_ graph: inout Graph, _ node: NodeID, before opset: Int) throws -> Bool {
    guard let x = graph[node].input(0), let type = graph.dataType(x) else {
      throw CameoError.unsupported("before ai.onnx.ml 5 trees give floats, and the type of input 0 (X) is not known")
    }
    guard type == .float || type == .float16 else {
      throw CameoError.unsupported("before ai.onnx.ml 5 trees give floats, which \(type) results do not fit")
    }
    let attributes = AttributeReader(graph[node])
    let targets = try MLEnsembleTables.targetCount(attributes)
    let forest = try MLEnsembleTables(attributes: attributes).forest(of: Float.self, targetCount: targets)
    let number = try attributes.int("aggregate_function", default: 1)
    guard let aggregate = MLAggregate(rawValue: number) else {
      throw CameoError.badInput("aggregate_function is \(number), 0 to 3 was expected")
    }
    let transform = try MLTransform(number: try attributes.int("post_transform", default: 0))
    let tables =
      try MLTreeWriter(forest).attributes + [
        NamedAttribute("n_targets", .int(Int64(targets))),
        NamedAttribute("aggregate_function", .string(aggregate.name)),
        NamedAttribute("post_transform", .string(transform.rawValue)),
      ]
    func cast(_ value: ValueID, to type: DataType) -> ValueID {
      graph.emit("Cast", [value], [NamedAttribute("to", .int(Int64(type.rawValue)))], like: node)
    }
    let rows = type == .float ? x : cast(x, to: .float)
    if type != .float { graph.setType(.tensor(.float, graph.shape(x)), of: rows) }
    let scores = graph.emit("TreeEnsembleRegressor", domain: name.domain, [rows], tables, like: node)
    graph.setType(.tensor(.float, nil), of: scores)
    graph.replaceNode(node, by: type == .float ? scores : cast(scores, to: type))
    return true
  }
}

extension MLEnsembleTables {
  /// The attribute `n_targets`, which must be there and positive.
  static func targetCount(_ attributes: AttributeReader) throws -> Int {
    let count = try attributes.int("n_targets")
    guard count > 0 else { throw CameoError.badInput("n_targets is \(count), 1 or more was expected") }
    return count
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(TreeEnsemble(), to: $0) })
