internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// One recurrent node: for a stretch of time the input products of all its steps at once, then step by step the recurrent
/// product with the states, and the cell.
///
/// Threads share the work in one of two ways. Directions, and parts of a large batch, depend on nothing of each other: each
/// goes through all of time by itself. Where there is only one, the input products are cut into tiles, and the units of a step
/// into parts where the recurrent weights are large. Neither changes a bit of the result.
final class RecurrentKernel: Kernel, @unchecked Sendable {
  private let shape: RecurrentShape
  private let weights: RecurrentWeights
  private let activations: RecurrentActivations
  private let clip: Float
  private let inputForget: Bool
  /// Items of a lane, and lanes of a direction.
  private let laneItems: Int
  private let lanes: Int
  /// True where each lane is one part of a parallel job.
  private let runsLanes: Bool
  /// Units of a step that are worth a thread; more than there are: steps are not shared.
  private let unitGrain: Int
  /// Time steps whose input products lie in scratch at once.
  private let stretch: Int
  private let rowTile: Int
  private let columnTile: Int
  // Offsets in scratch, in bytes.
  private let sumsAt: Int
  private let stateAt: Int
  private let productAt: Int
  private let weightsAt: Int
  private let productBytes: Int
  private let threads: Int
  let scratchBytes: Int

  /// Nanoseconds of work that are worth waking a thread: between two runs it sleeps, and it comes as late as that.
  private static let wakeCost = 80_000

  private static let projectPhase = 0
  private static let lanePhase = 1
  private static let stepPhase = 2
  private static let resetPhase = 3

  init(
    _ shape: RecurrentShape, weights: RecurrentWeights, activations: RecurrentActivations, clip: Float,
    inputForget: Bool, threads: Int
  ) {
    self.shape = shape
    self.weights = weights
    self.activations = activations
    self.clip = clip
    self.inputForget = inputForget
    self.threads = threads
    let (batch, columns) = (shape.batch, shape.columns)
    // Nanoseconds of one step's recurrent product, and of one row of the input's: weights are read, rows are multiplied.
    let stepCost = columns * shape.hidden * (batch + 2) / 64
    let whole = shape.directions * shape.length * (stepCost + batch * columns * shape.size / 64)
    let perDirection = max(1, min(threads / shape.directions, batch / 4))
    laneItems = (batch + perDirection - 1) / perDirection
    lanes = (batch + laneItems - 1) / laneItems
    runsLanes = threads > 1 && lanes * shape.directions > 1 && whole > RecurrentKernel.wakeCost
    // A part of a step's units takes 10 microseconds at least.
    let parts = runsLanes || threads == 1 ? 1 : min(threads, max(1, stepCost / 6000))
    let panels = shape.padded / ck_gemm_nr()
    unitGrain = parts > 1 ? (panels + parts - 1) / parts : panels + 1
    let wanted = (1 << 20) / (batch * columns * MemoryLayout<Float>.stride)
    stretch = min(shape.length, max(wanted, (2 * ck_gemm_mr() + batch - 1) / batch, 1))

    let rows = stretch * batch
    rowTile = rows > 2 * ck_gemm_mr() ? 2 * ck_gemm_mr() : rows
    columnTile = min(columns, max(4, (1 << 18) / max(1, max(4, rowTile) * shape.size * ck_gemm_nr())) * ck_gemm_nr())
    let element = MemoryLayout<Float>.stride
    sumsAt = aligned(shape.directions * rows * columns * element)
    stateAt = sumsAt + aligned(shape.directions * batch * columns * element)
    productAt = stateAt + 5 * aligned(shape.directions * batch * shape.pitch * element)
    // Rows of X may be as far apart as makes them be copied.
    productBytes = aligned(max(ck_gemm_scratch_bytes(rows, 512, 1), ck_gemm_scratch_bytes(batch, shape.pitch, 1)))
    weightsAt = productAt + threads * productBytes
    scratchBytes = weightsAt + weights.scratchBytes
    switch shape.cell {
    case .lstm: super.init("lstm")
    case .gru: super.init("gru")
    case .rnn: super.init("rnn")
    }
  }

  // MARK: Memory

  /// What a direction works on.
  private struct Lane {
    let direction: Int
    /// Items [begin, end) of the batch.
    let begin: Int
    let end: Int
    let operands: RecurrentOperands
    /// Input products: item b at step t of the stretch from t * time + b * item on.
    let input: UnsafeMutablePointer<Float>
    let time: Int
    let item: Int
    let sums: UnsafeMutablePointer<Float>
    /// Two for h in turns, c, r * h, z; rows `pitch` apart.
    let state: UnsafeMutablePointer<Float>
    let stateStride: Int
    let lengths: UnsafePointer<Int32>?

    func states(_ index: Int) -> UnsafeMutablePointer<Float> { state + index * stateStride }
  }

  private func lane(_ call: KernelCall, _ index: Int, whole: Bool, fills: Bool = false) -> Lane {
    let direction = whole ? index : index / lanes
    let begin = whole ? 0 : index % lanes * laneItems
    let rows = stretch * shape.batch
    let columns = shape.columns
    let scratch = call.scratch
    let stateStride = aligned(shape.directions * shape.batch * shape.pitch * MemoryLayout<Float>.stride) / 4
    return Lane(
      direction: direction, begin: begin, end: whole ? shape.batch : min(shape.batch, begin + laneItems),
      operands: weights.bind(call, scratch + weightsAt, fills: fills),
      input: scratch.assumingMemoryBound(to: Float.self) + direction * rows * columns,
      time: shape.isBatchFirst ? columns : shape.batch * columns,
      item: shape.isBatchFirst ? stretch * columns : columns,
      sums: (scratch + sumsAt).assumingMemoryBound(to: Float.self) + direction * shape.batch * columns,
      state: (scratch + stateAt).assumingMemoryBound(to: Float.self) + direction * shape.batch * shape.pitch,
      stateStride: stateStride, lengths: call.optional(4, Int32.self))
  }

  private func goesBack(_ direction: Int) -> Bool { shape.isReverse || direction == 1 }

  /// The first step in time of stretch `index`, and how many steps it has. Going back, the last comes first.
  private func times(_ index: Int, _ direction: Int) -> (first: Int, count: Int) {
    let begin = index * stretch
    let count = min(stretch, shape.length - begin)
    return (goesBack(direction) ? shape.length - begin - count : begin, count)
  }

  // MARK: Input products

  /// Rows [begin, end) of a stretch's input products x W' + b over columns [left, right), for a lane's items. Rows count time
  /// first where items adjoin in X, else items first.
  private func project(
    _ call: KernelCall, _ lane: Lane, _ first: Int, _ count: Int, rows: Range<Int>, _ left: Int, _ right: Int,
    _ thread: Int
  ) {
    let items = lane.end - lane.begin
    let (xTime, xItem) = shape.inputSteps
    let x = call.input(0, Float.self) + first * xTime + lane.begin * xItem
    let w = lane.operands.w + lane.direction * shape.columns * shape.size
    let out = lane.input + lane.begin * lane.item
    var epilogue = ck_gemm_epilogue()
    epilogue.alpha = 1
    epilogue.bias_col = lane.operands.bias + lane.direction * (shape.columns + shape.padded)
    let scratch = call.scratch + productAt + thread * productBytes
    func multiply(_ x: UnsafePointer<Float>, _ xStep: Int, _ y: UnsafeMutablePointer<Float>, _ yStep: Int, _ m: Int) {
      ck_gemm_packed_f32(
        y, yStep, x, xStep, 1, w, shape.columns, shape.size, 0, m, left, right, &epilogue, scratch)
    }
    if !shape.isBatchFirst && items == shape.batch {
      multiply(x + rows.lowerBound * xItem, xItem, out + rows.lowerBound * lane.item, lane.item, rows.count)
      return
    }
    // Each group is evenly spaced in X and in the products: one item's times, or one time's items.
    let inner = shape.isBatchFirst ? count : items
    var row = rows.lowerBound
    while row < rows.upperBound {
      let (group, place) = (row / inner, row % inner)
      let m = min(inner - place, rows.upperBound - row)
      if shape.isBatchFirst {
        multiply(
          x + group * xItem + place * xTime, xTime, out + group * lane.item + place * lane.time, lane.time, m)
      } else {
        multiply(
          x + group * xTime + place * xItem, xItem, out + group * lane.time + place * lane.item, lane.item, m)
      }
      row += m
    }
  }

  // MARK: Steps

  /// Sums of gates [gate, last) for panels [begin, end) of units: h R' of a lane's items.
  private func multiply(
    _ call: KernelCall, _ lane: Lane, _ h: UnsafePointer<Float>, _ gate: Int, _ last: Int, _ begin: Int, _ end: Int,
    _ thread: Int
  ) {
    let nr = ck_gemm_nr()
    let r = lane.operands.r + lane.direction * shape.columns * shape.hidden
    let scratch = call.scratch + productAt + thread * productBytes
    func run(_ left: Int, _ right: Int) {
      ck_gemm_packed_f32(
        lane.sums + lane.begin * shape.columns, shape.columns, h + lane.begin * shape.pitch, shape.pitch, 1, r,
        shape.columns, shape.hidden, 0, lane.end - lane.begin, left, right, nil, scratch)
    }
    if begin == 0 && end * nr == shape.padded {
      run(gate * shape.padded, last * shape.padded)
    } else {
      for gate in gate..<last { run(gate * shape.padded + begin * nr, gate * shape.padded + end * nr) }
    }
  }

  private func isActive(_ lane: Lane, _ item: Int, _ time: Int) -> Bool {
    lane.lengths.map { time < Int($0[item]) } ?? true
  }

  /// The step at `time` for panels [begin, end) of units: products, cells, and their part of Y. `turn` says which h is old.
  private func step(
    _ call: KernelCall, _ lane: Lane, _ time: Int, _ place: Int, _ turn: Int, _ begin: Int, _ end: Int, _ thread: Int
  ) {
    let (h, fresh) = (lane.states(turn), lane.states(1 - turn))
    let isSplitGru = shape.cell == .gru && !shape.linearBeforeReset
    multiply(call, lane, h, 0, isSplitGru ? 2 : shape.gates, begin, end, thread)
    let left = begin * ck_gemm_nr()
    let units = min(shape.hidden, end * ck_gemm_nr()) - left
    guard units > 0 else { return }
    let act = activations.base + lane.direction * activations.each
    for item in lane.begin..<lane.end {
      let row = item * shape.pitch + left
      let input = lane.input + place * lane.time + item * lane.item + left
      let sums = lane.sums + item * shape.columns + left
      guard isActive(lane, item, time) else {
        if !isSplitGru { keep(call, lane, item, time, turn, left, units) }
        continue
      }
      switch shape.cell {
      case .lstm:
        let peepholes = call.optional(7, Float.self).map { $0 + lane.direction * 3 * shape.hidden + left }
        ck_lstm_units_f32(
          fresh + row, lane.states(2) + row, input, sums, shape.padded, peepholes, shape.hidden, units, clip,
          inputForget, act)
      case .gru where isSplitGru:
        ck_gru_gates_f32(
          lane.states(4) + row, lane.states(3) + row, h + row, input, sums, shape.padded, units, clip, act)
      case .gru:
        let bias = lane.operands.bias + lane.direction * (shape.columns + shape.padded) + shape.columns + left
        ck_gru_units_f32(fresh + row, h + row, input, sums, shape.padded, bias, units, clip, act)
      case .rnn: ck_rnn_units_f32(fresh + row, input, sums, units, clip, act)
      }
      if !isSplitGru { store(call, lane, item, time, fresh + row, left, units) }
    }
  }

  /// Step 2 of a GRU whose reset gate scales h before the product.
  private func reset(
    _ call: KernelCall, _ lane: Lane, _ time: Int, _ place: Int, _ turn: Int, _ begin: Int, _ end: Int, _ thread: Int
  ) {
    let (h, fresh) = (lane.states(turn), lane.states(1 - turn))
    multiply(call, lane, lane.states(3), 2, 3, begin, end, thread)
    let left = begin * ck_gemm_nr()
    let units = min(shape.hidden, end * ck_gemm_nr()) - left
    guard units > 0 else { return }
    for item in lane.begin..<lane.end {
      guard isActive(lane, item, time) else {
        keep(call, lane, item, time, turn, left, units)
        continue
      }
      let row = item * shape.pitch + left
      let gate = 2 * shape.padded + left
      ck_gru_output_f32(
        fresh + row, lane.states(4) + row, h + row, lane.input + place * lane.time + item * lane.item + gate,
        lane.sums + item * shape.columns + gate, units, clip, activations.base + lane.direction * activations.each + 1)
      store(call, lane, item, time, fresh + row, left, units)
    }
  }

  private func store(
    _ call: KernelCall, _ lane: Lane, _ item: Int, _ time: Int, _ h: UnsafePointer<Float>, _ left: Int, _ units: Int
  ) {
    guard let all = call.optionalOutput(0, Float.self) else { return }
    let steps = shape.outputSteps
    memcpy(
      all + time * steps.time + item * steps.item + lane.direction * steps.direction + left, h,
      units * MemoryLayout<Float>.stride)
  }

  /// Past its length an item keeps its state and gives zeros.
  private func keep(
    _ call: KernelCall, _ lane: Lane, _ item: Int, _ time: Int, _ turn: Int, _ left: Int, _ units: Int
  ) {
    let row = item * shape.pitch + left
    memcpy(lane.states(1 - turn) + row, lane.states(turn) + row, units * MemoryLayout<Float>.stride)
    guard let all = call.optionalOutput(0, Float.self) else { return }
    let steps = shape.outputSteps
    memset(
      all + time * steps.time + item * steps.item + lane.direction * steps.direction + left, 0,
      units * MemoryLayout<Float>.stride)
  }

  /// Initial states, zero where they are left out.
  private func begin(_ call: KernelCall, _ lane: Lane) {
    let steps = shape.stateSteps
    for (input, index) in [(5, 0), (6, 2)] {
      for item in lane.begin..<lane.end {
        let target = lane.states(index) + item * shape.pitch
        target.update(repeating: 0, count: shape.padded)
        if index == 2 && shape.cell != .lstm { continue }
        if let given = call.optional(input, Float.self) {
          target.update(
            from: given + item * steps.item + lane.direction * steps.direction, count: shape.hidden)
        }
      }
    }
  }

  private func finish(_ call: KernelCall, _ lane: Lane) {
    let steps = shape.stateSteps
    for (output, index) in [(1, shape.length & 1), (2, 2)] {
      guard let last = call.optionalOutput(output, Float.self) else { continue }
      for item in lane.begin..<lane.end {
        (last + item * steps.item + lane.direction * steps.direction).update(
          from: lane.states(index) + item * shape.pitch, count: shape.hidden)
      }
    }
  }

  // MARK: Running

  override func run(_ call: KernelCall) throws {
    if let lengths = call.optional(4, Int32.self) {
      for item in 0..<shape.batch where lengths[item] < 0 || lengths[item] > Int32(clamping: shape.length) {
        throw CameoError.badInput(
          "sequence_lens holds \(lengths[item]), a length of 0 to the sequence's for each batch item was expected")
      }
    }
    _ = lane(call, 0, whole: true, fills: true)
    if runsLanes { return parallel(call, phase: Self.lanePhase, count: shape.directions * lanes, grain: 1) }
    for direction in 0..<shape.directions { walk(call, direction) }
  }

  /// All of one direction's time, its products shared by threads.
  private func walk(_ call: KernelCall, _ direction: Int) {
    let lane = lane(call, direction, whole: true)
    begin(call, lane)
    let panels = shape.padded / ck_gemm_nr()
    let stretches = (shape.length + stretch - 1) / stretch
    for index in 0..<stretches {
      let (_, count) = times(index, direction)
      let tiles = projectTiles(count)
      parallel(
        call, phase: code(Self.projectPhase, direction, index, 0), count: tiles.count,
        grain: tiles.count * tileCost > Self.wakeCost ? 2 : tiles.count)
      for offset in 0..<count {
        if unitGrain > panels {
          let (first, _) = times(index, direction)
          let place = goesBack(direction) ? count - 1 - offset : offset
          let turn = (index * stretch + offset) & 1
          step(call, lane, first + place, place, turn, 0, panels, 0)
          if shape.cell == .gru && !shape.linearBeforeReset {
            reset(call, lane, first + place, place, turn, 0, panels, 0)
          }
          continue
        }
        parallel(
          call, phase: code(Self.stepPhase, direction, index, offset), count: panels, grain: unitGrain)
        if shape.cell == .gru && !shape.linearBeforeReset {
          parallel(
            call, phase: code(Self.resetPhase, direction, index, offset), count: panels, grain: unitGrain)
        }
      }
    }
    finish(call, lane)
  }

  private func projectTiles(_ count: Int) -> (count: Int, columns: Int) {
    let columns = (shape.columns + columnTile - 1) / columnTile
    return ((count * shape.batch + rowTile - 1) / rowTile * columns, columns)
  }

  /// Nanoseconds of a tile of the input products; for few rows those of reading its weights.
  private var tileCost: Int { max(8, rowTile) * columnTile * shape.size / 64 }

  /// A phase with what its parts have to know: kind, direction, stretch and the step in it.
  private func code(_ kind: Int, _ direction: Int, _ index: Int, _ offset: Int) -> Int {
    ((index * stretch + offset) * 2 + direction) * 4 + kind
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    let (kind, direction, step) = (phase & 3, phase >> 2 & 1, phase >> 3)
    if kind == Self.lanePhase {
      for index in begin..<end { alone(call, lane(call, index, whole: false), thread) }
      return
    }
    let lane = lane(call, direction, whole: true)
    let (index, offset) = (step / stretch, step % stretch)
    let (first, count) = times(index, direction)
    if kind == Self.projectPhase {
      let tiles = projectTiles(count)
      for tile in begin..<end {
        let row = tile / tiles.columns * rowTile
        let column = tile % tiles.columns * columnTile
        project(
          call, lane, first, count, rows: row..<min(count * shape.batch, row + rowTile), column,
          min(shape.columns, column + columnTile), thread)
      }
      return
    }
    let place = goesBack(direction) ? count - 1 - offset : offset
    if kind == Self.stepPhase {
      self.step(call, lane, first + place, place, step & 1, begin, end, thread)
    } else {
      reset(call, lane, first + place, place, step & 1, begin, end, thread)
    }
  }

  /// A lane's whole work on one thread.
  private func alone(_ call: KernelCall, _ lane: Lane, _ thread: Int) {
    begin(call, lane)
    let panels = shape.padded / ck_gemm_nr()
    let isSplitGru = shape.cell == .gru && !shape.linearBeforeReset
    for index in 0..<(shape.length + stretch - 1) / stretch {
      let (first, count) = times(index, lane.direction)
      project(
        call, lane, first, count, rows: 0..<count * (lane.end - lane.begin), 0, shape.columns, thread)
      for offset in 0..<count {
        let place = goesBack(lane.direction) ? count - 1 - offset : offset
        let turn = (index * stretch + offset) & 1
        step(call, lane, first + place, place, turn, 0, panels, thread)
        if isSplitGru { reset(call, lane, first + place, place, turn, 0, panels, thread) }
      }
    }
    finish(call, lane)
  }
}
