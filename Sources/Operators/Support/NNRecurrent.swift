import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What RNN, GRU and LSTM share: sizes, activations, the walk over directions and time. Everything runs in double and is
/// rounded once at the end.
struct NNRecurrent {
  enum Direction { case forward, reverse, bidirectional }

  let direction: Direction
  let hidden: Int
  let batch: Int
  let length: Int
  let features: Int
  /// layout=1: batch first.
  let isBatchFirst: Bool
  let clip: Double?
  let lengths: [Int]
  let activations: [Activation]
  let gates: Int
  let x: [Double]
  let w: ElementView<Double>
  let r: ElementView<Double>
  let bias: ElementView<Double>?

  var directions: Int { direction == .bidirectional ? 2 : 1 }

  typealias Activation = (Double) -> Double

  static func direction(_ attributes: AttributeReader) throws -> Direction {
    switch try attributes.string("direction", default: "forward") {
    case "forward": .forward
    case "reverse": .reverse
    case "bidirectional": .bidirectional
    case let other:
      throw CameoError.badInput("attribute direction is \(other); forward, reverse or bidirectional was expected")
    }
  }

  /// States Y and the last states; `states` of them.
  static func infer(_ context: inout InferenceContext, states: Int) throws {
    let directions = Dim(try direction(context.attributes) == .bidirectional ? 2 : 1)
    let isBatchFirst = try context.attributes.bool("layout")
    try context.require(rank: 3...3, of: 0)
    try context.require(rank: 3...3, of: 1)
    try context.require(rank: 3...3, of: 2)
    let hidden: Dim =
      if let r = context.shape(2) { r[2] } else if let size = try context.attributes.optionalInt("hidden_size") {
        Dim(size)
      } else { context.unknownDim() }
    let type = context.dataType(0) ?? context.dataType(1)
    let x = context.shape(0)
    let length = x?[isBatchFirst ? 1 : 0] ?? context.unknownDim()
    let batch = x?[isBatchFirst ? 0 : 1] ?? context.unknownDim()
    context.set(0, type, isBatchFirst ? [batch, length, directions, hidden] : [length, directions, batch, hidden])
    for index in 1...states {
      context.set(index, type, isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden])
    }
  }

  /// What `recurrent` does to the hidden states first.
  var roundsStates: (([Double]) -> [Double])?

  /// `tensors`: X, W and R where they are not inputs 0, 1 and 2 as they come.
  init(
    _ context: EvaluationContext, gates: Int, defaults: [String],
    tensors: (x: Tensor, w: Tensor, r: Tensor)? = nil
  ) throws {
    let attributes = context.attributes
    let input = try tensors?.x ?? context.tensor(0)
    let weights = try tensors?.w ?? context.tensor(1)
    let recurrence = try tensors?.r ?? context.tensor(2)
    direction = try NNRecurrent.direction(attributes)
    let directions = direction == .bidirectional ? 2 : 1
    isBatchFirst = try attributes.bool("layout")
    guard input.rank == 3, weights.rank == 3, recurrence.rank == 3 else {
      throw CameoError.badInput("X, W and R need rank 3, they are \(input), \(weights), \(recurrence)")
    }
    hidden = recurrence.shape[2]
    length = input.shape[isBatchFirst ? 1 : 0]
    batch = input.shape[isBatchFirst ? 0 : 1]
    features = input.shape[2]
    self.gates = gates
    guard weights.shape == [directions, gates * hidden, features],
      recurrence.shape == [directions, gates * hidden, hidden]
    else {
      throw CameoError.badInput("W \(weights) and R \(recurrence) do not fit X \(input)")
    }
    if let size = try attributes.optionalInt("hidden_size"), size != hidden {
      throw CameoError.badInput("attribute hidden_size is \(size), but R is for \(hidden)")
    }
    clip = try attributes.optionalFloat("clip").map { Double($0) }
    if let tensor = try context.optionalTensor(4) {
      let given = try tensor.ints()
      let steps = length
      guard given.count == batch, given.allSatisfy({ (0...steps).contains($0) }) else {
        throw CameoError.badInput(
          "sequence_lens is \(given), a length of 0 to the sequence's for each batch item was expected")
      }
      lengths = given
    } else {
      lengths = [Int](repeating: length, count: batch)
    }
    if let tensor = try context.optionalTensor(3) {
      guard tensor.count == directions * 2 * gates * hidden else {
        throw CameoError.badInput("B has the shape \(tensor.shape), [directions, 2 * gates * hidden_size] was expected")
      }
      bias = try ElementView(tensor)
    } else {
      bias = nil
    }
    activations = try NNRecurrent.activations(attributes, defaults, directions)
    w = try ElementView(weights)
    r = try ElementView(recurrence)
    let flat = try ElementView<Double>(input)
    x = isBatchFirst ? NNRecurrent.swapped(flat.array, batch, length, features) : flat.array
  }

  /// [a, b, n] to [b, a, n].
  static func swapped(_ values: [Double], _ a: Int, _ b: Int, _ n: Int) -> [Double] {
    var result = values
    for i in 0..<a { for j in 0..<b { for k in 0..<n { result[(j * a + i) * n + k] = values[(i * b + j) * n + k] } } }
    return result
  }

  /// One function for each activation of each direction; alpha and beta are taken in order by those that have them.
  private static func activations(_ attributes: AttributeReader, _ defaults: [String], _ directions: Int) throws
    -> [Activation]
  {
    var names = defaults + (directions == 2 ? defaults : [])
    if case .strings(let given) = attributes.node["activations"], !given.isEmpty { names = given }
    guard names.count == defaults.count * directions else {
      throw CameoError.badInput("attribute activations is \(names), \(defaults.count * directions) names were expected")
    }
    var alphas = (try attributes.optionalFloats("activation_alpha") ?? [])[...]
    var betas = (try attributes.optionalFloats("activation_beta") ?? [])[...]
    func alpha(_ fallback: Double) -> Double { alphas.popFirst().map { Double($0) } ?? fallback }
    func beta(_ fallback: Double) -> Double { betas.popFirst().map { Double($0) } ?? fallback }
    var result: [Activation] = []
    for name in names {
      switch name.lowercased() {
      case "sigmoid": result.append { 1 / (1 + exp(-$0)) }
      case "tanh": result.append { tanh($0) }
      case "relu": result.append { max(0, $0) }
      case "softsign": result.append { $0 / (1 + abs($0)) }
      case "softplus": result.append { $0 > 0 ? $0 + log1p(exp(-$0)) : log1p(exp($0)) }
      case "affine":
        let (a, b) = (alpha(1), beta(0))
        result.append { a * $0 + b }
      case "leakyrelu":
        let a = alpha(0.01)
        result.append { $0 >= 0 ? $0 : a * $0 }
      case "thresholdedrelu":
        let a = alpha(1)
        result.append { $0 >= a ? $0 : 0 }
      case "scaledtanh":
        let (a, b) = (alpha(1), beta(1))
        result.append { a * tanh(b * $0) }
      case "hardsigmoid":
        let (a, b) = (alpha(0.2), beta(0.5))
        result.append { min(max(a * $0 + b, 0), 1) }
      case "elu":
        let a = alpha(1)
        result.append { $0 >= 0 ? $0 : a * expm1($0) }
      default: throw CameoError.unsupported("the activation \(name), which the standard does not list")
      }
    }
    return result
  }

  func clipped(_ value: Double) -> Double {
    guard let clip else { return value }
    return min(max(value, -clip), clip)
  }

  /// An initial state [directions, batch, hidden], zero where absent.
  func initial(_ context: EvaluationContext, _ index: Int) throws -> [Double] {
    guard let tensor = try context.optionalTensor(index) else {
      return [Double](repeating: 0, count: directions * batch * hidden)
    }
    guard tensor.count == directions * batch * hidden else {
      throw CameoError.badInput(
        "input \(index) has the shape \(tensor.shape), [directions, batch, hidden_size] was expected")
    }
    let values = try ElementView<Double>(tensor).array
    return isBatchFirst ? NNRecurrent.swapped(values, batch, directions, hidden) : values
  }

  /// X times W' plus both biases' input half, for one direction: [length * batch, gates * hidden].
  func projected(_ d: Int) -> [Double] {
    let rows = length * batch
    let columns = gates * hidden
    var result = [Double](repeating: 0, count: rows * columns)
    let weights = NNMatrix(w.base + d * columns * features, row: 1, col: features)
    result.withUnsafeMutableBufferPointer { out in
      x.withUnsafeBufferPointer { x in
        guard let out = out.baseAddress, let x = x.baseAddress else { return }
        NNContraction.multiply(
          out, ldc: columns, NNMatrix(x, row: features, col: 1), weights, m: rows, n: columns, k: features,
          inDouble: true)
      }
    }
    guard let bias else { return result }
    for row in 0..<rows { for j in 0..<columns { result[row * columns + j] += bias[d * 2 * columns + j] } }
    return result
  }

  /// h [batch, hidden] times the rows `range` of R' : [batch, range.count].
  func recurrent(_ h: [Double], _ d: Int, _ range: Range<Int>) -> [Double] {
    let h = roundsStates?(h) ?? h
    var result = [Double](repeating: 0, count: batch * range.count)
    let base = r.base + (d * gates * hidden + range.lowerBound) * hidden
    result.withUnsafeMutableBufferPointer { out in
      h.withUnsafeBufferPointer { h in
        guard let out = out.baseAddress, let h = h.baseAddress else { return }
        NNContraction.multiply(
          out, ldc: range.count, NNMatrix(h, row: hidden, col: 1), NNMatrix(base, row: 1, col: hidden), m: batch,
          n: range.count, k: hidden, inDouble: true, isSerial: batch * range.count * hidden < 1 << 20)
      }
    }
    return result
  }

  /// The recurrence half of the bias of element `j` of all gates.
  func recurrenceBias(_ d: Int, _ j: Int) -> Double {
    bias.map { $0[d * 2 * gates * hidden + gates * hidden + j] } ?? 0
  }

  /// Walks every direction: `step(direction, projected, row offset, t, state)` computes one time step for the whole batch from
  /// the states (each [batch, hidden]); rows past their length keep their state and give zero output. Y and the last states.
  func run(
    states initial: [[Double]], context: EvaluationContext, type: DataType,
    step: (_ d: Int, _ projected: [Double], _ t: Int, _ states: [[Double]]) -> [[Double]]
  ) throws -> [Value?] {
    let count = try Tensor.elementCount([length, directions, batch, hidden])
    try MemoryBudget.shared.check(count * MemoryLayout<Double>.stride, for: "the output Y")
    var y = [Double](repeating: 0, count: count)
    var last = initial
    let size = batch * hidden
    for d in 0..<directions {
      let isReverse = direction == .reverse || d == 1
      let projection = projected(d)
      var states = initial.map { Array($0[d * size..<(d + 1) * size]) }
      for t in isReverse ? Array((0..<length).reversed()) : Array(0..<length) {
        let next = step(d, projection, t, states)
        for item in 0..<batch where t < lengths[item] {
          for j in item * hidden..<(item + 1) * hidden {
            for s in states.indices { states[s][j] = next[s][j] }
            y[(t * directions + d) * size + j] = next[0][j]
          }
        }
      }
      for s in states.indices { last[s].replaceSubrange(d * size..<(d + 1) * size, with: states[s]) }
    }
    var outputs: [Value?] = []
    if isBatchFirst {
      // [length, directions, batch, hidden] to [batch, length, directions, hidden].
      let moved = NNRecurrent.swapped(y, length * directions, batch, hidden)
      outputs.append(.tensor(try .of(moved, type, shape: [batch, length, directions, hidden])))
      for state in last {
        outputs.append(
          .tensor(
            try .of(NNRecurrent.swapped(state, directions, batch, hidden), type, shape: [batch, directions, hidden])))
      }
    } else {
      outputs.append(.tensor(try .of(y, type, shape: [length, directions, batch, hidden])))
      for state in last { outputs.append(.tensor(try .of(state, type, shape: [directions, batch, hidden]))) }
    }
    return outputs
  }
}

extension NNRecurrent {
  /// Before opset 14 the time came first: transposes around the node say `layout` 1.
  static func lowerLayout(_ graph: inout Graph, _ node: NodeID) throws {
    let source = graph[node]
    let isBatchFirst = try AttributeReader(source).bool("layout")
    graph.setAttribute("layout", of: node, to: nil)
    guard isBatchFirst else { return }
    for index in [0, 5, 6] {
      guard let input = source.input(index) else { continue }
      let turned = graph.emit("Transpose", [input], [NamedAttribute("perm", .ints([1, 0, 2]))], like: node)
      graph.setType(.tensor(graph[input].type?.dataType, nil), of: turned)
      graph.setInput(index, of: node, to: turned)
    }
    // Y is [length, directions, batch, hidden] there, the last states [directions, batch, hidden].
    for (index, permutation) in [[2, 0, 1, 3], [1, 0, 2], [1, 0, 2]].enumerated() {
      guard let output = source.output(index) else { continue }
      let timeFirst = graph.addValue(
        name: graph.freshName("time_first"), type: .tensor(graph[output].type?.dataType, nil), in: source.region)
      graph.rebindOutput(index, of: node, to: timeFirst)
      graph.addNode(
        OperatorName("Transpose"), inputs: [timeFirst], outputs: [output],
        attributes: [NamedAttribute("perm", .ints(permutation.map { Int64($0) }))], origins: source.origins,
        in: source.region)
    }
  }
}
