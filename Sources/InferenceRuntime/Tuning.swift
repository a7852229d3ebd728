import GraphIR
import Tensors

import struct Synchronization.Atomic

/// Which way each question that a kernel asks while it is prepared was answered: by its name, the number of the option.
public struct TuningAnswers: Sendable, Equatable {
  var options: [String: Int] = [:]

  /// `cut=2,form=1`; empty where every question has the heuristic's answer.
  var text: String { options.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",") }

  init() {}

  /// nil where `text` is none.
  init?(text: some StringProtocol) {
    for part in text.split(separator: ",") {
      let sides = part.split(separator: "=", omittingEmptySubsequences: false)
      guard sides.count == 2, !sides[0].isEmpty, let option = Int(sides[1]), option > 0 else { return nil }
      options[String(sides[0])] = option
    }
  }
}

/// The questions that were asked while a kernel was prepared.
final class TuningQuestions: Sendable {
  private let counts = Mutex<[String: Int]>([:])
  func note(_ question: String, _ count: Int) { counts.withLock { $0[question] = max($0[question] ?? 0, count) } }
  /// By name, those with more than one answer.
  var asked: [(name: String, count: Int)] {
    counts.withLock { $0 }.filter { $0.value > 1 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
}

/// Chooses between a kernel's forms by running them, and remembers the fastest of each operator, its shapes and the machine.
///
/// Kernels ask through `KernelRequest.choice`; answer 0 is the heuristic's, which serves wherever nothing was measured. Results of
/// different forms may differ by rounding. Any number of sessions may share one.
public final class Tuning: Sendable {
  public enum Effort: String, Sendable, CaseIterable {
    /// Takes what is remembered and measures nothing.
    case cached
    /// Measures one question after the other.
    case quick
    /// Measures every combination of answers, at most 64, and longer.
    case full
  }

  public let effort: Effort
  private let known: Mutex<[String: TuningAnswers]>
  private let measurements = Atomic<Int>(0)

  /// `text`: what `text` of an earlier one was; lines that are no entry are left out.
  public init(effort: Effort, text: String = "") {
    self.effort = effort
    var table: [String: TuningAnswers] = [:]
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      if fields.count == 2, !fields[0].isEmpty, let answers = TuningAnswers(text: fields[1]) {
        table[String(fields[0])] = answers
      }
    }
    known = Mutex(table)
  }

  /// A line for each entry: machine, operator and shapes, a tab, the answers.
  public var text: String {
    known.withLock { $0 }.sorted { $0.key < $1.key }.map { "\($0.key)\t\($0.value.text)\n" }.joined()
  }

  /// Kernels, and rounds of whole models, that were run to find something out.
  public var measurementCount: Int { measurements.load(ordering: .relaxed) }

  func remembered(_ key: String) -> TuningAnswers? { known.withLock { $0[key] } }
  func remember(_ key: String, _ answers: TuningAnswers) { known.withLock { $0[key] = answers } }
  func noteMeasurement() { measurements.add(1, ordering: .relaxed) }

  /// The answers for a request, measured now where they are not known and may be.
  func answers(_ request: KernelRequest, _ provider: any ExecutionProvider, pool: ThreadPool) -> TuningAnswers {
    guard let key = Tuning.key(request, provider) else { return TuningAnswers() }
    if let found = remembered(key) { return found }
    if effort == .cached { return TuningAnswers() }
    let best = measured(request, provider, pool)
    remember(key, best)
    return best
  }

  /// nil where a node has a body, or an attribute whose text would be long.
  private static func key(_ request: KernelRequest, _ provider: any ExecutionProvider) -> String? {
    let node = request.node
    if !node.regions.isEmpty { return nil }
    func text(_ operand: Operand?) -> String {
      guard let operand else { return "-" }
      let type = operand.type == .bfloat16 ? DataType.float : operand.type
      return "\(type.name)\(operand.shape)\(operand.constant == nil ? "" : "!")"
    }
    var parts = [
      provider.machine, "threads \(request.threads)", request.precision.rawValue,
      "\(node.operatorName.domain):\(node.operatorName.name)",
    ]
    for attribute in node.attributes {
      switch attribute.value {
      case .tensor, .tensors, .graph, .graphs: return nil
      default: parts.append("\(attribute.name)=\(attribute.value)")
      }
    }
    parts += (request.inputs + request.outputs).map(text)
    let key = parts.joined(separator: " ")
    return key.utf8.count > 4096 || key.contains(where: { $0 == "\t" || $0 == "\n" }) ? nil : key
  }

  // MARK: Measuring

  private func measured(
    _ request: KernelRequest, _ provider: any ExecutionProvider, _ pool: ThreadPool
  ) -> TuningAnswers {
    let questions = TuningQuestions()
    var probe = request
    probe.questions = questions
    guard (try? provider.prepare(probe)) != nil, !questions.asked.isEmpty else { return TuningAnswers() }
    let asked = questions.asked
    var best = TuningAnswers()
    guard var least = time(request, provider, pool, best) else { return best }
    func attempt(_ answers: TuningAnswers) {
      // What is not faster by more than measurements scatter is no reason to leave the heuristic.
      guard let seconds = time(request, provider, pool, answers), seconds < least * 0.97 else { return }
      (best, least) = (answers, seconds)
    }
    switch effort {
    case .cached: break
    case .quick:
      for (name, count) in asked {
        let before = best
        for option in 1..<count {
          var answers = before
          answers.options[name] = option
          attempt(answers)
        }
      }
    case .full:
      let combinations = asked.reduce(1) { min(64, $0 * $1.count) }
      for index in 1..<max(2, combinations) {
        var rest = index
        var answers = TuningAnswers()
        for (name, count) in asked {
          if rest % count > 0 { answers.options[name] = rest % count }
          rest /= count
        }
        attempt(answers)
      }
    }
    return best
  }

  /// Seconds of a run of the node alone, the median of several; nil where it cannot be prepared so.
  private func time(
    _ request: KernelRequest, _ provider: any ExecutionProvider, _ pool: ThreadPool, _ answers: TuningAnswers
  ) -> Double? {
    noteMeasurement()
    do {
      let (graph, given) = try Tuning.graph(request)
      var options = SessionOptions()
      options.pool = pool
      options.precision = request.precision
      options.answers = answers
      let session = try Session(Model(graph: graph), providers: [provider], options: options)
      let binding = try Binding(session, inputs: given.mapValues(\.shape))
      for (name, tensor) in given { try binding.bind(input: name, to: tensor) }
      let results = try session.outputs.map { try binding.bindOutput($0.name) }
      defer { withExtendedLifetime(results) {} }
      try binding.run()
      var times: [UInt64] = []
      let (fewest, longest): (Int, UInt64) = effort == .full ? (15, 100_000_000) : (5, 20_000_000)
      var spent: UInt64 = 0
      while times.count < fewest || (spent < longest && times.count < 1000) {
        let start = ThreadPool.nanoseconds()
        try binding.run()
        times.append(ThreadPool.nanoseconds() - start)
        spent += times[times.count - 1]
        if spent > 40 * longest { break }
      }
      return Double(times.sorted()[times.count / 2]) * 1e-9
    } catch {
      return nil
    }
  }

  /// The node as a model of its own, and inputs for it: floats between -1 and 1, other types zeros.
  private static func graph(_ request: KernelRequest) throws -> (Graph, [String: Tensor]) {
    var graph = Graph()
    var given: [String: Tensor] = [:]
    var inputs: [ValueID?] = []
    for (index, operand) in request.inputs.enumerated() {
      guard let operand else { inputs.append(nil); continue }
      if let constant = operand.constant { inputs.append(graph.addConstant(constant, name: "c\(index)")); continue }
      if operand.room != nil { throw CameoError.unsupported("a cache in place") }
      let type = operand.type == .bfloat16 ? DataType.float : operand.type
      let value = graph.addValue(name: "x\(index)", type: .tensor(type, operand.shape.map { Dim($0) }))
      graph.addInput(value)
      inputs.append(value)
      given["x\(index)"] = try sample(type, operand.shape)
    }
    let outputs = request.outputs.enumerated().map { index, operand in
      operand.map { _ in graph.addValue(name: "y\(index)") }
    }
    graph.addNode(
      request.node.operatorName, inputs: inputs, outputs: outputs, attributes: request.node.attributes)
    graph.setOutputs(outputs.compactMap { $0 })
    return (graph, given)
  }

  private static func sample(_ type: DataType, _ shape: [Int]) throws -> Tensor {
    try Tensor.makeRaw(type, shape) { bytes in
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
      guard type == .float else { return }
      var state: UInt32 = 12345
      for index in 0..<bytes.count / 4 {
        state = state &* 1_664_525 &+ 1_013_904_223
        bytes.storeBytes(of: Float(state >> 8) / Float(1 << 23) - 1, toByteOffset: 4 * index, as: Float.self)
      }
    }
  }
}
