internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// ai.cameo.FusedElementwise: the body as a program that runs tile by tile (`ck_program.h`).
enum FusedElementwiseKernels {
  static let makers: [String: CPUProvider.Maker] = ["ai.cameo.FusedElementwise": { try make($0) }]

  /// Rows at least so long are cut into tiles one by one; shorter ones share tiles.
  private static let longRow = 512
  /// Bytes of a tile's registers and operands: what of the first-level cache they may take.
  private static let cacheBytes = 32 << 10
  /// Tiles of a part, where long rows are reduced in parts.
  private static let part = 32

  private static func make(_ request: KernelRequest) throws -> PreparedKernel {
    guard let body = try request.body(FusedElementwise.body) else {
      throw Refusal("its body reads what is computed outside")
    }
    let operands = try request.inputs.indices.map { try request.operand($0) }
    let compiler = try ElementwiseCompiler(body, operands)
    let result = try request.result()
    if compiler.reduction == nil, let table = try ByteTable(body, operands, result) { return table.kernel }
    guard operands.count <= Int(CK_PROGRAM_INPUTS) else { throw Refusal("\(operands.count) inputs") }
    let count = product(compiler.shape)
    guard count > 0 else { throw Refusal("nothing to compute") }
    for operand in operands { try request.requireBroadcast(operand, to: compiler.shape) }
    let reduce = compiler.reduction.map { product(compiler.shape[$0.from...]) } ?? 1
    guard result.count == count / reduce else { throw Refusal("a result of \(result.shape) for \(compiler.shape)") }

    let memory = try ElementwiseMemory(compiler, operands)
    let program = memory.program
    program.pointee.count = count
    program.pointee.reduce = reduce
    layTiles(memory, compiler, operands)
    let weight = compiler.steps.reduce(0) { $0 + cost($1) }
    let tile = program.pointee.tile
    let grain = max(1, 65536 / max(2, weight) / tile)
    if compiler.reduction != nil && reduce > tile { return parts(request, memory, grain: grain) }

    let row = program.pointee.row
    let tiles = count / row * ((row + tile - 1) / tile)
    let scratch = ck_program_scratch(program)
    let kernel = RangeKernel("elementwise", count: tiles, grain: grain) { call, begin, end, thread in
      ck_program_run(
        memory.program, call.output(), memory.inputs(call), begin, end, call.scratch + thread * scratch)
    }
    return PreparedKernel(
      kernel, scratchBytes: scratch * request.threads,
      inPlaceInputs: compiler.reduction == nil ? BinaryKernels.whole(request) : [])
  }

  /// Rows longer than a tile: parts of rows, then the rows' results. Parts do not depend on the number of threads.
  private static func parts(_ request: KernelRequest, _ memory: ElementwiseMemory, grain: Int) -> PreparedKernel {
    let program = memory.program
    let tiles = (program.pointee.row + program.pointee.tile - 1) / program.pointee.tile
    program.pointee.part = part
    let parts = (tiles + part - 1) / part
    let rows = program.pointee.count / program.pointee.row
    let partial = aligned(rows * parts * MemoryLayout<Double>.stride)
    let scratch = ck_program_scratch(program)
    let kernel = RangeKernel(
      "elementwise",
      phases: [
        RangeKernel.Phase(count: rows * parts, grain: max(1, grain / min(tiles, part))) { call, begin, end, thread in
          ck_program_reduce(
            memory.program, call.scratch.assumingMemoryBound(to: Double.self), memory.inputs(call), begin, end,
            call.scratch + partial + thread * scratch)
        },
        RangeKernel.Phase(count: rows, grain: 4096) { call, begin, end, _ in
          ck_program_finish(
            memory.program, call.output(0, Float.self), call.scratch.assumingMemoryBound(to: Double.self), begin, end)
        },
      ])
    return PreparedKernel(kernel, scratchBytes: partial + scratch * request.threads)
  }

  /// Chooses rows and tiles: as long as registers stay in the first-level cache, and so that contents that repeat do so from
  /// tile to tile.
  private static func layTiles(_ memory: ElementwiseMemory, _ compiler: ElementwiseCompiler, _ operands: [Operand]) {
    let program = memory.program
    let count = program.pointee.count
    let reduce = program.pointee.reduce
    let streams = program.pointee.registers + operands.count { $0.count > 1 } + 1
    var most = Int(CK_PROGRAM_TILE)
    while most > 512 && streams * most * memory.width > cacheBytes { most /= 2 }
    // Sums are float within so many elements, double beyond: as those of the reductions by themselves.
    if compiler.reduction != nil { most = min(most, 1024) }
    program.pointee.row = count
    if compiler.reduction != nil {
      if reduce <= most {
        program.pointee.tile = most / reduce * reduce
      } else {
        program.pointee.row = reduce
        program.pointee.tile = most
      }
    } else {
      let dims = BinaryKernels.merged(compiler.shape, operands.map(\.shape)).dims
      let inner = dims[dims.count - 1]
      if dims.count > 1 && inner >= longRow {
        let pieces = (inner + most - 1) / most
        program.pointee.row = inner
        program.pointee.tile = min(most, ((inner + pieces - 1) / pieces + 15) & ~15)
      } else {
        let period = memory.periods.filter { $0 > 0 && $0 <= most }.max() ?? 1
        program.pointee.tile = most / period * period
      }
    }
    program.pointee.register_bytes = program.pointee.tile * memory.width
  }

  /// In units of a pass that adds.
  private static func cost(_ step: ElementwiseCompiler.Step) -> Int {
    if step.operation == CK_PROGRAM_BINARY_F32 { return step.argument == Int32(CK_BINARY_POW.rawValue) ? 16 : 2 }
    if step.operation == CK_PROGRAM_PAIR_F32 { return 3 }
    if step.operation == CK_PROGRAM_UNARY_F32 { return UnaryKernels.isCostly(step.argument) ? 8 : 2 }
    return 2
  }
}

/// The C side of a program: what it points at lives as long as this.
final class ElementwiseMemory: @unchecked Sendable {
  let program: UnsafeMutablePointer<ck_program>
  /// Bytes of the widest register's element.
  let width: Int
  /// By input: elements after which it repeats; 0 where it does not.
  let periods: [Int]
  private let steps: UnsafeMutablePointer<ck_program_step>
  private let inputs: UnsafeMutablePointer<ck_program_input>
  private let scalars: UnsafeMutablePointer<Double>

  init(_ compiler: ElementwiseCompiler, _ operands: [Operand]) throws {
    let (registers, count) = ElementwiseMemory.registers(compiler.steps)
    let slots = operands.count + compiler.scalars.count
    guard slots + count <= Int(CK_PROGRAM_SLOTS) else { throw Refusal("\(slots + count) operands") }
    var walks: [ck_program_input] = []
    for operand in operands { walks.append(try ElementwiseMemory.walk(operand, over: compiler.shape)) }
    periods = walks.map(\.period)
    width = compiler.steps.map(\.width).max() ?? 4

    program = .allocate(capacity: 1)
    steps = .allocate(capacity: compiler.steps.count)
    inputs = .allocate(capacity: max(1, operands.count))
    scalars = .allocate(capacity: max(1, compiler.scalars.count))
    for (index, value) in compiler.scalars.enumerated() { scalars[index] = Double(bitPattern: value) }
    for (index, walk) in walks.enumerated() { inputs[index] = walk }
    func slot(_ source: ElementwiseCompiler.Source) -> Int32 {
      switch source {
      case .input(let index): Int32(index)
      case .scalar(let index): Int32(operands.count + index)
      case .step(let index): Int32(slots + registers[index])
      }
    }
    for (index, step) in compiler.steps.enumerated() {
      let a = slot(step.operands[0])
      steps[index] = ck_program_step(
        op: Int32(step.operation.rawValue), arg: step.argument, out: Int32(slots + registers[index]), a: a,
        b: step.operands.count > 1 ? slot(step.operands[1]) : a,
        c: step.operands.count > 2 ? slot(step.operands[2]) : a, width: Int32(step.width), p0: step.p0, p1: step.p1)
    }
    // Tiles are laid once the width and periods are known.
    program.initialize(
      to: ck_program(
        count: 0, row: 0, tile: 0, steps: compiler.steps.count, inputs: operands.count,
        scalars: compiler.scalars.count, registers: count, register_bytes: 0, step: UnsafePointer(steps),
        input: UnsafePointer(inputs), scalar: UnsafePointer(scalars),
        reduction: compiler.reduction.map { Int32($0.operation.rawValue) } ?? -1, reduce: 1, part: 0))
  }

  deinit {
    program.deallocate()
    steps.deallocate()
    inputs.deallocate()
    scalars.deallocate()
  }

  /// Addresses of a call's inputs: they come first among its operands.
  @inline(__always) func inputs(_ call: KernelCall) -> UnsafePointer<UnsafeRawPointer> {
    UnsafeRawPointer(call.operands).assumingMemoryBound(to: UnsafeRawPointer.self)
  }

  private static func walk(_ operand: Operand, over shape: [Int]) throws -> ck_program_input {
    var walk = ck_program_input()
    walk.width = operand.type.bitWidth / 8
    let (dims, strides) = BinaryKernels.merged(shape, [operand.shape])
    if strides[0].allSatisfy({ $0 == 0 }) { return walk }
    guard dims.count <= Int(CK_MAX_RANK) else { throw Refusal("more than 8 axes") }
    walk.rank = dims.count
    withUnsafeMutableBytes(of: &walk.dims) { $0.copyBytes(from: dims.withUnsafeBytes { Array($0) }) }
    withUnsafeMutableBytes(of: &walk.strides) { $0.copyBytes(from: strides[0].withUnsafeBytes { Array($0) }) }
    if dims.count > 1 && strides[0][0] == 0 { walk.period = product(dims.dropFirst()) }
    return walk
  }

  /// A register for each step's result, taken over from an operand that nothing reads later where that may be.
  private static func registers(_ steps: [ElementwiseCompiler.Step]) -> (places: [Int], count: Int) {
    var lastRead = [Int](repeating: -1, count: steps.count)
    for (index, step) in steps.enumerated() {
      for case .step(let operand) in step.operands { lastRead[operand] = index }
    }
    var places: [Int] = []
    var free: [Int] = []
    var count = 0
    for (index, step) in steps.enumerated() {
      var dying: [Int] = []
      for case .step(let operand) in step.operands where lastRead[operand] == index && !dying.contains(operand) {
        dying.append(operand)
      }
      if step.operation != CK_PROGRAM_CONVERT, let heir = dying.firstIndex(where: { steps[$0].width == step.width }) {
        places.append(places[dying.remove(at: heir)])
      } else if let place = free.popLast() {
        places.append(place)
      } else {
        places.append(count)
        count += 1
      }
      free += dying.map { places[$0] }
    }
    return (places, count)
  }
}
