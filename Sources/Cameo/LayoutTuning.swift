public import GraphIR
public import InferenceRuntime
public import PassKit
import Passes
public import Tensors

/// Chooses the layout of images by running the whole model in both, where `SessionOptions.tuning` is set: channels last as the passes leave it,
/// or as the file has it. The winner for a model with these shapes on this machine is remembered with the kernels' forms.
public struct LayoutTuning {
  /// A model in the form that was found the fastest.
  public typealias Result = (model: Model, report: OptimizationReport, session: Session)

  private let providers: [any ExecutionProvider]
  private let options: SessionOptions

  /// What the sessions are made of, and with.
  public init(providers: [any ExecutionProvider], options: SessionOptions) {
    self.providers = providers
    self.options = options
  }

  /// `optimize` gives the model without the passes of these names, ready to run. It is called once where none of them has applied or nothing
  /// is tuned; else the second form is made only to be measured, or where it is the faster one.
  public func session(
    inputs: [String: Value], optimize: (Set<String>) throws -> (model: Model, report: OptimizationReport)
  ) throws -> Result {
    let (model, report) = try optimize([])
    let first = try Session(model, providers: providers, options: options)
    let asItIs: Result = (model, report, first)
    let pass = UseChannelsLast.pass.name
    guard let tuning = options.tuning, report.passes.contains(where: { $0.name == pass && $0.applied > 0 }) else {
      return asItIs
    }
    let key = Tuning.key(
      "layout", model.graph, inputs: first.inputs.map { inputs[$0.name] }.compactMap { $0 }, providers: providers,
      threads: first.threads, precision: options.precision)
    var second: Result?
    func other() throws -> Result {
      if let second { return second }
      var options = options
      options.pool = first.pool
      let (model, report) = try optimize([pass])
      let made: Result = (model, report, try Session(model, providers: providers, options: options))
      second = made
      return made
    }
    let form = try tuning.form(key, of: 2) {
      try tuning.seconds([first, other().session], inputs: inputs)
    }
    return form == 0 ? asItIs : try other()
  }
}
