import GraphIR
import Tensors

extension Tuning {
  /// Under what a question about a whole model is remembered: the machine, what its nodes are and how they hang together, and the shapes
  /// of its inputs. Names and the numbers of weights do not count.
  public static func key(
    _ question: String, _ graph: Graph, inputs: [Value], providers: [any ExecutionProvider], threads: Int,
    precision: Precision
  ) -> String {
    let shapes = inputs.map { value in value.tensor.map { "\($0.dataType.name)\($0.shape)" } ?? "-" }
    let machines = providers.map { String($0.machine.map { $0 == "\t" || $0 == "\n" ? " " : $0 }) }
    return
      (["model", question] + machines + [
        "threads \(threads)", precision.rawValue, String(ModelDigest(graph).value, radix: 16),
      ] + shapes).joined(separator: " ")
  }

  /// Which of several forms of a model is the fastest: as remembered under `key`; else 0 where nothing may be measured; else the one that
  /// `seconds` finds, which then is remembered. `seconds` gives the time of each form; one that is not faster than form 0 by more than
  /// measurements scatter is not taken.
  public func form(_ key: String, of count: Int, seconds: () throws -> [Double]) rethrows -> Int {
    if let option = remembered(key)?.options["form"] { return option < count ? option : 0 }
    if remembered(key) != nil || effort == .cached { return 0 }
    let times = try seconds()
    var answers = TuningAnswers()
    if let least = times.indices.min(by: { times[$0] < times[$1] }), least > 0, times[least] < times[0] * 0.97 {
      answers.options["form"] = least
    }
    remember(key, answers)
    return answers.options["form"] ?? 0
  }

  /// Median seconds of a run of each session, which take turns: 5 rounds or more in 0.3 s, 15 in 2 s where the effort is `full`.
  public func seconds(_ sessions: [Session], inputs: [String: Value]) throws -> [Double] {
    let (fewest, longest): (Int, UInt64) = effort == .full ? (15, 2_000_000_000) : (5, 300_000_000)
    for session in sessions { _ = try session.run(values: inputs) }
    var times = [[UInt64]](repeating: [], count: sessions.count)
    let begin = ThreadPool.nanoseconds()
    while times[0].count < fewest || (ThreadPool.nanoseconds() - begin < longest && times[0].count < 1000) {
      for (index, session) in sessions.enumerated() {
        let start = ThreadPool.nanoseconds()
        _ = try session.run(values: inputs)
        times[index].append(ThreadPool.nanoseconds() - start)
      }
      noteMeasurement()
    }
    return times.map { Double($0.sorted()[$0.count / 2]) * 1e-9 }
  }
}

/// A digest of a graph that names and the numbers of weights do not change.
private struct ModelDigest {
  private var digest = Digest64()
  private var numbers: [ValueID: Int] = [:]
  private let graph: Graph
  var value: UInt64 { digest.value }

  init(_ graph: Graph) {
    self.graph = graph
    for id in graph.inputs { add(id) }
    for id in graph.allNodes {
      let node = graph[id]
      add(node.operatorName.domain)
      add(node.operatorName.name)
      for attribute in node.attributes.sorted(by: { $0.name < $1.name }) { add(attribute) }
      for input in node.inputs { add(input) }
      for region in node.regions {
        for input in graph[region].inputs { add(input) }
        digest.add(graph.nodes(in: region).count)
      }
      for output in node.outputs { add(output) }
    }
    for id in graph.outputs { add(id) }
  }

  private mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { digest.add(UnsafeRawBufferPointer($0)) }
  }

  /// Values count in the order in which they are met.
  private mutating func add(_ id: ValueID?) {
    guard let id else { return digest.add(-1) }
    if let number = numbers[id] { return digest.add(number) }
    numbers[id] = numbers.count
    digest.add(numbers.count)
    if case .tensor(let tensor)? = graph[id].constant { add(tensor) }
  }

  /// A few integers are shapes and axes, whose numbers count.
  private mutating func add(_ tensor: Tensor) {
    add("\(tensor.dataType.name)\(tensor.shape)")
    if tensor.dataType == .int64 && tensor.count <= 64 { tensor.withUnsafeBytes { digest.add($0) } }
  }

  private mutating func add(_ attribute: NamedAttribute) {
    add(attribute.name)
    switch attribute.value {
    case .tensor(let tensor): add(tensor)
    case .tensors(let tensors): for tensor in tensors { add(tensor) }
    case .sparse, .sparses, .graph, .graphs: break
    default: add("\(attribute.value)")
    }
  }
}
