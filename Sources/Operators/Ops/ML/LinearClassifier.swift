import GraphIR
import Tensors

/// LinearClassifier: scores X W^T + b and the class of the greatest (before the transform); [N, F] (or [F]) to [N] and float
/// [N, E]. A row of coefficients and an intercept a score; without intercepts they are 0.
///
/// One score for two labels: the second label where it is above 0, else the first; the scores are [1 - s, s] as in ONNX Runtime
/// (`onnx.reference`: [-s, s]), and under a transform other than PROBIT that of [-s, s], as in `onnx.reference` (ONNX Runtime
/// does it for LOGISTIC only). One score without labels: 1 or 0. `multi_class` changes nothing, as in both.
struct LinearClassifier: Operator {
  let name = OperatorName("LinearClassifier", domain: "ai.onnx.ml")

  /// The number of scores before a second one is made of the first; nil where the number of features is needed and not known.
  private func scoreCount(_ attributes: AttributeReader, features: Int?) throws -> Int? {
    let intercepts = try attributes.optionalFloats("intercepts") ?? []
    if !intercepts.isEmpty { return intercepts.count }
    guard let features, features > 0 else { return nil }
    return (try attributes.optionalFloats("coefficients") ?? []).count / features
  }

  func infer(_ context: inout InferenceContext) throws {
    let labels = try MLLabels(context.attributes, ints: "classlabels_ints")
    let features = try context.mlRows().features
    let targets = try scoreCount(context.attributes, features: features?.value)
    let columns = targets.map { $0 == 1 && labels?.count == 2 ? 2 : $0 }
    let shape = try context.mlOutputShape(columns.map { Dim($0) })
    context.set(0, labels?.dataType ?? .int64, [shape[0]])
    context.set(1, .float, shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let attributes = context.attributes
    let x = try context.tensor(0)
    let shape = try MLRows(x)
    let transform = try MLTransform(attributes)
    guard let targets = try scoreCount(attributes, features: shape.features), targets > 0 else {
      throw CameoError.badInput("coefficients and intercepts give no score for rows of \(shape.features) features")
    }
    let model = try MLLinear(attributes, targets: targets, shape)
    let given = try MLLabels(attributes, ints: "classlabels_ints")
    guard given == nil || given?.count == targets || targets == 1 && given?.count == 2 else {
      throw CameoError.badInput("\(given?.count ?? 0) class labels for \(targets) scores, as many were expected")
    }
    guard targets > 1 || given?.count != 1 else {
      throw CameoError.badInput("one class label for one score, two were expected")
    }
    let labels = given ?? .ints((0..<max(2, targets)).map { Int64($0) })
    let isPair = targets == 1 && given != nil
    let choices = try MLChoices(rows: shape.rows)
    let view = try ElementView<Double>(x)
    let columns = isPair ? 2 : targets
    let scores = try Tensor.make(.float, [shape.rows, columns], as: Double.self) { out in
      view.withBase { model.run($0, shape, columns: columns, into: out) }
      for row in 0..<shape.rows {
        let scores = out + row * columns
        if targets == 1 {
          choices.base[row] = scores[0] > 0 ? 1 : 0
        } else {
          choices.base[row] = Int32(MLVoteRule<Double>.first(scores, targets))
        }
        if isPair {
          transform.applyPair(scores[0], scores, isComplement: true)
        } else {
          transform.apply(scores, targets)
        }
      }
    }
    return [.tensor(try choices.labels(labels, rows: shape.rows)), .tensor(scores)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(LinearClassifier(), to: $0) })
