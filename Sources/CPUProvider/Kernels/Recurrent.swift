internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// LSTM, GRU and RNN in float32, any direction, layout, lengths, clip, peepholes and activations.
enum RecurrentKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "LSTM": { try make($0, .lstm) }, "GRU": { try make($0, .gru) }, "RNN": { try make($0, .rnn) },
  ]

  private static func make(_ request: KernelRequest, _ cell: RecurrentCell) throws -> PreparedKernel {
    try request.requireFloat([0, 1, 2, 3, 5, 6, 7])
    let attributes = request.attributes
    let (x, w, r) = (try request.operand(0), try request.operand(1), try request.operand(2))
    for index in 0..<3 {
      if let output = request.output(index), output.type != .float { throw Refusal("a result of \(output.type)") }
    }
    let isBatchFirst = try attributes.bool("layout")
    guard x.rank == 3, w.rank == 3, r.rank == 3 else { throw Refusal("X, W and R of ranks \([x, w, r].map(\.rank))") }
    let (length, batch) = (x.shape[isBatchFirst ? 1 : 0], x.shape[isBatchFirst ? 0 : 1])
    let direction = try attributes.string("direction", default: "forward")
    guard ["forward", "reverse", "bidirectional"].contains(direction) else { throw Refusal("direction \(direction)") }
    let directions = direction == "bidirectional" ? 2 : 1
    let (size, hidden, gates) = (x.shape[2], r.shape[2], cell.gates)
    guard w.shape == [directions, gates * hidden, size], r.shape == [directions, gates * hidden, hidden], size > 0,
      batch > 0, hidden > 0, length > 0, try attributes.int("hidden_size", default: hidden) == hidden
    else { throw Refusal("weights of the shapes \(w.shape) and \(r.shape)") }
    let states = directions * batch * hidden
    try request.requireCount(3, directions * 2 * gates * hidden)
    if let lengths = request.input(4) {
      guard lengths.type == .int32, lengths.count == batch else { throw Refusal("lengths of \(lengths.type)") }
    }
    try request.requireCount(5, states)
    try request.requireCount(6, states)
    try request.requireCount(7, directions * 3 * hidden)
    if let all = request.output(0), all.count != length * states { throw Refusal("a result of \(all.shape)") }
    for index in 1..<3 {
      if let last = request.output(index), last.count != states { throw Refusal("a result of \(last.shape)") }
    }
    let shape = RecurrentShape(
      cell: cell, length: length, batch: batch, size: size, hidden: hidden, directions: directions,
      isReverse: direction == "reverse", isBatchFirst: isBatchFirst,
      linearBeforeReset: cell == .gru ? try attributes.bool("linear_before_reset") : false)
    let kernel = RecurrentKernel(
      shape, weights: try RecurrentWeights(request, shape),
      activations: try RecurrentActivations.read(attributes, cell, directions),
      clip: max(0, try attributes.optionalFloat("clip") ?? 0),
      inputForget: cell == .lstm ? try attributes.bool("input_forget") : false, threads: request.threads)
    return PreparedKernel(kernel, scratchBytes: kernel.scratchBytes)
  }
}

enum RecurrentCell {
  case lstm, gru, rnn

  var gates: Int {
    switch self {
    case .lstm: 4
    case .gru: 3
    case .rnn: 1
    }
  }

  var activations: [String] {
    switch self {
    case .lstm: ["Sigmoid", "Tanh", "Tanh"]
    case .gru: ["Sigmoid", "Tanh"]
    case .rnn: ["Tanh"]
    }
  }
}

/// Extents of a recurrent node, and how its memory is laid out.
struct RecurrentShape {
  let cell: RecurrentCell
  let length: Int
  let batch: Int
  let size: Int
  let hidden: Int
  let directions: Int
  let isReverse: Bool
  let isBatchFirst: Bool
  let linearBeforeReset: Bool
  /// Units rounded up to whole panels of packed weights.
  let padded: Int
  /// Row stride of a batch's states: no multiple of 2 KiB, so that a tile's rows share no cache set.
  let pitch: Int

  init(
    cell: RecurrentCell, length: Int, batch: Int, size: Int, hidden: Int, directions: Int, isReverse: Bool,
    isBatchFirst: Bool, linearBeforeReset: Bool
  ) {
    self.cell = cell
    self.length = length
    self.batch = batch
    self.size = size
    self.hidden = hidden
    self.directions = directions
    self.isReverse = isReverse
    self.isBatchFirst = isBatchFirst
    self.linearBeforeReset = linearBeforeReset
    let nr = ck_gemm_nr()
    padded = (hidden + nr - 1) / nr * nr
    pitch = padded % 512 == 0 ? padded + 16 : padded
  }

  var gates: Int { cell.gates }
  /// Columns of a product with all gates.
  var columns: Int { gates * padded }

  /// Elements from one time to the next and from one item to the next: in X, in Y and in a state.
  var inputSteps: (time: Int, item: Int) { isBatchFirst ? (size, length * size) : (batch * size, size) }
  var outputSteps: (time: Int, item: Int, direction: Int) {
    isBatchFirst
      ? (directions * hidden, length * directions * hidden, hidden)
      : (directions * batch * hidden, hidden, batch * hidden)
  }
  var stateSteps: (item: Int, direction: Int) {
    isBatchFirst ? (directions * hidden, hidden) : (hidden, batch * hidden)
  }
}

/// The activations of each direction, as the cells take them.
final class RecurrentActivations: @unchecked Sendable {
  let base: UnsafeMutablePointer<ck_activation>
  let each: Int

  private init(_ list: [ck_activation], each: Int) {
    self.each = each
    base = .allocate(capacity: list.count)
    base.initialize(from: list, count: list.count)
  }

  deinit { base.deallocate() }

  /// The names in the node's order; alphas and betas go, in order, to those that have them.
  static func read(_ attributes: AttributeReader, _ cell: RecurrentCell, _ directions: Int) throws
    -> RecurrentActivations
  {
    let defaults = cell.activations
    var names = directions == 2 ? defaults + defaults : defaults
    // The signatures' default for RNN has two names whatever the direction: what the node says counts.
    if case .strings(let given) = attributes.node["activations"], !given.isEmpty { names = given }
    guard names.count == defaults.count * directions else { throw Refusal("activations \(names)") }
    var alphas = (try attributes.optionalFloats("activation_alpha") ?? [])[...]
    var betas = (try attributes.optionalFloats("activation_beta") ?? [])[...]
    func alpha(_ fallback: Float) -> Float { alphas.popFirst().map { Float($0) } ?? fallback }
    func beta(_ fallback: Float) -> Float { betas.popFirst().map { Float($0) } ?? fallback }
    let list = try names.map { name -> ck_activation in
      switch name.lowercased() {
      case "sigmoid": return ck_activation(CK_UNARY_SIGMOID)
      case "tanh": return ck_activation(CK_UNARY_TANH)
      case "relu": return ck_activation(CK_UNARY_RELU)
      case "softsign": return ck_activation(CK_UNARY_SOFTSIGN)
      case "softplus": return ck_activation(CK_UNARY_SOFTPLUS)
      case "affine": return ck_activation(CK_UNARY_AFFINE, alpha(1), beta(0))
      case "leakyrelu": return ck_activation(CK_UNARY_LEAKY_RELU, alpha(0.01))
      case "elu": return ck_activation(CK_UNARY_ELU, alpha(1))
      case "hardsigmoid": return ck_activation(CK_UNARY_HARD_SIGMOID, alpha(0.2), beta(0.5))
      case "thresholdedrelu":
        return ck_activation(op: Int32(CK_RNN_THRESHOLDED.rawValue), p0: alpha(1), p1: 0)
      case "scaledtanh":
        let scale = alpha(1)
        return ck_activation(op: Int32(CK_RNN_SCALED_TANH.rawValue), p0: scale, p1: beta(1))
      default: throw Refusal("activation \(name)")
      }
    }
    return RecurrentActivations(list, each: defaults.count)
  }
}
