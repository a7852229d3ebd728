import GraphIR
import Tensors

/// TreeEnsembleRegressor: the scores that trees with ids give each row; [N, F] (or [F]) to float [N, n_targets].
///
/// Withdrawn in ai.onnx.ml 5 for TreeEnsemble, which takes no integers, gives no float for double rows and has one vote a leaf
/// and no base values; so it stays an operator of its own. `base_values` are added after the aggregation, also to targets
/// without a vote, as the standard's text and `onnx.reference` have it (ONNX Runtime leaves those 0), and every vote of a leaf
/// counts (ONNX Runtime takes the first where there is one target). Missing values are TreeEnsemble's. Sums run in the type of
/// the thresholds: float, or double where the rows or a tensor attribute are.
struct TreeEnsembleRegressor: Operator {
  let name = OperatorName("TreeEnsembleRegressor", domain: "ai.onnx.ml")

  private struct Plan<T: BinaryFloatingPoint & ComputeElement>: Sendable {
    let forest: MLForest<T>
    let aggregate: MLAggregate
    let transform: MLTransform
    let base: [T]
  }

  private let floats = MLPlanCache<Plan<Float>>()
  private let doubles = MLPlanCache<Plan<Double>>()

  func infer(_ context: inout InferenceContext) throws {
    let targets = try MLEnsembleTables.targetCount(context.attributes)
    context.set(0, .float, try context.mlOutputShape(Dim(targets)))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let tables = MLTreeTables(attributes: context.attributes, votes: "target")
    if try tables.elementType(of: x.dataType) == .double {
      return [.tensor(try run(context, tables, x, doubles))]
    }
    return [.tensor(try run(context, tables, x, floats))]
  }

  private func run<T: BinaryFloatingPoint & ComputeElement>(
    _ context: EvaluationContext, _ tables: MLTreeTables, _ x: Tensor, _ cache: MLPlanCache<Plan<T>>
  ) throws -> Tensor {
    let targets = try MLEnsembleTables.targetCount(context.attributes)
    let plan = try cache.plan(for: context.node, variant: T.nativeType) {
      let base = try tables.numbers("base_values", as: T.self)
      guard base.isEmpty || base.count == targets else {
        throw CameoError.badInput("base_values has \(base.count) entries, none or \(targets) were expected")
      }
      return Plan(
        forest: try tables.forest(of: T.self, targetCount: targets),
        aggregate: try MLAggregate(named: try context.attributes.string("aggregate_function", default: "SUM")),
        transform: try MLTransform(context.attributes), base: base)
    }
    let shape = try MLRows(x)
    let view = try ElementView<T>(x)
    return try Tensor.make(.float, [shape.rows, targets], as: T.self) { out in
      try view.withBase { x in
        try plan.forest.evaluate(x, shape, targetCount: targets, by: plan.aggregate, into: out) { _, scores in
          for (index, base) in plan.base.enumerated() { scores[index] += base }
          plan.transform.apply(scores, targets)
        }
      }
    }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 3 { try MLTreeTables.lowerTensors(of: node, in: &graph, votes: "target") }
  }
}

extension MLAggregate {
  /// As TreeEnsembleRegressor calls it.
  var name: String {
    switch self {
    case .average: "AVERAGE"
    case .sum: "SUM"
    case .min: "MIN"
    case .max: "MAX"
    }
  }

  init(named name: String) throws {
    switch name {
    case "AVERAGE": self = .average
    case "SUM": self = .sum
    case "MIN": self = .min
    case "MAX": self = .max
    default:
      throw CameoError.badInput("aggregate_function is \(name); AVERAGE, SUM, MIN or MAX was expected")
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(TreeEnsembleRegressor(), to: $0) })
