import GraphIR
import InferenceRuntime
import PassKit
import Quantization
import Tensors

/// How long a run of a quantized model takes beside one of the float model: medians of runs that took turns on this machine.
public struct SpeedComparison: Sendable {
  public var floatMilliseconds: Double
  public var milliseconds: Double
  public var threads: Int

  /// Above 1: the quantized model is faster.
  public var ratio: Double { floatMilliseconds / milliseconds }

  /// `3.1 times as fast as the float model (8.20 ms -> 2.65 ms, 2 threads)`.
  public var summary: String {
    let times =
      "(\(Figures.milliseconds(floatMilliseconds)) -> \(Figures.milliseconds(milliseconds)), "
      + "\(threads) thread\(threads == 1 ? "" : "s"))"
    if ratio >= 1 { return "\(Figures.fixed(ratio, 2)) times as fast as the float model \(times)" }
    return "SLOWER than the float model: \(Figures.fixed(1 / ratio, 2)) times its time \(times)"
  }
}

/// Two models on one sample, in turns.
struct SpeedMeasurement {
  private static let rounds = 9
  /// What a model may take in a round, at least one run.
  private static let roundMilliseconds = 15.0
  private let sample: CalibrationSample
  private let options: SessionOptions
  private let float: Session
  private let floatModel: Model

  /// `float` is optimized for running here, like each model that is compared with it.
  init(_ float: Model, _ sample: CalibrationSample, _ options: SessionOptions) throws {
    self.sample = sample
    self.options = options
    (floatModel, self.float) = try Evaluation.prepared(float, options)
  }

  func compare(_ model: Model) throws -> SpeedComparison {
    let (_, session) = try Evaluation.prepared(model, options)
    return try compare(session)
  }

  private func compare(_ session: Session) throws -> SpeedComparison {
    let sessions = [float, session]
    let counts = try sessions.map { session -> Int in
      _ = try milliseconds(session)
      return max(1, Int(Self.roundMilliseconds / max(try milliseconds(session), 0.001)))
    }
    var times: [[Double]] = [[], []]
    for round in 0..<Self.rounds {
      for index in round % 2 == 0 ? [0, 1] : [1, 0] {
        var runs: [Double] = []
        for _ in 0..<counts[index] { runs.append(try milliseconds(sessions[index])) }
        times[index].append(Self.median(runs))
      }
    }
    return SpeedComparison(
      floatMilliseconds: Self.median(times[0]), milliseconds: Self.median(times[1]), threads: session.threads)
  }

  private func milliseconds(_ session: Session) throws -> Double {
    let start = ContinuousClock.now
    _ = try within(sample.name) { try session.run(values: sample.inputs) }
    return (ContinuousClock.now - start).milliseconds
  }

  private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  /// Milliseconds of the steps that stand for each of `nodes`, in the float model and in `model`. A step that stands for several is
  /// divided among them.
  func costs(_ model: Model, of nodes: [NodeID: Origins]) throws -> [NodeID: (float: Double, quantized: Double)] {
    let (optimized, session) = try Evaluation.prepared(model, options)
    let before = try costs(float, floatModel, nodes)
    let after = try costs(session, optimized, nodes)
    return Dictionary(uniqueKeysWithValues: nodes.keys.map { ($0, (before[$0] ?? 0, after[$0] ?? 0)) })
  }

  private func costs(_ session: Session, _ model: Model, _ nodes: [NodeID: Origins]) throws -> [NodeID: Double] {
    var owners: [UInt32: [NodeID]] = [:]
    for (node, origins) in nodes { for index in origins.indices { owners[UInt32(index), default: []].append(node) } }
    let profile = Profile(model)
    let runs = 5
    for _ in 0..<runs { _ = try session.run(values: sample.inputs, profile: profile) }
    var sums: [NodeID: Double] = [:]
    for event in profile.runs.joined() {
      let found = Set(event.origins.indices.flatMap { owners[UInt32($0)] ?? [] })
      for node in found {
        sums[node, default: 0] += Double(event.end - event.start) / 1e6 / Double(found.count * runs)
      }
    }
    return sums
  }
}
