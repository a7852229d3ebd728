import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss: -x[label] (of the log-softmax over axis 1), weighed per class and
/// reduced; a mean divides by the sum of the weights that count.
struct CrossEntropy: Operator {
  let name: OperatorName
  private let appliesSoftmax: Bool

  init(appliesSoftmax: Bool) {
    name = OperatorName(appliesSoftmax ? "SoftmaxCrossEntropyLoss" : "NegativeLogLikelihoodLoss")
    self.appliesSoftmax = appliesSoftmax
  }

  private func reduction(_ attributes: AttributeReader) throws -> String {
    let reduction = try attributes.string("reduction", default: "mean")
    guard ["none", "mean", "sum"].contains(reduction) else {
      throw CameoError.badInput("attribute reduction is \(reduction); none, mean or sum was expected")
    }
    return reduction
  }

  func infer(_ context: inout InferenceContext) throws {
    let x = context.shape(0)
    if let x, x.count < 2 { throw CameoError.badInput("the scores have rank \(x.count), 2 or more was expected") }
    if let x, let labels = context.shape(1), labels.count != x.count - 1 {
      throw CameoError.badInput(
        "the labels have rank \(labels.count), \(x.count - 1) was expected for scores of rank \(x.count)")
    }
    let isReduced = try reduction(context.attributes) != "none"
    context.set(0, context.dataType(0), isReduced ? [] : context.shape(1) ?? x.map { [$0[0]] + $0[2...] })
    context.set(1, context.dataType(0), x)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let target = try context.tensor(1)
    guard x.rank >= 2, target.shape == [x.shape[0]] + x.shape[2...] else {
      throw CameoError.badInput("labels \(target) do not fit scores \(x): [N, d1, ..] was expected for [N, C, d1, ..]")
    }
    let reduction = try reduction(context.attributes)
    let ignored = try context.attributes.optionalInt("ignore_index")
    let (classes, plane) = (x.shape[1], x.shape[2...].reduce(1, *))
    let weights = try context.optionalTensor(2)?.elements(as: Double.self)
    if let weights, weights.count != classes {
      throw CameoError.badInput(
        "input 2 (weight) has \(weights.count) elements, \(classes), one a class, were expected")
    }
    var scores = try x.elements(as: Double.self)
    if appliesSoftmax && classes > 0 {
      for line in 0..<x.shape[0] * plane {
        let start = line / plane * classes * plane + line % plane
        var largest = -Double.infinity
        for c in 0..<classes { largest = max(largest, scores[start + c * plane]) }
        var sum = 0.0
        for c in 0..<classes { sum += exp(scores[start + c * plane] - largest) }
        for c in 0..<classes { scores[start + c * plane] -= largest + log(sum) }
      }
    }
    let labels = try target.ints()
    var losses = [Double](repeating: 0, count: labels.count)
    var total = 0.0
    for (line, label) in labels.enumerated() where label != ignored {
      // Negative labels count from the end, as an index does.
      let place = label < 0 ? label + classes : label
      guard place >= 0, place < classes else {
        throw CameoError.badInput("a label is \(label), 0 to \(classes - 1) or ignore_index was expected")
      }
      let weight = weights?[place] ?? 1
      losses[line] = -weight * scores[(line / plane * classes + place) * plane + line % plane]
      total += weight
    }
    let loss: Tensor =
      switch reduction {
      case "none": try .of(losses, x.dataType, shape: target.shape)
      case "sum": try .scalar(losses.reduce(0, +), x.dataType)
      default: try .scalar(losses.reduce(0, +) / total, x.dataType)
      }
    return [.tensor(loss), context.hasOutput(1) ? .tensor(try .of(scores, x.dataType, shape: x.shape)) : nil]
  }
}
