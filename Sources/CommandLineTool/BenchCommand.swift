import ArgumentParser
import Cameo
import GraphIR
import InferenceRuntime
import PassKit
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// `cameo bench`: how long a model takes.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures how long loading, preparing and running a model take.",
    discussion: """
      Inputs that are not given are made: floats normal, integers 1, bools true; dimensions that the model leaves open need --dim.
      Without --iterations and --duration: 100 runs, but no longer than 10 s. Times are those of one run after the other.

      EXAMPLE
        cameo bench model.onnx --dim batch=1 --operators
        cameo bench model.onnx --input image=random:8x3x224x224 --duration 5 --json
      """)

  @Argument(help: "An .onnx file.") var model: String
  @OptionGroup var tensors: TensorArguments
  @OptionGroup var runtime: RuntimeArguments
  @OptionGroup var optimization: OptimizationArguments
  @OptionGroup var plugins: PluginArguments

  @Option(help: ArgumentHelp("Runs before the measured ones (default: 3, at most 3 s).", valueName: "n")) var warmup:
    Int?
  @Option(help: ArgumentHelp("Measured runs.", valueName: "n")) var iterations: Int?
  @Option(help: ArgumentHelp("Measure for so many seconds.", valueName: "s")) var duration: Double?
  @Option(
    help: ArgumentHelp(
      "At most so many runs a second; says how much of a core the time between them takes.", valueName: "n"))
  var rate: Double?
  @Option(
    help: ArgumentHelp(
      "Writes output PRESENT where input PAST lies, in memory with room to grow; * is any text, the same in both. Repeatable.",
      valueName: "past=present"))
  var inPlace: [CachePattern] = []
  @Flag(help: "On a GPU: inputs and outputs stay in its memory, a run copies none of them from or to the host's.")
  var onDevice = false
  @Flag(help: "Also time per operator and per original node, and each kernel against what the machine can do.")
  var operators = false
  @OptionGroup var console: OutputArguments

  func validate() throws {
    if let warmup, warmup < 0 { throw ValidationError("--warmup is 0 or more") }
    if let iterations, iterations < 1 { throw ValidationError("--iterations is 1 or more") }
    if let duration, !(duration > 0) { throw ValidationError("--duration is more than 0") }
    if let rate, !(rate > 0) { throw ValidationError("--rate is more than 0") }
    if iterations != nil, duration != nil { throw ValidationError("give --iterations or --duration") }
  }

  func run() throws {
    try plugins.load()
    runtime.applyMemoryLimit()
    let affinity = try runtime.applyAffinity()
    let progress = console.progress
    defer { progress.clear() }
    progress.show("preparing \(model)")
    let tuning = try runtime.tuning()
    let before = ProcessUsage.peakResidentBytes
    let prepared = try PreparedModel(
      path: model, level: runtime.level, providers: runtime.provider, threads: runtime.threads, seed: tensors.seed,
      optimization: optimization, affinity: affinity, precision: runtime.precision, mode: runtime.mode,
      accuracyDrop: runtime.accuracyDrop, tuning: tuning, progress: { progress.show($0) }, quiet: console.quiet,
      sample: { try tensors.values(for: $0, fills: true) })
    try within("file \(model)") {
      let inputs = try tensors.values(for: prepared.source, fills: true)
      let planning = ContinuousClock.now
      let runner = try Runner(prepared.session, inputs, inPlace, onDevice: onDevice)
      let prepare = prepared.prepareMilliseconds + (ContinuousClock.now - planning).milliseconds
      try runtime.keep(tuning, console)
      progress.show("first run")
      let first = try time { try runner.run() }
      var spent = 0.0
      for index in 0..<(warmup ?? 3) {
        if warmup == nil, spent > 3000 { break }
        progress.show("warm-up", index, of: warmup ?? 3)
        spent += try time { try runner.run() }
      }
      let (times, idle) = try measure(runner, progress)
      progress.clear()
      let peak = ProcessUsage.peakResidentBytes
      let figures = Figure(
        load: prepared.loadMilliseconds, prepare: prepare, first: first, times: times.sorted(),
        arena: prepared.session.arenaBytes, residentBefore: before, residentPeak: peak, copied: runner.copiedBytes,
        idle: idle,
        nodes: prepared.optimized.graph.countedNodes)
      var profile: (Profile, Roofline)?
      if operators {
        let recorded = Profile(prepared.optimized)
        for _ in 0..<min(10, times.count) { try runner.run(profile: recorded) }
        profile = (recorded, try roofline(recorded, prepared, affinity))
      }
      if console.json {
        Console.out(json(figures, prepared, profile).text())
      } else {
        Console.out(text(figures, prepared))
        if let (recorded, roofline) = profile { Console.out(tables(recorded) + "\n\n" + roofline.text()) }
      }
    }
  }

  /// The run loop's two forms: bound memory where shapes are fixed by the inputs, else the general run.
  private final class Runner {
    private let session: Session
    private let inputs: [String: Value]
    private var binding: Binding?
    private var kept: [Tensor] = []

    /// Bytes that a run moves as they are; nil where runs are not bound.
    var copiedBytes: Int? { binding?.copiedBytes }

    init(
      _ session: Session, _ inputs: [String: Value], _ patterns: [CachePattern], onDevice: Bool
    ) throws {
      self.session = session
      self.inputs = inputs
      let shapes = inputs.compactMapValues { $0.tensor?.shape }
      guard shapes.count == inputs.count, !inputs.values.contains(where: { $0.tensor?.dataType == .string }) else {
        return
      }
      // What a Binding refuses (strings, shapes that depend on data), the general run does.
      do {
        let caches = try CachePattern.caches(patterns, session, shapes)
        let binding = try Binding(session, inputs: shapes, caches: caches)
        let inPlace = Set(caches.flatMap { [$0.past, $0.present] })
        for (name, value) in inputs where !inPlace.contains(name) {
          guard let tensor = value.tensor else { continue }
          if onDevice {
            try binding.bindOnDevice(input: name, to: tensor)
          } else {
            try binding.bind(input: name, to: tensor)
          }
        }
        for cache in caches {
          guard let past = inputs[cache.past]?.tensor else { continue }
          let memory = try CachePattern.memory(past, capacity: cache.capacity)
          if onDevice {
            try binding.bindOnDevice(cache: cache.past, to: memory)
            continue
          }
          try binding.bind(
            cache: cache.past, to: UnsafeMutableRawBufferPointer(start: memory.storage.base, count: memory.byteCount))
          kept.append(memory)
        }
        for port in session.outputs where !inPlace.contains(port.name) {
          if onDevice {
            _ = try binding.bindOutputOnDevice(port.name)
          } else {
            kept.append(try binding.bindOutput(port.name))
          }
        }
        self.binding = binding
      } catch let error as CameoError where error.kind == .unsupported && patterns.isEmpty && !onDevice {
        binding = nil
        try session.prepare(inputs: shapes)
      }
    }

    func run(profile: Profile? = nil) throws {
      if let binding {
        if let profile { try binding.run(profile: profile) } else { try binding.run() }
      } else {
        _ = try session.run(values: inputs, profile: profile)
      }
    }
  }

  /// Milliseconds of each run, and, with a rate, the share of a core that the process took between them.
  private func measure(_ runner: Runner, _ progress: Console.Progress) throws -> ([Double], Double?) {
    let limit = duration.map { $0 * 1000 } ?? (iterations == nil ? 10_000 : .infinity)
    let most = iterations ?? (duration == nil ? 100 : .max)
    var times: [Double] = []
    var shown = 0.0
    var spent = 0.0
    var (waited, used) = (0.0, 0.0)
    while times.count < most, times.isEmpty || spent < limit {
      let one = try time { try runner.run() }
      times.append(one)
      spent += one
      if let rate {
        let pause = max(0, 1000 / rate - one)
        let (start, before) = (ContinuousClock.now, ProcessUsage.processorMilliseconds)
        usleep(UInt32(min(pause, 1e6) * 1000))
        waited += (ContinuousClock.now - start).milliseconds
        used += ProcessUsage.processorMilliseconds - before
        spent += pause
      }
      if progress.isShown, spent - shown > 100 {
        shown = spent
        if most < .max {
          progress.show("run \(times.count)", times.count, of: most)
        } else {
          progress.show("run \(times.count)")
        }
      }
    }
    return (times, rate == nil ? nil : used / max(waited, 1e-9))
  }

  /// Against ceilings measured here and now, with as many threads.
  private func roofline(_ profile: Profile, _ prepared: PreparedModel, _ affinity: [Int]) throws -> Roofline {
    if let device = prepared.session.device {
      return Roofline(
        profile, ceilings: try Ceilings(copyingOn: device), arenaBytes: prepared.session.deviceArenaBytes)
    }
    return Roofline(
      profile, ceilings: try .measure(threads: prepared.session.threads, affinity: affinity),
      arenaBytes: prepared.session.arenaBytes)
  }

  private func time(_ body: () throws -> Void) rethrows -> Double {
    let start = ContinuousClock.now
    try body()
    return (ContinuousClock.now - start).milliseconds
  }

  private struct Figure {
    let load, prepare, first: Double
    /// Ascending.
    let times: [Double]
    let arena: Int
    /// The largest resident set before the model was read, and after the measured runs.
    let residentBefore, residentPeak: Int
    let copied: Int?
    /// Share of a core between runs.
    let idle: Double?
    let nodes: Int

    func percentile(_ p: Double) -> Double {
      let place = p * Double(times.count - 1)
      let low = Int(place)
      let high = min(low + 1, times.count - 1)
      return times[low] + (times[high] - times[low]) * (place - Double(low))
    }

    var mean: Double { times.reduce(0, +) / Double(times.count) }
  }

  private func text(_ figure: Figure, _ prepared: PreparedModel) -> String {
    var table = Table(alignments: [.left, .right])
    table.add("load", Figures.milliseconds(figure.load))
    table.add("prepare", Figures.milliseconds(figure.prepare))
    table.add("first run", Figures.milliseconds(figure.first))
    table.add("p50", Figures.milliseconds(figure.percentile(0.5)))
    table.add("p90", Figures.milliseconds(figure.percentile(0.9)))
    table.add("p99", Figures.milliseconds(figure.percentile(0.99)))
    table.add("min", Figures.milliseconds(figure.times[0]))
    table.add("runs a second", Figures.fixed(1000 / figure.mean, 1))
    table.add("peak RSS", Figures.bytes(figure.residentPeak))
    table.add("arena", Figures.bytes(figure.arena))
    let (packed, mapped) = (prepared.session.packedBytes, prepared.session.mappedPackedBytes)
    table.add("packed weights", Figures.bytes(packed))
    if mapped > 0 { table.add("of them mapped", Figures.bytes(mapped)) }
    if prepared.session.device != nil {
      table.add("on the device: arena", Figures.bytes(prepared.session.deviceArenaBytes))
      table.add("on the device: weights", Figures.bytes(prepared.session.residentBytes))
    }
    if let copied = figure.copied { table.add("copied a run", Figures.bytes(copied)) }
    if let idle = figure.idle { table.add("core while idle", Figures.fixed(100 * idle, 2) + "%") }
    return Console.styled(model, .bold)
      + " (\(ProviderChoice.label(runtime.provider)), \(prepared.session.threads) threads, level \(runtime.level), \(figure.nodes) nodes, "
      + "\(figure.times.count) runs)\n" + table.text() + FallbackText.table(prepared.session)
  }

  private func tables(_ profile: Profile) -> String {
    let runs = Double(max(1, profile.runs.count))
    let all = Double(profile.byOperator.reduce(0) { $0 + $1.nanoseconds })
    func table(_ title: String, _ totals: [Profile.Total], _ limit: Int) -> String {
      var table = Table([">ms", ">share", ">calls", title])
      for total in totals.prefix(limit) {
        table.add(
          Figures.fixed(Double(total.nanoseconds) / runs / 1e6, 3),
          Figures.fixed(100 * Double(total.nanoseconds) / max(all, 1), 1) + "%",
          "\(Int(Double(total.calls) / runs))",
          total.name.count > 100 ? String(total.name.prefix(99)) + "…" : total.name)
      }
      return "\n" + table.text(indent: 0) + (totals.count > limit ? "\n… and \(totals.count - limit) more" : "")
    }
    return table("operator", profile.byOperator, 40) + "\n" + table("original nodes", profile.byNode, 25)
  }

  private func json(_ figure: Figure, _ prepared: PreparedModel, _ profile: (Profile, Roofline)?) -> JSON {
    func rounded(_ value: Double) -> JSON { .double((value * 1e4).rounded() / 1e4) }
    var members: [(String, JSON)] = [
      ("model", .string(model)), ("provider", .string(ProviderChoice.label(runtime.provider))),
      ("threads", .int(prepared.session.threads)), ("precision", .string(runtime.precision.rawValue)),
      ("level", .int(runtime.level)), ("load_ms", rounded(figure.load)), ("prepare_ms", rounded(figure.prepare)),
      ("first_ms", rounded(figure.first)), ("p50_ms", rounded(figure.percentile(0.5))),
      ("p90_ms", rounded(figure.percentile(0.9))), ("p99_ms", rounded(figure.percentile(0.99))),
      ("min_ms", rounded(figure.times[0])), ("mean_ms", rounded(figure.mean)),
      ("runs_per_second", rounded(1000 / figure.mean)), ("iterations", .int(figure.times.count)),
      ("peak_rss_bytes", .int(figure.residentPeak)), ("base_rss_bytes", .int(figure.residentBefore)),
      ("arena_bytes", .int(figure.arena)),
      ("packed_bytes", .int(prepared.session.packedBytes)),
      ("mapped_packed_bytes", .int(prepared.session.mappedPackedBytes)), ("nodes", .int(figure.nodes)),
    ]
    if let held = prepared.held { members.append(("narrow", held.json)) }
    if let copied = figure.copied { members.append(("copied_bytes", .int(copied))) }
    if prepared.session.device != nil {
      members.append(("device_arena_bytes", .int(prepared.session.deviceArenaBytes)))
      members.append(("device_weight_bytes", .int(prepared.session.residentBytes)))
      members.append(("on_host", FallbackText.json(prepared.session)))
    }
    if let idle = figure.idle { members.append(("idle_core_share", .double(idle))) }
    if let (profile, roofline) = profile {
      let runs = Double(max(1, profile.runs.count))
      func totals(_ key: String, _ totals: [Profile.Total]) -> JSON {
        .array(
          totals.map {
            .object([
              (key, .string($0.name)), ("ms", rounded(Double($0.nanoseconds) / runs / 1e6)),
              ("calls", .int(Int(Double($0.calls) / runs))),
            ])
          })
      }
      members.append(("operators", totals("operator", profile.byOperator)))
      members.append(("original_nodes", totals("node", profile.byNode)))
      members.append(("kernels", roofline.kernelsJSON))
      members.append(("steps", roofline.stepsJSON))
      members.append(("total", roofline.totalJSON))
      members.append(("ceilings", roofline.ceilingsJSON))
    }
    return .object(members)
  }
}
