import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// LSTM, GRU and RNN of any direction, layout, lengths and activations: the inputs' products at once, then a block a sequence.
enum RecurrentKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "RNN": { try make($0, .rnn) }, "GRU": { try make($0, .gru) }, "LSTM": { try make($0, .lstm) },
  ]

  /// recurrent.cu's CELL.
  private enum Cell: Int {
    case rnn, gru, lstm
    var gates: Int { [1, 3, 4][rawValue] }
    var activations: [String] { [["Tanh"], ["Sigmoid", "Tanh"], ["Sigmoid", "Tanh", "Tanh"]][rawValue] }
    var outputs: Int { self == .lstm ? 3 : 2 }
  }

  private static let files = ["elements.cuh", "rows.cuh", "recurrent.cu"]

  private static func make(_ request: CUDARequest, _ cell: Cell) throws -> PreparedKernel {
    try request.requireSmallFloats(inputs: [0, 1, 2, 3, 5, 6, 7], outputs: Array(0..<cell.outputs))
    let attributes = request.attributes
    let (x, w, r) = (try request.operand(0), try request.operand(1), try request.operand(2))
    let isBatchFirst = try attributes.bool("layout")
    guard x.rank == 3, w.rank == 3, r.rank == 3 else { throw Refusal("X, W and R of ranks \([x, w, r].map(\.rank))") }
    let (length, batch) = (x.shape[isBatchFirst ? 1 : 0], x.shape[isBatchFirst ? 0 : 1])
    let direction = try attributes.string("direction", default: "forward")
    guard ["forward", "reverse", "bidirectional"].contains(direction) else { throw Refusal("direction \(direction)") }
    let directions = direction == "bidirectional" ? 2 : 1
    let (size, hidden, columns) = (x.shape[2], r.shape[2], cell.gates * r.shape[2])
    guard w.shape == [directions, columns, size], r.shape == [directions, columns, hidden], x.count > 0,
      try attributes.int("hidden_size", default: hidden) == hidden
    else { throw Refusal("weights of the shapes \(w.shape) and \(r.shape)") }
    // A step reads all of R through one multiprocessor.
    guard hidden > 0, hidden <= 1024 else { throw Refusal("\(hidden) hidden units") }
    guard batch < 1 << 31, length * batch < 1 << 22, columns * size < 1 << 31 else { throw Refusal("\(x.shape)") }
    let states = directions * batch * hidden
    try request.requireElements(3, directions * 2 * columns)
    for index in 5...6 { try request.requireElements(index, states) }
    try request.requireElements(7, directions * 3 * hidden)
    if let lengths = request.input(4), lengths.type != .int32 || lengths.count != batch {
      throw Refusal("lengths of \(lengths.type)")
    }
    func same(_ indices: [Int]) throws -> Int {
      let codes = Set(indices.map { request.code($0) }.filter { $0 != 0 })
      guard codes.count < 2 else { throw Refusal("inputs \(indices) of several types") }
      return codes.first ?? 0
    }
    let linear = cell == .gru ? try attributes.bool("linear_before_reset") : false
    let results = (0..<3).map { Int(request.output($0)?.type.rawValue ?? DataType.float.rawValue) }
    let macros = [
      "X": x.type.code, "W": try same([1, 2]), "B": try same([3, 7]), "S": try same([5, 6]), "Y": results[0],
      "YH": results[1], "YC": results[2], "CELL": cell.rawValue, "VEC": RowForm.vector([r.type], dividing: [hidden]),
    ]
    func input(_ index: Int) -> Launch.Argument { request.input(index) == nil ? .null : .input(index) }
    func output(_ index: Int) -> Launch.Argument { request.output(index) == nil ? .null : .output(index) }
    let rows = length * batch
    let project = Launch(
      try request.function("recurrent_project", in: files, macros: macros),
      grid: LaunchSize(parts(columns, of: 64), parts(rows, of: 64), directions), block: LaunchSize(256),
      [
        .input(0), .input(1), input(3), .scratch(), .int32(rows), .int32(columns), .int32(size),
        .int32(linear ? 2 * hidden : columns), .end,
      ])
    let shared = (3 + cell.gates) * hidden * 4
    var arguments: [Launch.Argument] = [
      .scratch(), .input(2), input(3), input(7), input(4), input(5), input(6), output(0), output(1),
      cell == .lstm ? output(2) : .null, .int32(length), .int32(batch), .int32(hidden), .int32(directions),
      .int32(isBatchFirst ? 1 : 0), .int32(direction == "reverse" ? 1 : 0), .int32(linear ? 1 : 0),
      .int32(cell == .lstm ? try attributes.bool("input_forget") ? 1 : 0 : 0),
      .float(max(0, try attributes.optionalFloat("clip") ?? 0)),
    ]
    arguments += try activations(attributes, cell, directions) + [.end]
    let steps = Launch(
      try request.function("recurrent_steps", in: files, macros: macros), grid: LaunchSize(batch, directions),
      block: LaunchSize(min(1024, parts(columns, of: 4) * 32)), sharedBytes: shared, arguments)
    return PreparedKernel(
      LaunchKernel("\(cell)", [project, steps]), scratchBytes: directions * rows * columns * 4)
  }

  /// Three for each direction: kind, alpha, beta. The node's names in order; its alphas and betas go, in order, to those that have them.
  private static func activations(_ attributes: AttributeReader, _ cell: Cell, _ directions: Int) throws -> [Launch
    .Argument]
  {
    let defaults = cell.activations
    var names = directions == 2 ? defaults + defaults : defaults
    if case .strings(let given) = attributes.node["activations"], !given.isEmpty { names = given }
    guard names.count == defaults.count * directions else { throw Refusal("activations \(names)") }
    var alphas = (try attributes.optionalFloats("activation_alpha") ?? [])[...]
    var betas = (try attributes.optionalFloats("activation_beta") ?? [])[...]
    func alpha(_ fallback: Float) -> Float { alphas.popFirst().map { Float($0) } ?? fallback }
    func beta(_ fallback: Float) -> Float { betas.popFirst().map { Float($0) } ?? fallback }
    var all: [(Int, Float, Float)] = []
    for name in names {
      switch name.lowercased() {
      case "sigmoid": all.append((0, 0, 0))
      case "tanh": all.append((1, 0, 0))
      case "relu": all.append((2, 0, 0))
      case "softsign": all.append((3, 0, 0))
      case "softplus": all.append((4, 0, 0))
      case "affine": all.append((5, alpha(1), beta(0)))
      case "leakyrelu": all.append((6, alpha(0.01), 0))
      case "thresholdedrelu": all.append((7, alpha(1), 0))
      case "scaledtanh": all.append((8, alpha(1), beta(1)))
      case "hardsigmoid": all.append((9, alpha(0.2), beta(0.5)))
      case "elu": all.append((10, alpha(1), 0))
      default: throw Refusal("activation \(name)")
      }
    }
    var arguments: [Launch.Argument] = []
    for direction in 0..<2 {
      for place in 0..<3 {
        let index = direction * defaults.count + place
        let one = place < defaults.count && index < all.count ? all[index] : (0, 0, 0)
        arguments += [.int32(one.0), .float(one.1), .float(one.2)]
      }
    }
    return arguments
  }
}
