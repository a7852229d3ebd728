public import PassKit
import Tensors

/// What a calibration has found, in a file that people can read, edit and add up.
///
/// A JSON object: `format`, `model` (the fingerprint), `samples`, and `values`, which has for each value's name `observed` ([least,
/// greatest]), where it was counted `histogram`, and where somebody wants another range `range` ([low, high]): that wins over whatever a
/// method would choose. In a histogram's `positive` and `negative` a number -n stands for n bins of 0.
public struct CalibrationCache: Sendable {
  public struct Entry: Sendable, Hashable {
    /// The ends that were seen (moving averages of them, where these were asked for); nil where a file has an edited range only.
    public var observed: ValueRange?
    public var histogram: Histogram?
    /// What stands in the file by hand.
    public var edited: ValueRange?

    public init(observed: ValueRange?, histogram: Histogram? = nil, edited: ValueRange? = nil) {
      self.observed = observed
      self.histogram = histogram
      self.edited = edited
    }

    /// The range to keep: the edited one, else what `method` makes of the histogram, else what was observed.
    public func range(_ method: RangeMethod, for scheme: QuantizationScheme) -> ValueRange? {
      if let edited { return edited }
      if case .moving = method { return observed }
      return histogram?.range(method, for: scheme) ?? observed
    }
  }

  private static let format = "cameo calibration 1"

  /// `Model.calibrationFingerprint` of the model whose values they are.
  public var fingerprint: String
  public var samples: Int
  /// By the values' names.
  public var entries: [String: Entry] = [:]

  public init(fingerprint: String, samples: Int = 0) {
    self.fingerprint = fingerprint
    self.samples = samples
  }

  /// Takes over what an observer has found out.
  public mutating func note(_ name: String, _ estimator: any RangeEstimator, scheme: QuantizationScheme) {
    entries[name] = Entry(
      observed: estimator.counted?.range ?? estimator.range(for: scheme), histogram: estimator.counted)
  }

  /// Adds another calibration of the same model: counts are added, ranges united, samples added up. An edited range wins; of two, the
  /// other's. A value that only one of them has counted keeps its range and loses its histogram. Throws `.badInput` for another model.
  public mutating func merge(_ other: CalibrationCache) throws {
    guard other.fingerprint == fingerprint else {
      throw CameoError.badInput("it is of another model (\(other.fingerprint), not \(fingerprint))")
    }
    for (name, added) in other.entries {
      guard var entry = entries[name] else { entries[name] = added; continue }
      if entry.observed == nil || added.observed == nil {
        entry.observed = entry.observed ?? added.observed
        entry.histogram = entry.histogram ?? added.histogram
      } else if let a = entry.observed, let b = added.observed {
        entry.observed = a.union(b)
        if entry.histogram != nil, let counted = added.histogram {
          try within("value \(name)") { try entry.histogram?.merge(counted) }
        } else {
          entry.histogram = nil
        }
      }
      entry.edited = added.edited ?? entry.edited
      entries[name] = entry
    }
    samples += other.samples
  }

  // MARK: Files

  /// Reads a file that `write` wrote, edited or not. Throws `.badInput` that names value and reason.
  public init(contentsOf path: String) throws {
    let document = try JSON(contentsOf: path)
    self = try within("file \(path)") { try CalibrationCache(document) }
  }

  public init(_ document: JSON) throws {
    guard document["format"]?.string == Self.format else { throw CameoError.badInput("this is no \(Self.format)") }
    guard let model = document["model"]?.string, let values = document["values"]?.members else {
      throw CameoError.badInput("model or values is missing")
    }
    fingerprint = model
    samples = max(0, document["samples"]?.int ?? 0)
    for (name, value) in values {
      entries[name] = try within("value \(name)") {
        let entry = Entry(
          observed: try Self.range(value["observed"], "observed"),
          histogram: try value["histogram"].map(Self.histogram),
          edited: try Self.range(value["range"], "range"))
        guard entry.observed != nil || entry.edited != nil else {
          throw CameoError.badInput("neither observed nor range is there")
        }
        return entry
      }
    }
  }

  public var document: JSON {
    .object([
      ("format", .string(Self.format)), ("model", .string(fingerprint)), ("samples", .int(samples)),
      (
        "values",
        .object(
          entries.sorted { $0.key < $1.key }.map { name, entry in
            var members: [(String, JSON)] = []
            if let edited = entry.edited { members.append(("range", Self.json(edited))) }
            if let observed = entry.observed { members.append(("observed", Self.json(observed))) }
            if let histogram = entry.histogram { members.append(("histogram", Self.json(histogram))) }
            return (name, .object(members))
          })
      ),
    ])
  }

  /// Writes the file: beside its place, then renamed.
  public func write(to path: String) throws {
    try within("file \(path)") {
      let output = try FileOutput(path: path)
      try output.write(Array((document.text() + "\n").utf8))
      try output.commit()
    }
  }

  private static func range(_ json: JSON?, _ name: String) throws -> ValueRange? {
    guard let json else { return nil }
    guard let ends = json.array, ends.count == 2, let low = ends[0].number, let high = ends[1].number,
      Float(low).isFinite, Float(high).isFinite, low <= high
    else { throw CameoError.badInput("\(name) is no [low, high]") }
    return ValueRange(Float(low), Float(high))
  }

  private static func json(_ range: ValueRange) -> JSON {
    .array([.double(Double(range.minimum)), .double(Double(range.maximum))])
  }

  private static func histogram(_ json: JSON) throws -> Histogram {
    guard let bins = json["bins"]?.int, let exponent = json["exponent"]?.int, let zeros = json["zeros"]?.int,
      zeros >= 0,
      let range = try range(json["range"], "the histogram's range")
    else { throw CameoError.badInput("the histogram lacks bins, exponent, zeros or range") }
    func counts(_ name: String) throws -> [UInt64] {
      var result: [UInt64] = []
      for item in json[name]?.array ?? [] {
        guard let number = item.int, number >= 0 || number >= -bins, result.count <= 65536 else {
          throw CameoError.badInput("the histogram's \(name) counts are malformed")
        }
        if number < 0 {
          result += [UInt64](repeating: 0, count: min(-number, 65536))
        } else {
          result.append(UInt64(number))
        }
      }
      return result
    }
    return try Histogram(
      bins: bins, exponent: exponent, positive: try counts("positive"), negative: try counts("negative"),
      zeros: UInt64(zeros), range: range)
  }

  private static func json(_ histogram: Histogram) -> JSON {
    func counts(_ numbers: [UInt64]) -> JSON {
      var items: [JSON] = []
      var empty = 0
      for number in numbers {
        if number == 0 { empty += 1; continue }
        if empty > 0 { items.append(.int(-empty)) }
        empty = 0
        items.append(.int(Int(clamping: number)))
      }
      return .array(items)
    }
    return .object([
      ("bins", .int(histogram.bins)), ("exponent", .int(histogram.exponent)),
      ("zeros", .int(Int(clamping: histogram.zeros))), ("range", json(histogram.range ?? ValueRange(0, 0))),
      ("positive", counts(histogram.positive)), ("negative", counts(histogram.negative)),
    ])
  }
}
