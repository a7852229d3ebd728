public import Quantization

/// What a quantization did, as data: the JSON, Markdown and HTML forms are written from it.
public struct QuantizationReport: Sendable {
  /// A value that is kept in integers.
  public struct Value: Sendable {
    public var name: String
    /// Source nodes that read the integers.
    public var readers: [String]
    /// Its ends over the calibration set.
    public var observed: ValueRange
    public var parameters: QuantizationParameters
    public var histogram: Histogram?

    public init(
      name: String, readers: [String] = [], observed: ValueRange, parameters: QuantizationParameters,
      histogram: Histogram? = nil
    ) {
      self.name = name
      self.readers = readers
      self.observed = observed
      self.parameters = parameters
      self.histogram = histogram
    }

    /// The share of numbers that lie beyond the codes; nil where they were not counted.
    public var clippedShare: Double? { histogram?.clippedShare(parameters) }

    /// Signal to quantization noise, from the histogram.
    public var sqnrDecibel: Double? {
      guard let histogram, histogram.count > histogram.zeros else { return nil }
      return Closeness.decibel(signal: histogram.energy, noise: histogram.squaredError(parameters))
    }
  }

  /// What one node costs when it alone is quantized.
  public struct Layer: Sendable {
    public var name: String
    /// Of the node's own result and of the model's outputs, in dB.
    public var ownSQNR: Double?
    public var outputSQNR: Double
    public var isInteger: Bool

    public init(name: String, ownSQNR: Double?, outputSQNR: Double, isInteger: Bool) {
      self.name = name
      self.ownSQNR = ownSQNR
      self.outputSQNR = outputSQNR
      self.isInteger = isInteger
    }
  }

  /// What stayed float.
  public struct Exception: Sendable {
    /// Source nodes, by name.
    public var nodes: [String]
    public var type: String
    public var reason: String

    public init(nodes: [String], type: String, reason: String) {
      self.nodes = nodes
      self.type = type
      self.reason = reason
    }
  }

  /// Products and convolutions that run on integers.
  public struct Coverage: Sendable {
    public var integerNodes: Int
    public var nodes: Int
    /// As the source counts them, before products of one operand were merged.
    public var integerSourceNodes: Int
    public var sourceNodes: Int
    public var integerMultiplyAdds: Int
    public var multiplyAdds: Int

    public init(
      integerNodes: Int, nodes: Int, integerSourceNodes: Int? = nil, sourceNodes: Int? = nil,
      integerMultiplyAdds: Int, multiplyAdds: Int
    ) {
      self.integerNodes = integerNodes
      self.nodes = nodes
      self.integerSourceNodes = integerSourceNodes ?? integerNodes
      self.sourceNodes = sourceNodes ?? nodes
      self.integerMultiplyAdds = integerMultiplyAdds
      self.multiplyAdds = multiplyAdds
    }
  }

  /// The float file and the one that was written; "" where none was.
  public var model: String
  public var output = ""
  /// Of the written file.
  public var opset: Int?
  /// How it was quantized, in a few words each: "uint8 data", "entropy".
  public var settings: [String] = []
  public var samples = 0
  public var bytesBefore: Int?
  public var bytesAfter: Int?
  public var coverage: Coverage?
  public var accuracy: Accuracy?
  public var values: [Value] = []
  public var layers: [Layer] = []
  public var exceptions: [Exception] = []
  /// Weights that were written in fewer bits.
  public var weights: [QuantizedWeight] = []
  /// What was pruned before.
  public var prunedWeights: [PrunedWeight] = []
  public var removedChannels: [RemovedChannels] = []
  /// Nodes that compute in a narrower floating-point type; nil where none were to.
  public var convertedNodes: Int?
  /// How much of the model that is.
  public var narrow: FloatCoverage?
  /// What it took to have the accuracy asked for with narrower floats.
  public var held: HeldAccuracy?
  /// How long a run takes, against the float model's on the same machine.
  public var speed: SpeedComparison?

  public init(model: String) { self.model = model }

  /// The most sensitive first.
  var rankedLayers: [Layer] {
    layers.enumerated().sorted { ($0.1.outputSQNR, $0.0) < ($1.1.outputSQNR, $1.0) }.map(\.1)
  }

  /// Exceptions of one reason, the most frequent reasons first.
  var exceptionGroups: [(reason: String, nodes: [String])] {
    var order: [String] = []
    var groups: [String: [String]] = [:]
    for exception in exceptions {
      if groups[exception.reason] == nil { order.append(exception.reason) }
      groups[exception.reason, default: []] += exception.nodes
    }
    return order.enumerated().map { ($0, $1, groups[$1] ?? []) }.sorted { (-$0.2.count, $0.0) < (-$1.2.count, $1.0) }
      .map { ($0.1, $0.2) }
  }
}

extension ReportWriter {
  /// The report as text. The HTML form is one self-contained page that fetches nothing.
  public static func text(_ report: QuantizationReport, _ format: ReportFormat) -> String {
    switch format {
    case .json: QuantizationJSON.document(report).text() + "\n"
    case .markdown: QuantizationMarkdown.text(report)
    case .html: QuantizationHTML.page(report)
    }
  }

  /// Writes the report in the form that the path's extension names: beside it first, then renamed.
  public static func write(_ report: QuantizationReport, to path: String) throws {
    try writeFile(text(report, ReportFormat(path: path)), to: path)
  }
}
