public import GraphIR
import Operators
public import PassKit
import Passes
import Tensors

/// Optimizes models: the default pipeline, verification, bisection of a pass that changes results.
public struct Optimizer: Sendable {
  public var options: OptimizationOptions
  /// nil: the result is not checked on numbers.
  public var verification: VerificationOptions?
  /// Whose passes run, too, each in its place; those that are loaded when the optimizer is made.
  public var plugins = Plugin.loaded
  /// Passes beyond the built-in ones; they run after the fusions, until nothing changes. One with the name of a built-in pass that
  /// is disabled takes that pass's place.
  public var extraPasses: [any Pass] = []
  /// Told the pass's name before each pass runs.
  public var progress: (@Sendable (String) -> Void)?

  public init(
    options: OptimizationOptions = OptimizationOptions(), verification: VerificationOptions? = VerificationOptions()
  ) {
    self.options = options
    self.verification = verification
  }

  /// The optimized model and what was done. Where verification finds a difference, the pass that makes it is switched off and
  /// named in `report.verification.culprit`; `report.verification.passed` is false where no such pass was found.
  public func optimize(_ model: Model) throws -> (model: Model, report: OptimizationReport) {
    var source = model
    // What comes out is another model than the one whose weights were packed.
    source.metadata.removeAll { $0.key == PreparedFile.metadataKey }
    try specialize(&source)
    var disabled = options.disabled.subtracting(extraPasses.map(\.name))
    guard let verification else { return try run(source, disabling: disabled) }
    let verifier = try Verifier(source: source, options: verification)
    let auditor = verification.checksEachChange ? try verifier.changeVerifier() : nil
    var result = try run(source, disabling: disabled, auditor)
    var record = try verifier.check(result.model)
    var culprits = auditor?.culprits ?? []
    disabled.formUnion(culprits)
    while !record.passed, culprits.count < 4 {
      guard let culprit = try bisect(source, result.report, verifier, disabled: disabled) else { break }
      culprits.append(culprit)
      disabled.insert(culprit)
      result = try run(source, disabling: disabled)
      record = try verifier.check(result.model)
    }
    if let auditor {
      record.comparedValues = auditor.compared
      record.uncheckedChanges = auditor.unchecked
    }
    if !culprits.isEmpty {
      record.culprit = culprits.joined(separator: ", ")
      let alreadyTold = Set(auditor?.culprits ?? [])
      result.report.failures += culprits.filter { !alreadyTold.contains($0) }.map {
        "pass \($0) changes the result and was left out"
      }
    }
    result.report.verification = record
    return result
  }

  private func run(_ source: Model, disabling disabled: Set<String>, _ auditor: ChangeVerifier? = nil) throws -> (
    model: Model, report: OptimizationReport
  ) {
    var settings = options
    settings.disabled = disabled
    let replaced = extraPasses.filter { options.disabled.contains($0.name) }
    let added = extraPasses.filter { !options.disabled.contains($0.name) }.map { PlacedPass($0, place: .fusions) }
    let stages = Pipelines.stages(with: plugins.flatMap(\.passes) + added).map { stage in
      PassManager.Stage(
        stage.passes.map { pass in replaced.first { $0.name == pass.name } ?? pass }, rounds: stage.rounds)
    }
    var manager = PassManager(stages: stages, options: settings)
    manager.progress = progress
    manager.auditor = auditor
    return try manager.run(source)
  }

  /// The first pass, in the order of application, without which the result was still right.
  private func bisect(
    _ source: Model, _ report: OptimizationReport, _ verifier: Verifier, disabled: Set<String>
  ) throws -> String? {
    let applied = report.passes.filter { $0.applied > 0 }.map(\.name)
    var low = 0
    var high = applied.count
    // Invariant: with the first `low` passes the result is right, with the first `high` it is wrong.
    while high - low > 1 {
      let middle = (low + high) / 2
      let off = disabled.union(applied.suffix(from: middle))
      if try verifier.check(try run(source, disabling: off).model).passed { low = middle } else { high = middle }
    }
    return high > 0 && high <= applied.count ? applied[high - 1] : nil
  }

  /// Fixes symbols and input shapes that the caller gave.
  private func specialize(_ model: inout Model) throws {
    guard !options.bindings.isEmpty || !options.inputTypes.isEmpty else { return }
    for value in model.graph.allValues {
      if let type = model.graph[value].type { model.graph.setType(type.substituting(options.bindings), of: value) }
    }
    for (name, type) in options.inputTypes {
      guard let input = model.graph.inputs.first(where: { model.graph[$0].name == name }) else {
        throw CameoError.badInput("there is no input \(name)")
      }
      model.graph.setType(type, of: input)
    }
  }
}
