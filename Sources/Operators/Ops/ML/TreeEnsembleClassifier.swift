import GraphIR
import Tensors

/// TreeEnsembleClassifier: the class of each row and a float score a class; [N, F] (or [F]) to [N] and [N, classes].
///
/// Withdrawn in ai.onnx.ml 5, and like TreeEnsembleRegressor an operator of its own here. The label is the first class with
/// the greatest score before the transform (after it for SOFTMAX_ZERO, where a score of 0 stands for none), as the text says:
/// ONNX Runtime leaves classes without a vote out, and gives 0 or 1 instead of a label where there are two classes.
///
/// Two classes whose votes are all for one of them are a binary model, whose rules are ONNX Runtime's. Votes for class 0 are
/// then the score s of class *1*: s > 0.5 decides where no vote is negative, else s > 0, and the scores are [1 - s, s] or
/// [-s, s]. (`onnx.reference` always gives [1 - s, s].) Under a transform other than PROBIT the scores are the transform of
/// [-s, s] and s > 0 decides, as in `onnx.reference`: so the label always has the greater score. Of two base values the voted
/// class's is taken. Votes for class 1 leave score 0 what it is. One label of integers: the class is 1 or 0 by s > 0.
struct TreeEnsembleClassifier: Operator {
  let name = OperatorName("TreeEnsembleClassifier", domain: "ai.onnx.ml")

  private struct Plan<T: BinaryFloatingPoint & ComputeElement>: Sendable {
    let forest: MLForest<T>
    let rule: MLVoteRule<T>
    let labels: MLLabels
  }

  private let floats = MLPlanCache<Plan<Float>>()
  private let doubles = MLPlanCache<Plan<Double>>()

  func infer(_ context: inout InferenceContext) throws {
    let labels = try MLLabels(context.attributes, ints: "classlabels_int64s")
    let shape = try context.mlOutputShape(labels.map { Dim($0.count) })
    context.set(0, labels?.dataType, [shape[0]])
    context.set(1, .float, shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let tables = MLTreeTables(attributes: context.attributes, votes: "class")
    if try tables.elementType(of: x.dataType) == .double { return try run(context, tables, x, doubles) }
    return try run(context, tables, x, floats)
  }

  private func makePlan<T>(_ tables: MLTreeTables) throws -> Plan<T> {
    guard let labels = try MLLabels(tables.attributes, ints: "classlabels_int64s") else {
      throw CameoError.badInput("neither classlabels_int64s nor classlabels_strings is given, one of them was expected")
    }
    let forest = try tables.forest(of: T.self, targetCount: labels.count)
    let base = try tables.numbers("base_values", as: T.self)
    guard base.isEmpty || base.count == labels.count || labels.count == 2 && base.count == 1 else {
      throw CameoError.badInput("base_values has \(base.count) entries, none or \(labels.count) were expected")
    }
    let ids = Set(try tables.attributes.optionalInts("class_ids") ?? [])
    let rule = MLVoteRule(
      classes: labels.count, onlyClass: ids.count == 1 ? ids.first : nil, base: base,
      isPositive: try tables.numbers("class_weights", as: T.self).allSatisfy { $0 >= 0 },
      transform: try MLTransform(tables.attributes))
    if case .ints = labels, labels.count == 1 { return Plan(forest: forest, rule: rule, labels: .ints([0, 1])) }
    if labels.count == 1, case .strings(let names) = labels {
      return Plan(forest: forest, rule: rule, labels: .strings([names[0], names[0]]))
    }
    return Plan(forest: forest, rule: rule, labels: labels)
  }

  private func run<T: BinaryFloatingPoint & ComputeElement>(
    _ context: EvaluationContext, _ tables: MLTreeTables, _ x: Tensor, _ cache: MLPlanCache<Plan<T>>
  ) throws -> [Value?] {
    let plan = try cache.plan(for: context.node, variant: T.nativeType) { try makePlan(tables) }
    let shape = try MLRows(x)
    let view = try ElementView<T>(x)
    let choices = try MLChoices(rows: shape.rows)
    let scores = try Tensor.make(.float, [shape.rows, plan.rule.classes], as: T.self) { out in
      try view.withBase { x in
        try plan.forest.evaluate(x, shape, targetCount: plan.rule.classes, by: .sum, into: out) { row, scores in
          choices.base[row] = Int32(plan.rule.finish(scores))
        }
      }
    }
    return [.tensor(try choices.labels(plan.labels, rows: shape.rows)), .tensor(scores)]
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 3 { try MLTreeTables.lowerTensors(of: node, in: &graph, votes: "class") }
  }
}

/// What becomes of a row of summed votes: base values, label, transform. The rules stand at TreeEnsembleClassifier.
struct MLVoteRule<T: BinaryFloatingPoint & Sendable>: Sendable {
  let classes: Int
  /// The class that every vote is for, if there is one.
  let onlyClass: Int?
  let base: [T]
  let isPositive: Bool
  let transform: MLTransform

  /// Finishes the scores in place; the class (of one class: 1 where its score is positive, else 0).
  func finish(_ scores: UnsafeMutablePointer<T>) -> Int {
    if classes == 1 {
      if let base = base.first { scores[0] += base }
      let isPositive = scores[0] > 0
      transform.apply(scores, 1)
      return isPositive ? 1 : 0
    }
    if classes == 2, let onlyClass { return finishBinary(scores, onlyClass) }
    for (index, base) in base.enumerated() { scores[index] += base }
    if transform == .softmaxZero { transform.apply(scores, classes) }
    let best = MLVoteRule.first(scores, classes)
    if transform != .softmaxZero { transform.apply(scores, classes) }
    return best
  }

  private func finishBinary(_ scores: UnsafeMutablePointer<T>, _ onlyClass: Int) -> Int {
    let score = scores[onlyClass] + (base.count == 2 ? base[onlyClass] : base.first ?? 0)
    let isPlain = transform == .none || transform == .probit
    let isPositiveClass = score > (isPositive && isPlain ? 0.5 : 0)
    if onlyClass == 0 {
      transform.applyPair(score, scores, isComplement: isPositive)
      return isPositiveClass ? 1 : 0
    }
    scores[0] = base.count == 2 ? base[0] : 0
    scores[1] = score
    let best = base.count == 2 ? MLVoteRule.first(scores, 2) : isPositiveClass ? 1 : 0
    transform.apply(scores, 2)
    return best
  }

  /// The first of the greatest.
  static func first(_ scores: UnsafePointer<T>, _ count: Int) -> Int {
    var best = 0
    for index in 1..<max(count, 1) where scores[index] > scores[best] { best = index }
    return best
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(TreeEnsembleClassifier(), to: $0) })
