import GraphIR
import InferenceRuntime
import PassKit
import Quantization
import Tensors

/// How long a run of a quantized model takes beside one of the float model: medians of runs that took turns on this machine.
public struct SpeedComparison: Sendable {
  /// With one number of threads.
  public struct Timing: Sendable {
    public var floatMilliseconds: Double
    public var milliseconds: Double
    public var threads: Int

    /// Above 1: the quantized model is faster.
    public var ratio: Double { floatMilliseconds / milliseconds }

    /// `2 threads`.
    var place: String { "\(threads) thread\(threads == 1 ? "" : "s")" }

    /// `8.20 ms -> 2.65 ms, 2 threads`.
    var summary: String {
      "\(Figures.milliseconds(floatMilliseconds)) -> \(Figures.milliseconds(milliseconds)), \(place)"
    }
  }

  /// With the session's threads.
  public var main: Timing
  /// With others.
  public var others: [Timing] = []

  /// The one that gains least.
  public var least: Timing { others.reduce(main) { $1.ratio < $0.ratio ? $1 : $0 } }

  /// `3.1 times as fast as the float model (8.20 ms -> 2.65 ms, 2 threads; 14.1 ms -> 4.02 ms, 1 thread)`: what is gained with the
  /// session's threads, unless another number of them loses.
  public var summary: String {
    let times = "(\(([main] + others).map(\.summary).joined(separator: "; ")))"
    if least.ratio >= 1 { return "\(Figures.fixed(main.ratio, 2)) times as fast as the float model \(times)" }
    let place = others.isEmpty ? "" : " on \(least.place)"
    return "SLOWER than the float model\(place): \(Figures.fixed(1 / least.ratio, 2)) times its time \(times)"
  }
}

/// Two models on one sample, in turns.
struct SpeedMeasurement {
  private static let rounds = 9
  /// What a model may take in a round, at least one run.
  private static let roundMilliseconds = 15.0
  private let sample: CalibrationSample
  /// One for each number of threads, the caller's own first. Sessions of one number at a time hold memory.
  private let options: [SessionOptions]
  private let float: Model

  /// `float` is optimized for running here, like each model that is compared with it. Where `options` leave the number of threads open, both
  /// are also timed on one: users will run them on some of the cores.
  init(_ float: Model, _ sample: CalibrationSample, _ options: SessionOptions) throws {
    self.sample = sample
    var all = [options]
    if options.threads == 0, ThreadPool.availableCores > 1 {
      var one = options
      (one.threads, one.pool) = (1, nil)
      all.append(one)
    }
    self.options = all
    self.float = try Evaluation.optimized(float)
  }

  func compare(_ model: Model) throws -> SpeedComparison {
    let optimized = try Evaluation.optimized(model)
    var timings = try options.map { try compare(try session(float, $0), try session(optimized, $0)) }
    return SpeedComparison(main: timings.removeFirst(), others: timings)
  }

  private func session(_ model: Model, _ options: SessionOptions) throws -> Session {
    try Session(model, providers: Providers.all(), options: options)
  }

  private func compare(_ float: Session, _ session: Session) throws -> SpeedComparison.Timing {
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
    return SpeedComparison.Timing(
      floatMilliseconds: Self.median(times[0]), milliseconds: Self.median(times[1]), threads: session.threads)
  }

  private func milliseconds(_ session: Session) throws -> Double {
    let start = ContinuousClock.now
    _ = try within(sample.name) { try session.run(values: sample.inputs) }
    return (ContinuousClock.now - start).milliseconds
  }

  private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  /// Milliseconds of the steps that stand for each of `nodes`, in the float model and in `model`, on so many threads of those that are timed.
  /// A step that stands for several is divided among them.
  func costs(
    _ model: Model, of nodes: [NodeID: Origins], threads: Int
  ) throws -> [NodeID: (float: Double, quantized: Double)] {
    let options = options.first { $0.threads == threads } ?? options[0]
    let before = try costs(try session(float, options), float, nodes)
    let optimized = try Evaluation.optimized(model)
    let after = try costs(try session(optimized, options), optimized, nodes)
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
