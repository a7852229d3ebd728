public import GraphIR
public import InferenceRuntime
import Operators
import PassKit
public import Quantization
public import Tensors

/// Samples that a quantized model is compared with the float model on.
///
/// The float model's outputs are computed once and kept; memory: they, and one sample.
public final class Evaluation {
  /// Sizes that the first sample gives to the inputs' symbols.
  public private(set) var bindings: [String: Int] = [:]
  private let set: CalibrationSet
  private let limit: Int?
  private let session: SessionOptions
  private let outputs: [String]
  private var expected: [[String: Tensor]] = []
  private var labels: [[Int]] = []
  private let floatTop1: Double?

  /// Runs `model`, optimized for this machine, over `set`. An array `label` or `labels` beside the inputs counts top-1.
  public init(_ model: Model, _ set: CalibrationSet, limit: Int? = nil, session: SessionOptions) throws {
    self.set = set
    self.limit = limit
    self.session = session
    outputs = model.graph.outputs.filter { model.graph[$0].type?.dataType?.isFloatingPoint ?? true }.map {
      model.graph[$0].name
    }
    let runner = try Evaluation.session(model, session)
    var counted = Top1()
    var bindings: [String: Int] = [:]
    var expected: [[String: Tensor]] = []
    var labels: [[Int]] = []
    let outputs = outputs
    try set.forEach(limit: limit) { sample in
      if expected.isEmpty { bindings = Evaluation.bindings(model, sample) }
      let found = try within(sample.name) { try runner.run(values: sample.inputs) }
      expected.append(found.compactMapValues(\.tensor).filter { outputs.contains($0.key) })
      labels.append(try (sample.others["label"] ?? sample.others["labels"])?.ints() ?? [])
      if let logits = outputs.first.flatMap({ expected[expected.count - 1][$0] }) {
        try counted.count(logits, labels[labels.count - 1])
      }
    }
    self.bindings = bindings
    self.expected = expected
    self.labels = labels
    floatTop1 = counted.share
  }

  private static func session(_ model: Model, _ options: SessionOptions) throws -> Session {
    var settings = OptimizationOptions()
    settings.level = 3
    let optimized = try Optimizer(options: settings, verification: nil).optimize(model).model
    return try Session(optimized, providers: Providers.all(), options: options)
  }

  /// What symbols of the inputs' shapes are in a sample.
  private static func bindings(_ model: Model, _ sample: CalibrationSample) -> [String: Int] {
    var found: [String: Int] = [:]
    for input in model.graph.inputs {
      guard let shape = model.graph[input].type?.shape,
        let given = sample.inputs[model.graph[input].name]?.tensor?.shape,
        shape.count == given.count
      else { continue }
      for (dim, size) in zip(shape, given) { if let name = dim.symbolName { found[name] = size } }
    }
    return found
  }

  /// The model's outputs over the samples against the float model's.
  public func accuracy(of model: Model) throws -> Accuracy {
    let runner = try Evaluation.session(model, session)
    var sums: [String: OutputSums] = [:]
    var counted = Top1()
    var index = 0
    try set.forEach(limit: limit) { sample in
      let found = try within(sample.name) { try runner.run(values: sample.inputs) }
      for name in outputs {
        guard let a = expected[index][name], let b = found[name]?.tensor else { continue }
        try sums[name, default: OutputSums()].add(a, b)
      }
      if let logits = outputs.first.flatMap({ found[$0]?.tensor }) { try counted.count(logits, labels[index]) }
      index += 1
    }
    return Accuracy(
      samples: index, outputs: outputs.compactMap { name in sums[name].map { $0.result(name) } }, floatTop1: floatTop1,
      top1: counted.share)
  }
}

/// How a quantized model's outputs compare with the float model's over all samples.
public struct Accuracy: Sendable {
  public struct Output: Sendable {
    public let name: String
    public let cosine: Double
    /// The least of one sample.
    public let leastCosine: Double
    public let sqnrDecibel: Double
    /// The share of rows (along the last axis) whose greatest number stands in the same place.
    public let argmaxAgreement: Double
  }

  public let samples: Int
  public let outputs: [Output]
  /// Shares of 1, where the samples have labels.
  public let floatTop1: Double?
  public let top1: Double?

  /// Points of top-1 lost where there are labels, else 1 - cosine of the worst output.
  public var drop: Double? {
    if let floatTop1, let top1 { return (floatTop1 - top1) * 100 }
    return outputs.map { 1 - $0.cosine }.max()
  }
}

/// Sums over samples of one output.
private struct OutputSums {
  private var (dot, a, b, noise) = (0.0, 0.0, 0.0, 0.0)
  private var least = 1.0
  private var (agreeing, rows) = (0, 0)

  mutating func add(_ expected: Tensor, _ found: Tensor) throws {
    guard expected.shape == found.shape else {
      throw CameoError(.invariant, "an output has the shape \(found.shape), it was \(expected.shape)")
    }
    let (x, y) = (try ElementView<Float>(expected), try ElementView<Float>(found))
    var (dot, a, b) = (0.0, 0.0, 0.0)
    for index in 0..<x.count {
      let (p, q) = (Double(x[index]), Double(y[index]))
      dot += p * q
      a += p * p
      b += q * q
      noise += (p - q) * (p - q)
    }
    least = min(least, Self.cosine(dot, a, b))
    self.dot += dot
    self.a += a
    self.b += b
    guard let width = expected.shape.last, width > 1 else { return }
    for row in 0..<x.count / width {
      let range = row * width..<(row + 1) * width
      rows += 1
      if Top1.place(x, range) == Top1.place(y, range) { agreeing += 1 }
    }
  }

  private static func cosine(_ dot: Double, _ a: Double, _ b: Double) -> Double {
    a == 0 && b == 0 ? 1 : a == 0 || b == 0 ? 0 : dot / (a * b).squareRoot()
  }

  func result(_ name: String) -> Accuracy.Output {
    Accuracy.Output(
      name: name, cosine: Self.cosine(dot, a, b), leastCosine: least,
      sqnrDecibel: noise == 0 ? .infinity : 10 * log10(a / noise),
      argmaxAgreement: rows == 0 ? 1 : Double(agreeing) / Double(rows))
  }
}

/// Counts rows of logits whose greatest number is at the label.
private struct Top1 {
  private var (right, all) = (0, 0)
  var share: Double? { all == 0 ? nil : Double(right) / Double(all) }

  mutating func count(_ logits: Tensor, _ labels: [Int]) throws {
    guard !labels.isEmpty, let width = logits.shape.last, width > 1 else { return }
    guard logits.count == labels.count * width else {
      throw CameoError.badInput("\(labels.count) labels for \(logits.count / width) rows of output")
    }
    let view = try ElementView<Float>(logits)
    for (row, label) in labels.enumerated() {
      all += 1
      if Self.place(view, row * width..<(row + 1) * width) == label { right += 1 }
    }
  }

  /// The index of the first greatest number of a row.
  static func place(_ view: ElementView<Float>, _ row: Range<Int>) -> Int {
    var best = row.lowerBound
    for index in row where view[index] > view[best] { best = index }
    return best - row.lowerBound
  }
}

#if canImport(Glibc)
  import Glibc
#endif
