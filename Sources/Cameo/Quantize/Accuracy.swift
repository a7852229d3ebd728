import Quantization
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How a quantized model's outputs compare with the float model's over all samples.
public struct Accuracy: Sendable {
  public struct Output: Sendable {
    public let name: String
    public let cosine: Double
    /// The least of one sample.
    public let leastCosine: Double
    public let sqnrDecibel: Double
    /// The greatest max|a - b| / max|a| of one sample, with a the float model's numbers; infinity where only one is NaN.
    public let maxRel: Double
    /// The share of rows (along the last axis) whose greatest number stands in the same place.
    public let argmaxAgreement: Double
  }

  public let samples: Int
  public let outputs: [Output]
  /// Shares of 1, where the samples have labels.
  public let floatTop1: Double?
  public let top1: Double?

  /// What a drop is counted in.
  public enum Measure: String, Sendable, CaseIterable {
    /// Points of top-1 where there are labels, else 1 - cosine.
    case automatic = "auto"
    /// 1 - cosine of the worst output.
    case cosine
    /// Points of the rows whose greatest number stands elsewhere, in the worst output.
    case argmax
    /// The greatest max|a - b| / max|a| of an output and a sample.
    case greatest = "max"
  }

  /// How much is lost; nil where there is no output to tell by.
  public func drop(by measure: Measure) -> Double? {
    if measure == .automatic, let floatTop1, let top1 { return (floatTop1 - top1) * 100 }
    if measure == .argmax { return outputs.map { (1 - $0.argmaxAgreement) * 100 }.max() }
    if measure == .greatest { return outputs.map(\.maxRel).max() }
    return outputs.map { 1 - $0.cosine }.max()
  }

  /// Noise by signal of the output that lost most.
  var noise: Double { outputs.map { pow(10, -$0.sqnrDecibel / 10) }.max() ?? 0 }
}

/// Sums over samples of one output.
struct OutputSums {
  private var sums = DifferenceSums()
  private var least = 1.0
  private var maxRel = 0.0
  private var (agreeing, rows) = (0, 0)

  mutating func add(_ expected: Tensor, _ found: Tensor) throws {
    guard expected.shape == found.shape else {
      throw CameoError(.invariant, "an output has the shape \(found.shape), it was \(expected.shape)")
    }
    var sample = DifferenceSums()
    sample.add(expected, found)
    let closeness = sample.closeness
    least = min(least, closeness.cosine)
    maxRel = max(maxRel, closeness.maxRel)
    sums.merge(sample)
    guard let width = expected.shape.last, width > 1 else { return }
    let (x, y) = (try ElementView<Float>(expected), try ElementView<Float>(found))
    for row in 0..<x.count / width {
      let range = row * width..<(row + 1) * width
      rows += 1
      if Top1.place(x, range) == Top1.place(y, range) { agreeing += 1 }
    }
  }

  func result(_ name: String) -> Accuracy.Output {
    let closeness = sums.closeness
    return Accuracy.Output(
      name: name, cosine: closeness.cosine, leastCosine: least, sqnrDecibel: closeness.sqnrDecibel,
      maxRel: maxRel, argmaxAgreement: rows == 0 ? 1 : Double(agreeing) / Double(rows))
  }
}

/// Counts rows of logits whose greatest number is at the label.
struct Top1 {
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
