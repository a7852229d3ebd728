import InferenceRuntime
import Operators
import Tensors

extension ElementwiseProgram {
  /// Where an input lies, and its shape, which is broadcast to that of the result.
  struct Input {
    let argument: Launch.Argument
    let shape: [Int]

    init(_ argument: Launch.Argument, _ shape: [Int]) {
      self.argument = argument
      self.shape = shape
    }
  }

  private static let headers = ["elements.cuh", "division.cuh", "elementwise.cuh"]

  /// The text with all that it stands on. `name`: what messages call it.
  func program(_ text: String, _ name: String, architecture: String) throws -> KernelProgram {
    KernelProgram(
      try Self.headers.map { try KernelSource.embedded($0) } + [KernelSource(name: name, text: text)],
      macros: ["FAST": isShort ? 1 : 0], architecture: architecture)
  }

  /// The program over all elements of `shape`, its results contiguous and each in one of `outputs`. An input of the result's shape may lie
  /// where a result of the same width goes: a thread reads its elements before it writes them.
  func launch(
    over shape: [Int], _ inputs: [Input], to outputs: [Launch.Argument], _ context: CUDAContext
  ) throws -> Launch {
    let layout = try ElementwiseLayout(self, over: shape, inputs.map(\.shape))
    guard outputs.count == results.count, !results.isEmpty else { throw Refusal("\(results.count) results") }
    let source = ElementwiseSource(program: self, layout: layout)
    let vectors = layout.vectors(on: context.info.multiprocessors)
    let compiled = try program(source.kernel(vectors: vectors), "elementwise.cu", architecture: context.architecture)
    // Blocks that all multiprocessors have some of.
    var block = 256
    while block > 64 && layout.count / (layout.width * vectors * block) < 2 * context.info.multiprocessors {
      block /= 2
    }
    let share = block * vectors * layout.width
    return Launch(
      try context.function(compiled, "elementwise"), grid: LaunchSize((layout.count + share - 1) / share),
      block: LaunchSize(block), source.launchArguments(inputs.map(\.argument), outputs))
  }

  /// The program with a reduction of what follows axis `from` of `shape`: its launches, and the bytes of scratch that they take.
  func reduce(
    _ reduction: ElementwiseReduction, over shape: [Int], from: Int, _ inputs: [Input], to output: Launch.Argument,
    _ context: CUDAContext
  ) throws -> (launches: [Launch], scratchBytes: Int) {
    guard results.count == 1, results[0].value.kind == .float else { throw Refusal("a reduction of \(results.count)") }
    let length = shape[from...].reduce(1, *)
    let layout = try ElementwiseLayout(self, over: shape, inputs.map(\.shape), inner: length)
    let source = ElementwiseSource(program: self, layout: layout)
    let plan = ElementwiseReduction.Plan(
      rows: layout.count / length, length: length, width: layout.width,
      multiprocessors: context.info.multiprocessors)
    let text = reduction.kernels(source, threads: plan.threads)
    let compiled = try program(text, "elementwise.cu", architecture: context.architecture)
    let arguments = source.launchArguments(
      inputs.map(\.argument), [output],
      [
        output, .scratch(), .int32(plan.rows), .int32(length), .int32(plan.chunk), .int32(plan.parts),
      ])
    let rowsPerBlock = 256 / plan.threads
    var launches = [
      Launch(
        try context.function(compiled, "reduce_rows"),
        grid: LaunchSize((plan.rows + rowsPerBlock - 1) / rowsPerBlock, plan.parts), block: LaunchSize(256), arguments)
    ]
    if plan.parts > 1 {
      launches.append(
        Launch(
          try context.function(compiled, "finish_rows"), grid: LaunchSize((plan.rows + 7) / 8), block: LaunchSize(256),
          arguments))
    }
    return (launches, plan.parts > 1 ? plan.rows * plan.parts * 4 : 0)
  }
}

extension ElementwiseSource {
  /// The members of `Arguments`, filled up to a multiple of the struct's alignment.
  func launchArguments(
    _ inputs: [Launch.Argument], _ outputs: [Launch.Argument], _ extra: [Launch.Argument] = []
  ) -> [Launch.Argument] {
    var arguments = inputs + outputs
    for index in scalarOrder {
      let scalar = program.scalars[index]
      arguments.append(
        scalar.kind.bytes == 8
          ? .int64(Int(truncatingIfNeeded: scalar.bits)) : .int32(Int(truncatingIfNeeded: scalar.bits)))
    }
    arguments.append(.int32(layout.count))
    for axis in divided { arguments += IndexDivision(layout.dims[axis]).arguments }
    for entry in strideOrder { arguments.append(.int32(layout.strides[entry.input][entry.axis])) }
    return (arguments + extra).aligned
  }
}

extension [Launch.Argument] {
  /// With what makes their bytes a multiple of 8, as a struct with an address in it has them.
  var aligned: [Launch.Argument] {
    var bytes = 0
    for argument in self {
      let (size, alignment) =
        switch argument {
        case .input, .output, .scratch, .resident, .counters, .int64: (8, 8)
        case .tensorMap: (128, 64)
        case .int32, .float: (4, 4)
        case .bytes(let value, let alignment): (value.count, alignment)
        }
      bytes = (bytes + alignment - 1) / alignment * alignment + size
    }
    return bytes % 8 == 0 ? self : self + [Launch.Argument](repeating: .int32(0), count: (8 - bytes % 8) / 4)
  }
}
