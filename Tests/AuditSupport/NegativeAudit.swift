import CPUProvider
import Dispatch
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Feeds mutations of node tests to inference, evaluation and a session, and judges what they say.
public struct NegativeAudit {
  public struct Outcome: Sendable {
    /// The first error, or nil where all stages went through.
    public let message: String?
    public let stage: String
    /// What is wrong with it.
    public let complaints: [String]
  }

  private let pool = ThreadPool(threads: 1)
  /// A case that runs longer is stopped between two nodes.
  public var seconds = 0.5

  public init() {}

  /// One mutation of a test through all stages; `stage` is told before each. Errors of other types than `CameoError` are
  /// complaints.
  public func outcome(_ test: NodeTest, _ mutation: Mutation, stage: (String) -> Void = { _ in }) -> Outcome {
    var first: (message: String, stage: String)?
    var complaints: [String] = []
    func attempt(_ name: String, _ body: () throws -> Void) {
      stage(name)
      do { try body() } catch let error as CameoError {
        if error.kind == .cancelled { return }
        if first == nil { first = (error.description, name) }
        complaints += judge(error, test, mutation).map { "\(name): \($0): \(error)" }
      } catch { complaints.append("\(name): not a CameoError: \(error)") }
    }
    attempt("infer") { try infer(test, mutation) }
    if mutation.judgement == .inferenceError, first == nil {
      complaints.append("infer: nothing was said, an error was expected")
    }
    attempt("evaluate") {
      // An error that is expected is waited for on a slow machine, too.
      let limit = mutation.judgement == .error ? 40 * seconds : seconds
      let deadline = ContinuousClock.now.advanced(by: .seconds(limit))
      let evaluator = GraphEvaluator(mutation.graph, functions: test.model.functions)
      evaluator.checkpoint = { if ContinuousClock.now > deadline { throw CameoError(.cancelled, "out of time") } }
      _ = try evaluator.run(mutation.inputs)
    }
    if mutation.judgement == .error, first == nil { complaints.append("nothing was said, an error was expected") }
    attempt("session") {
      var options = SessionOptions()
      options.pool = pool
      var model = test.model
      model.graph = mutation.graph
      let session = try Session(model, providers: [CPUProvider()], options: options)
      var named: [String: Value] = [:]
      for (id, value) in zip(mutation.graph.inputs, mutation.inputs) { named[mutation.graph[id].name] = value }
      let cancellation = Cancellation()
      let timer = DispatchWorkItem { cancellation.cancel() }
      DispatchQueue.global().asyncAfter(deadline: .now() + seconds, execute: timer)
      defer { timer.cancel() }
      _ = try session.run(values: named, cancellation: cancellation)
    }
    return Outcome(message: first?.message, stage: first?.stage ?? "done", complaints: complaints)
  }

  private func infer(_ test: NodeTest, _ mutation: Mutation) throws {
    var options = ShapeInference.Options()
    for (id, value) in zip(mutation.graph.inputs, mutation.inputs) {
      if let type = value?.staticType { options.inputTypes[id] = type }
    }
    try ShapeInference(mutation.graph, functions: test.model.functions, options: options).run()
  }

  /// Messages name the node and its operator, in one line, and blame the input and not the program.
  private func judge(_ error: CameoError, _ test: NodeTest, _ mutation: Mutation) -> [String] {
    var complaints: [String] = []
    let text = error.description
    if error.kind == .invariant { complaints.append("it blames an invariant") }
    if text.contains("\n") { complaints.append("several lines") }
    // Values that a caller hands over are checked against the declaration first; memory has no node.
    let isAboutInput = text.hasPrefix("input ") || text.hasPrefix("value ")
    if mutation.judgement != .either, !isAboutInput, error.kind != .limit, let name = test.operatorName,
      !text.contains("(\(name))")
    {
      complaints.append("it does not name the operator")
    }
    return complaints
  }
}
