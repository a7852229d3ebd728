import ArgumentParser
import CPUProvider
import CUDAProvider
import Cameo
import GraphIR
import InferenceRuntime
import ONNXFormat
import PassKit
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Which provider runs the nodes.
enum ProviderChoice: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// Everything found on this machine, fastest first.
  case auto
  /// The portable evaluation alone.
  case reference
  case cpu
  /// An NVIDIA GPU, and the CPU for what has no kernel there.
  case cuda

  /// Throws where what it takes is not on this machine.
  func providers() throws -> [any ExecutionProvider] {
    switch self {
    case .auto, .cpu: [CPUProvider()]
    case .reference: []
    case .cuda: [try CUDAProvider.shared(), CPUProvider()]
    }
  }

  static func providers(_ choices: [ProviderChoice]) throws -> [any ExecutionProvider] {
    var result: [any ExecutionProvider] = []
    for choice in choices {
      // What stands behind the reference is never asked.
      if choice == .reference { break }
      for provider in try choice.providers() where !result.contains(where: { $0.name == provider.name }) {
        result.append(provider)
      }
    }
    return result
  }

  /// The names of what was chosen, for figures.
  static func label(_ choices: [ProviderChoice]) -> String {
    let chosen = choices.prefix { $0 != .reference }.map { $0 == .auto ? .cpu : $0 }
    var names: [String] = []
    for choice in chosen where !names.contains(choice.rawValue) { names.append(choice.rawValue) }
    return names.isEmpty ? "reference" : names.joined(separator: ",")
  }
}

extension Precision: ExpressibleByArgument {}
extension ExecutionMode: ExpressibleByArgument {}
extension Tuning.Effort: ExpressibleByArgument {}

/// `512MiB`, `4G`, `60%`, or bytes.
struct MemoryLimit: ExpressibleByArgument, Sendable {
  let bytes: Int

  init?(argument: String) {
    let digits = argument.prefix { $0.isNumber || $0 == "." }
    guard let number = Double(digits), number > 0 else { return nil }
    let scale: Double
    switch argument.dropFirst(digits.count).lowercased() {
    case "", "b": scale = 1
    case "k", "kb", "kib": scale = 1024
    case "m", "mb", "mib": scale = 0x1p20
    case "g", "gb", "gib": scale = 0x1p30
    case "%": scale = Double(sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))) / 100
    default: return nil
    }
    guard number * scale < 0x1p62 else { return nil }
    bytes = Int(number * scale)
  }
}

/// `0,2` or `0-3,8`: processors by the system's numbers.
struct ProcessorList: ExpressibleByArgument, Sendable {
  let processors: [Int]

  init?(argument: String) {
    var list: [Int] = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first >= 0, first <= last,
        last < 1024
      else { return nil }
      list += Array(first...last)
    }
    guard !list.isEmpty else { return nil }
    processors = list
  }
}

/// How a model is prepared to run.
struct RuntimeArguments: ParsableArguments {
  @Option(help: ArgumentHelp("auto, cpu, cuda or reference, in order of preference. Repeatable.", valueName: "name"))
  var provider: [ProviderChoice] = [.auto]
  @Option(help: ArgumentHelp("How far the model is optimized first, 0 to 3.", valueName: "level")) var level = 3
  @Option(help: ArgumentHelp("Threads that work at once; 0: one for each core.", valueName: "n")) var threads = 0
  @Option(
    help: ArgumentHelp(
      "Processors to run on, a thread to each: 0,2 or 0-3. Without --threads as many threads.", valueName: "list"))
  var affinity: ProcessorList?
  @Option(
    help: ArgumentHelp(
      "What products of float32 are computed in; no level lowers it. auto: bf16 where the processor has instructions for it.",
      valueName: "type"))
  var precision = Precision.fp32
  @Option(
    help: ArgumentHelp(
      "With --precision bf16 or fp16: nodes stay float32 until the outputs for these inputs are within this of float32's (max|a-b| / max|a|). Makes some 50 sessions at most.",
      valueName: "x"))
  var accuracyDrop: Double?
  @Option(
    help: ArgumentHelp(
      "For a GPU: default; reduce-overhead starts recorded runs (CUDA graphs); max-autotune also times kernels at prepare.",
      valueName: "mode"))
  var mode = ExecutionMode.standard
  @Option(
    help: ArgumentHelp(
      "Choose between kernels' forms and the model's layouts by measuring them: quick or full; cached takes what was measured before.",
      valueName: "effort"))
  var tune: Tuning.Effort?
  @Option(
    help: ArgumentHelp(
      "Where that is kept (default: $CAMEO_TUNING, or cameo/tuning.txt in the cache folder).", valueName: "file"))
  var tuningFile: String?
  @Option(
    help: ArgumentHelp(
      "Most memory that all tensors together may take (mapped weights aside): 512MiB, 4G, 60%.", valueName: "size"))
  var memoryLimit: MemoryLimit?

  func validate() throws {
    if !(0...3).contains(level) { throw ValidationError("--level is 0 to 3") }
    try PreparedModel.validate(accuracyDrop, precision, "--accuracy-drop")
    if tuningFile != nil, tune == nil { throw ValidationError("--tuning-file needs --tune") }
    if threads < 0 || threads > 4096 { throw ValidationError("--threads is 0 to 4096") }
  }

  /// Binds this thread to the first of the processors that were asked for; those for the session's own threads.
  func applyAffinity() throws -> [Int] {
    guard let processors = affinity?.processors else { return [] }
    for processor in processors.reversed() where !ThreadPool.bindCurrentThread(to: [processor]) {
      throw CameoError.badInput("--affinity: this process may not run on processor \(processor)")
    }
    return processors
  }

  /// What `--tune` asks for, with what is known already.
  func tuning() throws -> Tuning? {
    guard let tune else { return nil }
    guard let path = tuningFile ?? TuningFile.standardPath else { return Tuning(effort: tune) }
    return try TuningFile.load(path, effort: tune)
  }

  /// Keeps what was measured, and says what was done.
  func keep(_ tuning: Tuning?, _ console: OutputArguments) throws {
    guard let tuning, tuning.measurementCount > 0, let path = tuningFile ?? TuningFile.standardPath else { return }
    try TuningFile.save(tuning, to: path)
    console.note("cameo: \(tuning.measurementCount) measurements were made, what was found is in \(path)")
  }

  func applyMemoryLimit() {
    if let memoryLimit { MemoryBudget.shared.limit = memoryLimit.bytes }
  }
}

/// A model made ready: optimized to a level, in a session.
struct PreparedModel {
  /// As it was read.
  let source: Model
  /// As it runs.
  let optimized: Model
  let report: OptimizationReport
  let session: Session
  /// Where an accuracy was asked for.
  let held: HeldPrecision?
  /// False where the file was prepared, or level 0 was asked for.
  let hasRunPasses: Bool
  /// What the session was made with.
  let providers: [any ExecutionProvider]
  let options: SessionOptions
  let loadMilliseconds: Double
  let prepareMilliseconds: Double

  init(
    path: String, level: Int, providers: [ProviderChoice], threads: Int, seed: UInt64 = 0,
    optimization: OptimizationArguments = OptimizationArguments.defaults, keeping names: [String] = [],
    pool: ThreadPool? = nil, affinity: [Int] = [], precision: Precision = .fp32, mode: ExecutionMode = .standard,
    accuracyDrop: Double? = nil, tuning: Tuning? = nil, progress: ((String) -> Void)? = nil,
    quiet: Bool = false, sample: (Model) throws -> [String: Value]? = { _ in nil }
  ) throws {
    let start = ContinuousClock.now
    let note: @Sendable (String) -> Void = { if !quiet { Console.note("cameo: \($0)") } }
    let chosen = try ProviderChoice.providers(providers)
    let file = try PreparedFile(contentsOf: path, providers: chosen, notice: note)
    if let text = file.note { note(text) }
    var source = file.model
    loadMilliseconds = (ContinuousClock.now - start).milliseconds
    let isReady = file.isReady && optimization.isDefault && PluginArguments.passes.isEmpty
    let runsPasses = !isReady && (level > 0 || !optimization.enable.isEmpty)
    hasRunPasses = runsPasses
    let extra = try optimization.ruleFiles.passes(disabled: optimization.disable)
    var optimizing = try optimization.options(level: level, bindings: [:], extra: extra)
    if level >= 3 { for provider in chosen { optimizing.enabled.formUnion(provider.passes) } }
    var settings = SessionOptions()
    settings.threads = threads
    settings.affinity = affinity
    settings.seed = seed
    settings.precision = precision
    settings.mode = mode
    settings.tuning = tuning
    settings.pool = pool
    settings.packs = file.packs
    self.providers = chosen
    let began = ContinuousClock.now
    let result: (source: Model, optimized: Model, report: OptimizationReport, session: Session) = try within(
      "file \(path)"
    ) {
      try PreparedModel.keep(names, in: &source)
      func optimize(without passes: Set<String>) throws -> (model: Model, report: OptimizationReport) {
        guard runsPasses else { return (source, OptimizationReport()) }
        var optimizer = Optimizer(options: optimizing, verification: nil)
        optimizer.extraPasses = extra
        optimizer.options.disabled.formUnion(passes)
        return try optimizer.optimizeWatched(source)
      }
      if tuning != nil, let inputs = try sample(source) {
        let tuned = try LayoutTuning(providers: chosen, options: settings).session(inputs: inputs, optimize: optimize)
        return (source, tuned.model, tuned.report, tuned.session)
      }
      let (optimized, report) = try optimize(without: [])
      return (source, optimized, report, try Session(optimized, providers: chosen, options: settings))
    }
    (self.source, optimized, report) = (result.source, result.optimized, result.report)
    guard let accuracyDrop else {
      (session, held, options) = (result.session, nil, settings)
      prepareMilliseconds = (ContinuousClock.now - began).milliseconds
      return
    }
    settings.pool = result.session.pool
    let held = try within("file \(path)") {
      guard let inputs = try sample(result.source) else {
        throw CameoError.badInput("--accuracy-drop needs the inputs")
      }
      return try HeldPrecision.search(
        result.optimized, providers: chosen, options: settings, inputs: inputs, limit: accuracyDrop, progress: progress)
    }
    settings.exactNodes = held.exactNodes
    note("\(precision.rawValue): \(held.coverage.summary), the rest float32: \(held.accuracy.summary)")
    session = try Session(result.optimized, providers: chosen, options: settings)
    (self.held, options) = (held, settings)
    prepareMilliseconds = (ContinuousClock.now - began).milliseconds
  }

  /// Throws where what `flag` says goes with nothing.
  static func validate(_ accuracyDrop: Double?, _ precision: Precision, _ flag: String) throws {
    guard let accuracyDrop else { return }
    if !(accuracyDrop > 0) { throw ValidationError("\(flag) is more than 0") }
    if precision != .bf16 && precision != .fp16 { throw ValidationError("\(flag) needs a precision of bf16 or fp16") }
  }

  /// Makes the values of these names, or the results of the nodes of these names, outputs of the model.
  private static func keep(_ names: [String], in model: inout Model) throws {
    if names.isEmpty { return }
    var graph = model.graph
    var outputs = graph.outputs
    for name in names {
      var found: [ValueID] = []
      for id in graph.nodes where graph[id].name == name { found += graph[id].outputs.compactMap { $0 } }
      if found.isEmpty {
        found = graph.allValues.filter { graph[$0].region == .main && !graph[$0].isConstant && graph[$0].name == name }
      }
      if found.isEmpty {
        let isNested =
          graph.allNodes.contains { graph[$0].name == name } || graph.allValues.contains { graph[$0].name == name }
        throw CameoError.badInput(
          "--dump \(name): "
            + (isNested
              ? "it lies in the body of a control-flow node, or is a constant"
              : "there is no node or value of this name"))
      }
      for value in found where !outputs.contains(value) { outputs.append(value) }
    }
    graph.setOutputs(outputs)
    model.graph = graph
  }
}

extension HeldPrecision {
  var json: JSON {
    .object([
      ("products", .int(coverage.products)), ("narrow", .int(coverage.narrowProducts)),
      ("multiply_adds", .int(coverage.multiplyAdds)), ("narrow_multiply_adds", .int(coverage.narrowMultiplyAdds)),
      ("limit", .double(accuracy.limit)), ("before", .double(accuracy.before)), ("after", .double(accuracy.after)),
      ("sessions", .int(accuracy.sessions)),
      (
        "kept",
        .array(kept.map { .object([("node", .string($0.node)), ("reason", .string($0.reason))]) })
      ),
    ])
  }
}

extension OptimizationArguments {
  /// As on an empty command line.
  static var defaults: OptimizationArguments { (try? OptimizationArguments.parse([])) ?? OptimizationArguments() }
}

/// What this process has taken so far.
enum ProcessUsage {
  /// Processor time of all threads.
  static var processorMilliseconds: Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func milliseconds(_ time: timeval) -> Double { Double(time.tv_sec) * 1000 + Double(time.tv_usec) / 1000 }
    return milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime)
  }

  /// Largest resident set, in bytes. getrusage's would begin with that of the process that started this one.
  static var peakResidentBytes: Int {
    let descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return 0 }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 1 << 14)
    let count = max(0, read(descriptor, &buffer, buffer.count))
    let line = buffer[..<count].split(separator: UInt8(ascii: "\n")).first { $0.starts(with: "VmHWM:".utf8) }
    let digits = line?.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? []
    return (Int(String(decoding: digits, as: UTF8.self)) ?? 0) * 1024
  }
}

extension Session {
  /// Bytes of the largest arena of the plans made so far.
  var arenaBytes: Int { plans.map(\.memory.peakBytes).max() ?? 0 }
}
