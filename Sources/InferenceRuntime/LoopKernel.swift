import GraphIR
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// A Loop whose body is one plan of fixed shapes, the same in every iteration: it works in the step's scratch, and what is carried
/// goes back and forth between two buffers there. An iteration looks nothing up and allocates nothing.
final class LoopKernel: Kernel, @unchecked Sendable {
  enum Source {
    /// A port of the body's plan.
    case port(Int)
    case constant(Tensor)
    /// An input of the body's plan, by port: what is handed through.
    case input(Int)
  }

  struct Result {
    let source: Source
    let bytes: Int
  }

  /// The node's own inputs, before the captured ones.
  private let ownInputs: Int
  private let captures: Int
  private let condition: Source
  private let carried: [Result]
  private let scans: [Result]
  /// Iterations that the scans' memory is for; nil without scans.
  private let runs: Int?
  /// Where the two buffers of what is carried begin in scratch, and the distance between them.
  private let buffers: Int
  private let offsets: [Int]
  private let stride: Int
  private let child: Int
  let scratchBytes: Int

  /// `arena`: bytes of the body's plan.
  init(
    ownInputs: Int, captures: Int, condition: Source, carried: [Result], scans: [Result], runs: Int?, arena: Int,
    child: Int = 0
  ) {
    self.ownInputs = ownInputs
    self.captures = captures
    self.condition = condition
    self.carried = carried
    self.scans = scans
    self.runs = runs
    self.child = child
    // The arena, the iteration's number and the condition, then the buffers.
    buffers = MemoryPlanner.aligned(arena) + 2 * MemoryPlanner.alignment
    var place = 0
    offsets = carried.map { result in
      defer { place += MemoryPlanner.aligned(result.bytes) }
      return place
    }
    stride = place
    scratchBytes = buffers + 2 * place
    super.init("loop")
  }

  func bound(child: Int, arena: Int) -> LoopKernel {
    LoopKernel(
      ownInputs: ownInputs, captures: captures, condition: condition, carried: carried, scans: scans, runs: runs,
      arena: arena, child: child)
  }

  override func run(_ call: KernelCall) throws {
    let body = call.context.children[child]
    body.cancellation = call.context.cancellation
    body.recorder = call.context.recorder
    body.tap = call.context.tap
    let limit = call.optional(0, Int64.self)?.pointee ?? .max
    var goesOn = call.optional(1, UInt8.self).map { $0.pointee != 0 } ?? true
    let number = call.scratch + buffers - 2 * MemoryPlanner.alignment
    let flag = number + MemoryPlanner.alignment
    for index in 0..<captures { body.bind(input: index, to: call.operands[ownInputs + index].unsafelyUnwrapped) }
    body.bind(input: captures, to: number)
    var iteration: Int64 = 0
    while goesOn && iteration < limit {
      number.storeBytes(of: iteration, as: Int64.self)
      let target = call.scratch + buffers + (iteration & 1 == 0 ? 0 : stride)
      for index in carried.indices { body.bind(input: captures + 1 + index, to: current(call, index, iteration)) }
      if let runs {
        guard iteration < runs else { throw CameoError(.invariant, "a loop ran longer than its outputs are") }
        for index in scans.indices.reversed() {
          guard case .port(let port) = scans[index].source else { continue }
          body.bind(output: port, to: scanned(call, index, iteration))
        }
      }
      // One that wants a port directly gets it; others are copied afterwards.
      for index in carried.indices.reversed() {
        if case .port(let port) = carried[index].source { body.bind(output: port, to: target + offsets[index]) }
      }
      if case .port(let port) = condition, !carries(port) { body.bind(output: port, to: flag) }
      try body.run()
      for index in carried.indices { settle(call, body, carried[index], iteration, target + offsets[index]) }
      for index in scans.indices {
        settle(call, body, scans[index], iteration, scanned(call, index, iteration))
      }
      switch condition {
      case .port(let port): goesOn = made(body, port).load(as: UInt8.self) != 0
      case .constant(let tensor): goesOn = tensor.baseAddress.load(as: UInt8.self) != 0
      case .input(let port): goesOn = given(call, port, iteration).load(as: UInt8.self) != 0
      }
      body.reset()
      iteration += 1
    }
    if let runs, iteration != runs { throw CameoError(.invariant, "a loop ran shorter than its outputs are") }
    for index in carried.indices {
      guard let out = call.operands[call.inputCount + index] else { continue }
      memcpy(out, current(call, index, iteration), carried[index].bytes)
    }
  }

  private func carries(_ port: Int) -> Bool {
    carried.contains { if case .port(port) = $0.source { true } else { false } }
  }

  /// Carried value `index` as iteration `iteration` reads it.
  private func current(_ call: KernelCall, _ index: Int, _ iteration: Int64) -> UnsafeMutableRawPointer {
    if iteration == 0 { return call.operands[2 + index].unsafelyUnwrapped }
    return call.scratch + buffers + (iteration & 1 == 0 ? stride : 0) + offsets[index]
  }

  private func scanned(_ call: KernelCall, _ index: Int, _ iteration: Int64) -> UnsafeMutableRawPointer {
    return call.operands[call.inputCount + carried.count + index].unsafelyUnwrapped + Int(iteration)
      * scans[index].bytes
  }

  /// What the body's plan reads at input `port`.
  private func given(_ call: KernelCall, _ port: Int, _ iteration: Int64) -> UnsafeMutableRawPointer {
    if port < captures { return call.operands[ownInputs + port].unsafelyUnwrapped }
    if port == captures { return call.scratch + buffers - 2 * MemoryPlanner.alignment }
    return current(call, port - captures - 1, iteration)
  }

  /// Where the body's plan has written output `port`.
  private func made(_ body: ExecutionContext, _ port: Int) -> UnsafeMutableRawPointer { body.outputs[port] }

  /// Puts a result where it belongs, unless the body has written it there.
  private func settle(
    _ call: KernelCall, _ body: ExecutionContext, _ result: Result, _ iteration: Int64,
    _ target: UnsafeMutableRawPointer
  ) {
    let source: UnsafeMutableRawPointer
    switch result.source {
    case .port(let port): source = made(body, port)
    case .constant(let tensor): source = UnsafeMutableRawPointer(mutating: tensor.baseAddress)
    case .input(let port): source = given(call, port, iteration)
    }
    if source != target { memcpy(target, source, result.bytes) }
  }
}
