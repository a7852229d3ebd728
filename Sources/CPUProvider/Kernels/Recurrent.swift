internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// LSTM and GRU in float32 with the default activations: the input products of all steps at once, then step by step.
enum RecurrentKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "LSTM": { try make($0, gates: 4) }, "GRU": { try make($0, gates: 3) },
  ]

  private static func make(_ request: KernelRequest, gates: Int) throws -> PreparedKernel {
    try request.requireFloat([0, 1, 2, 3, 5, 6, 7])
    let x = try request.operand(0)
    guard x.rank == 3, request.input(4) == nil, try request.attributes.int("layout", default: 0) == 0 else {
      throw Refusal("sequence_lens or layout 1")
    }
    let defaults = gates == 4 ? ["Sigmoid", "Tanh", "Tanh"] : ["Sigmoid", "Tanh"]
    if let names = try request.attributes.optionalStrings("activations"), !names.isEmpty {
      guard names.indices.allSatisfy({ names[$0].lowercased() == defaults[$0 % defaults.count].lowercased() }) else {
        throw Refusal("activations \(names)")
      }
    }
    for index in 0..<3 {
      if let output = request.output(index), output.type != .float { throw Refusal("a result of \(output.type)") }
    }
    let (length, batch, size) = (x.shape[0], x.shape[1], x.shape[2])
    let w = try request.operand(1)
    let r = try request.operand(2)
    guard w.rank == 3, r.rank == 3, r.shape[2] > 0, length > 0 else { throw Refusal("weights of rank \(w.rank)") }
    let hidden = r.shape[2]
    let directions = w.shape[0]
    guard w.shape == [directions, gates * hidden, size], r.shape == [directions, gates * hidden, hidden], size > 0,
      batch > 0,
      directions == (try request.attributes.string("direction", default: "forward") == "bidirectional" ? 2 : 1)
    else { throw Refusal("weights of the shapes \(w.shape) and \(r.shape)") }
    try request.requireCount(3, directions * 2 * gates * hidden)
    try request.requireCount(5, directions * batch * hidden)
    try request.requireCount(6, directions * batch * hidden)
    try request.requireCount(7, directions * 3 * hidden)
    if let all = request.output(0), all.count != length * directions * batch * hidden {
      throw Refusal("a result of \(all.shape)")
    }
    for index in 1..<3 {
      if let last = request.output(index), last.count != directions * batch * hidden {
        throw Refusal("a result of \(last.shape)")
      }
    }
    let direction = try request.attributes.string("direction", default: "forward")
    let kernel = RecurrentKernel(
      gates: gates, length: length, batch: batch, size: size, hidden: hidden, directions: w.shape[0],
      isReverse: direction == "reverse", clip: try request.attributes.optionalFloat("clip") ?? 0,
      inputForget: gates == 4 ? try request.attributes.bool("input_forget") : false,
      linearBeforeReset: gates == 3 ? try request.attributes.bool("linear_before_reset") : false,
      threads: request.threads)
    return PreparedKernel(kernel, scratchBytes: kernel.scratchBytes)
  }
}

private final class RecurrentKernel: Kernel, @unchecked Sendable {
  private let gates: Int
  private let length: Int
  private let batch: Int
  private let hidden: Int
  private let size: Int
  private let directions: Int
  private let isReverse: Bool
  private let clip: Float
  private let inputForget: Bool
  private let linearBeforeReset: Bool
  /// x W' of all steps, and h R' of one.
  private let inputPlan: GemmPlan
  private let stepPlan: GemmPlan
  private let resetPlan: GemmPlan
  private let scratchOfThread: Int
  private let projected: Int
  private let recurrent: Int
  private let state: Int
  let scratchBytes: Int

  init(
    gates: Int, length: Int, batch: Int, size: Int, hidden: Int, directions: Int, isReverse: Bool, clip: Float,
    inputForget: Bool, linearBeforeReset: Bool, threads: Int
  ) {
    self.gates = gates
    self.length = length
    self.batch = batch
    self.hidden = hidden
    self.size = size
    self.directions = directions
    self.isReverse = isReverse
    self.clip = clip
    self.inputForget = inputForget
    self.linearBeforeReset = linearBeforeReset
    var plan = GemmPlan(m: length * batch, n: gates * hidden, k: size, transA: false, transB: true)
    plan.split(threads: threads)
    inputPlan = plan
    var step = GemmPlan(m: batch, n: gates * hidden, k: hidden, transA: false, transB: true)
    step.split(threads: 1)
    stepPlan = step
    var reset = GemmPlan(m: batch, n: hidden, k: hidden, transA: false, transB: true)
    reset.split(threads: 1)
    resetPlan = reset
    scratchOfThread = aligned(max(plan.scratchBytes, step.scratchBytes, reset.scratchBytes))
    projected = aligned(length * batch * gates * hidden * 4)
    recurrent = aligned(batch * gates * hidden * 4)
    state = aligned(batch * hidden * 4)
    scratchBytes = projected + recurrent + 4 * state + max(64, scratchOfThread * threads)
    super.init(gates == 4 ? "lstm" : "gru")
  }

  private func products(_ call: KernelCall) -> UnsafeMutableRawPointer {
    call.scratch + projected + recurrent + 4 * state
  }

  /// `phase` is the direction.
  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    let weights = call.input(1, Float.self) + phase * gates * hidden * size
    for tile in begin..<end {
      inputPlan.run(
        tile, call.input(0, Float.self), weights, nil, call.scratch.assumingMemoryBound(to: Float.self),
        products(call) + thread * scratchOfThread)
    }
  }

  override func run(_ call: KernelCall) {
    let columns = gates * hidden
    let inputs = call.scratch.assumingMemoryBound(to: Float.self)
    let sums = (call.scratch + projected).assumingMemoryBound(to: Float.self)
    let h = (call.scratch + projected + recurrent).assumingMemoryBound(to: Float.self)
    let c = (call.scratch + projected + recurrent + state).assumingMemoryBound(to: Float.self)
    let reset = (call.scratch + projected + recurrent + 2 * state).assumingMemoryBound(to: Float.self)
    let fresh = (call.scratch + projected + recurrent + 3 * state).assumingMemoryBound(to: Float.self)
    let rows = batch * hidden
    let add = Int32(CK_BINARY_ADD.rawValue)
    for direction in 0..<directions {
      parallel(call, phase: direction, count: inputPlan.tiles, grain: 1)
      let r = call.input(2, Float.self) + direction * columns * hidden
      let bias = call.optional(3, Float.self).map { $0 + direction * 2 * columns }
      let peepholes = gates == 4 ? call.optional(7, Float.self).map { $0 + direction * 3 * hidden } : nil
      if let start = call.optional(5, Float.self) {
        h.update(from: start + direction * rows, count: rows)
      } else {
        h.update(repeating: 0, count: rows)
      }
      if gates == 4 {
        if let start = call.optional(6, Float.self) {
          c.update(from: start + direction * rows, count: rows)
        } else {
          c.update(repeating: 0, count: rows)
        }
      }
      for step in 0..<length {
        let time = isReverse || direction == 1 ? length - 1 - step : step
        let gate = inputs + time * batch * columns
        stepPlan.run(0, h, r, nil, sums, products(call))
        for row in 0..<batch {
          let line = gate + row * columns
          // The third part of GRU's recurrent product joins later.
          let joined = gates == 4 ? columns : 2 * hidden
          ck_binary_span_f32(add, line, line, 1, sums + row * columns, 1, joined, nil)
          if let bias {
            ck_binary_span_f32(add, line, line, 1, bias, 1, columns, nil)
            ck_binary_span_f32(add, line, line, 1, bias + columns, 1, joined, nil)
          }
        }
        if gates == 4 {
          ck_lstm_cell_f32(h, c, gate, c, peepholes, hidden, clip, inputForget, nil, nil, nil, 0, batch)
        } else {
          gru(gate, sums, h, reset, fresh, bias, r, call)
        }
        if let all = call.optionalOutput(0, Float.self) {
          (all + (time * directions + direction) * rows).update(from: h, count: rows)
        }
      }
      if let last = call.optionalOutput(1, Float.self) { (last + direction * rows).update(from: h, count: rows) }
      if gates == 4, let last = call.optionalOutput(2, Float.self) {
        (last + direction * rows).update(from: c, count: rows)
      }
    }
  }

  private func gru(
    _ gate: UnsafeMutablePointer<Float>, _ sums: UnsafeMutablePointer<Float>, _ h: UnsafeMutablePointer<Float>,
    _ reset: UnsafeMutablePointer<Float>, _ fresh: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>?,
    _ r: UnsafePointer<Float>, _ call: KernelCall
  ) {
    let add = Int32(CK_BINARY_ADD.rawValue)
    let columns = 3 * hidden
    if linearBeforeReset {
      for row in 0..<batch {
        let target = fresh + row * hidden
        target.update(from: sums + row * columns + 2 * hidden, count: hidden)
        if let bias { ck_binary_span_f32(add, target, target, 1, bias + columns + 2 * hidden, 1, hidden, nil) }
      }
      ck_gru_gates_f32(gate, nil, h, fresh, hidden, clip, true, nil, 0, batch)
    } else {
      ck_gru_gates_f32(gate, reset, h, nil, hidden, clip, false, nil, 0, batch)
      resetPlan.run(0, reset, r + 2 * hidden * hidden, nil, fresh, products(call))
      for row in 0..<batch {
        let line = gate + row * columns + 2 * hidden
        ck_binary_span_f32(add, line, line, 1, fresh + row * hidden, 1, hidden, nil)
        if let bias { ck_binary_span_f32(add, line, line, 1, bias + columns + 2 * hidden, 1, hidden, nil) }
      }
    }
    ck_gru_output_f32(h, gate, h, hidden, clip, nil, 0, batch)
  }
}
