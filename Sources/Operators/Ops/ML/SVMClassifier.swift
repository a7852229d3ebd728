import GraphIR
import Tensors

/// SVMClassifier: the class of each row and float scores; [N, F] (or [F]) to [N] and [N, E].
///
/// With support vectors every pair of classes votes, and the label has the most votes. The scores are the probabilities of the
/// classes where `prob_a` is given, else the decision values of the pairs; of two classes [-s, s], to which the transform is
/// applied ([1 - s, s] under PROBIT; ONNX Runtime applies only LOGISTIC there, `onnx.reference` all but gives one column under
/// PROBIT). Without support vectors it is a linear model, a row of coefficients and a score a class. Labels follow ONNX
/// Runtime, as the standard says nothing of them: of two classes of a linear model the second wins where the greater score is
/// above 0 (0.5 or more, where no coefficient is negative).
struct SVMClassifier: Operator {
  let name = OperatorName("SVMClassifier", domain: "ai.onnx.ml")

  func infer(_ context: inout InferenceContext) throws {
    let labels = try MLLabels(context.attributes, ints: "classlabels_ints")
    let columns = try labels.map { try SVMClassifier.columns(context.attributes, classes: $0.count) }
    let shape = try context.mlOutputShape(columns.map { Dim($0) })
    context.set(0, labels?.dataType, [shape[0]])
    context.set(1, .float, shape)
  }

  private static func vectorCounts(_ attributes: AttributeReader) throws -> (counts: [Int], total: Int) {
    let counts = try attributes.optionalInts("vectors_per_class") ?? []
    var total = 0
    for count in counts {
      let (next, overflow) = total.addingReportingOverflow(count)
      guard count >= 0, !overflow else {
        throw CameoError.badInput("vectors_per_class holds \(count), 0 or more was expected")
      }
      total = next
    }
    return (counts, total)
  }

  private static func columns(_ attributes: AttributeReader, classes: Int) throws -> Int {
    let hasVectors = try vectorCounts(attributes).total > 0
    let hasProbabilities = try attributes.optionalFloats("prob_a").map { !$0.isEmpty } ?? false
    return !hasVectors || hasProbabilities || classes <= 2 ? classes : classes * (classes - 1) / 2
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let attributes = context.attributes
    let x = try context.tensor(0)
    let shape = try MLRows(x)
    guard let labels = try MLLabels(attributes, ints: "classlabels_ints") else {
      throw CameoError.badInput("neither classlabels_ints nor classlabels_strings is given, one of them was expected")
    }
    let choices = try MLChoices(rows: shape.rows)
    let columns = try SVMClassifier.columns(attributes, classes: labels.count)
    let view = try ElementView<Double>(x)
    let scores = try Tensor.make(.float, [shape.rows, columns], as: Double.self) { out in
      let (counts, total) = try SVMClassifier.vectorCounts(attributes)
      if total == 0 {
        try view.withBase { try linear(attributes, $0, shape, labels.count, choices, out) }
      } else {
        let model = try MLVectorClassifier(attributes, classes: labels.count, counts: counts, total: total, shape)
        try view.withBase { try model.run($0, shape, choices, columns: columns, into: out) }
      }
    }
    return [.tensor(try choices.labels(labels, rows: shape.rows)), .tensor(scores)]
  }

  private func linear(
    _ attributes: AttributeReader, _ x: UnsafePointer<Double>, _ shape: MLRows, _ classes: Int, _ choices: MLChoices,
    _ out: UnsafeMutablePointer<Double>
  ) throws {
    let weights = (try attributes.optionalFloats("coefficients") ?? []).map { Double($0) }
    let rho = try attributes.optionalFloats("rho") ?? []
    let transform = try MLTransform(attributes)
    guard let offset = rho.first else { throw CameoError.badInput("rho is empty, one number was expected") }
    guard !weights.isEmpty, weights.count % classes == 0 else {
      throw CameoError.badInput("coefficients has \(weights.count) entries, a multiple of \(classes) was expected")
    }
    try shape.require(features: weights.count / classes)
    weights.withUnsafeBufferPointer { weights in
      guard let base = weights.baseAddress else { return }
      MLKernel.products(x, rows: shape.rows, features: shape.features, weights: base, count: classes, into: out)
    }
    let isPositive = weights.allSatisfy { $0 >= 0 }
    for row in 0..<shape.rows {
      let scores = out + row * classes
      for i in 0..<classes { scores[i] += Double(offset) }
      var best = MLVoteRule<Double>.first(scores, classes)
      if classes == 2 && (isPositive ? scores[best] >= 0.5 : scores[best] > 0) { best = 1 }
      choices.base[row] = Int32(best)
      transform.apply(scores, classes)
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(SVMClassifier(), to: $0) })
