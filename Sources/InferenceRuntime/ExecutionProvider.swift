import GraphIR
import Operators
import Tensors

/// A tensor operand as a plan knows it.
public struct Operand: Sendable {
  public let type: DataType
  public let shape: [Int]
  public let count: Int
  /// The tensor, where it is the same in every run of the plan.
  public let constant: Tensor?
  /// Rows (extents of the second last axis) that the memory has room for, where it has room for more than there are: the
  /// distance from one head of a cache to the next. Such an operand is the caller's, and not contiguous.
  public let room: Int?

  public init(type: DataType, shape: [Int], constant: Tensor? = nil, room: Int? = nil) throws {
    self.room = room
    self.type = type
    self.shape = shape
    self.constant = constant
    count = try Tensor.elementCount(shape)
  }

  public var rank: Int { shape.count }
  public var byteCount: Int { type.byteCount(elements: count) ?? 0 }
}

/// One node that a plan needs a kernel for: every type, shape and constant is known.
public struct KernelRequest {
  public let node: Node
  public let attributes: AttributeReader
  /// By position; nil where left out.
  public let inputs: [Operand?]
  public let outputs: [Operand?]
  /// Threads that may work at once; scratch is per thread where a kernel wants it so.
  public let threads: Int
  /// What products of float32 may be computed in.
  public let precision: Precision
  /// How questions are answered that `choice` asks; the heuristic's answer where they are not.
  var answers = TuningAnswers()
  var questions: TuningQuestions?
  let packs: PackCache
  /// Whose forms `packed` keeps: the provider's name; "" where they may not outlive the process.
  var packer = ""
  /// The graph that the node is of, for its bodies; nil where they are not given.
  let graph: Graph?
  /// Who packs; nil: the calling thread alone.
  let pool: ThreadPool?
  /// Where a device's kernels keep constants; nil for providers without a device.
  public var residents: DeviceConstants?
  /// What a device's kernel may do at prepare to be faster.
  public var mode = ExecutionMode.standard

  public init(
    node: Node, inputs: [Operand?], outputs: [Operand?], threads: Int, precision: Precision = .fp32,
    packs: PackCache = PackCache(), graph: Graph? = nil, pool: ThreadPool? = nil
  ) {
    self.precision = precision
    self.graph = graph
    self.pool = pool
    self.node = node
    attributes = AttributeReader(node)
    self.inputs = inputs
    self.outputs = outputs
    self.threads = threads
    self.packs = packs
  }

  /// The same of other operands. No file keeps what is packed of constants that a provider makes; those of the node may be kept.
  public func replacing(inputs: [Operand?], outputs: [Operand?], keepsPacks: Bool = false) -> KernelRequest {
    var request = KernelRequest(
      node: node, inputs: inputs, outputs: outputs, threads: threads, precision: precision, packs: packs, graph: graph,
      pool: pool)
    (request.answers, request.questions) = (answers, questions)
    (request.residents, request.mode) = (residents, mode)
    if keepsPacks { request.packer = packer }
    return request
  }

  public func input(_ index: Int) -> Operand? { index < inputs.count ? inputs[index] : nil }
  public func output(_ index: Int) -> Operand? { index < outputs.count ? outputs[index] : nil }

  /// Whether `choice` may give another answer than 0: questions are noted, or there are answers.
  public var isTuned: Bool { questions != nil || !answers.options.isEmpty }

  /// One of `count` ways to do something: 0 for the heuristic's, others where tuning found them faster. A question has one meaning, and one
  /// count, for one operator with its shapes.
  public func choice(_ question: String, of count: Int) -> Int {
    questions?.note(question, count)
    guard let option = answers.options[question], option < count else { return 0 }
    return option
  }

  /// A body of the node as a graph of its own; nil where it is not given, or reads what is computed outside.
  public func body(_ attribute: String) throws -> Graph? { graph?.standalone(try attributes.region(attribute)) }

  /// A packed form of a constant, made once per session however many plans ask; taken from the file of a prepared model where
  /// that has it (`PackFile`).
  ///
  /// `form` says everything that the bytes depend on beside the constant's type, shape and contents, and beside what
  /// `ExecutionProvider.packing` says: the same form of the same constant has the same bytes in every process. `fill` writes all
  /// `byteCount` bytes, at an address aligned to 64; more than what it wrote must not be read.
  public func packed(
    _ tensor: Tensor, _ form: String, byteCount: Int, _ fill: (UnsafeMutableRawPointer) throws -> Void
  ) throws -> TensorStorage {
    let form = PackForm(provider: packer, form: form, type: tensor.dataType, shape: tensor.shape)
    return try packs.storage(for: tensor, form, byteCount: packer.isEmpty ? nil : byteCount) { zeroes in
      let made = try zeroes ? TensorStorage(byteCount: byteCount) : packs.memory.storage(byteCount: byteCount)
      try withExtendedLifetime(tensor) { try fill(made.base) }
      return made
    }
  }

  /// The same where `fill` writes some of `parts` parts of about one size, which several threads do side by side.
  public func packed(
    _ tensor: Tensor, _ form: String, byteCount: Int, parts: Int,
    _ fill: (_ target: UnsafeMutableRawPointer, _ parts: Range<Int>) -> Void
  ) throws -> TensorStorage {
    try packed(tensor, form, byteCount: byteCount) { target in
      guard let pool else { return fill(target, 0..<parts) }
      // Some 10 microseconds' work: new memory is written at a few GB/s.
      pool.share(count: parts, grain: max(1, parts * 32768 / max(1, byteCount))) { fill(target, $0) }
    }
  }

  /// The same where only making it tells its size: no file keeps such a form, each session makes it.
  public func packed(_ tensor: Tensor, _ form: String, _ make: () throws -> TensorStorage) throws -> TensorStorage {
    let form = PackForm(provider: "", form: form, type: tensor.dataType, shape: tensor.shape)
    return try packs.storage(for: tensor, form, byteCount: nil) { _ in try make() }
  }
}

/// A kernel with what the planner must know of it.
public struct PreparedKernel {
  public let kernel: Kernel
  /// Bytes of scratch for the whole step, all threads.
  public let scratchBytes: Int
  /// Inputs whose memory output 0 may take over: the kernel reads element i of them no later than it writes element i.
  public let inPlaceInputs: [Int]
  /// Bytes that a run moves as they are, for reports.
  public let copiedBytes: Int
  /// True where the kernel heeds `Operand.room`.
  public let heedsRoom: Bool
  /// Constants that the kernel has packed and whose bytes it never reads.
  public let unreadInputs: [Int]

  public init(
    _ kernel: Kernel, scratchBytes: Int = 0, inPlaceInputs: [Int] = [], copiedBytes: Int = 0, heedsRoom: Bool = false,
    unreadInputs: [Int] = []
  ) {
    self.unreadInputs = unreadInputs
    self.kernel = kernel
    self.copiedBytes = copiedBytes
    self.heedsRoom = heedsRoom
    self.scratchBytes = scratchBytes
    self.inPlaceInputs = inPlaceInputs
  }
}

/// Which float32 operands of a node, by position, a provider's kernel takes or gives in bfloat16 memory.
public struct RoundedOperands: Sendable {
  public var inputs: Set<Int>
  public var outputs: Set<Int>
  /// The node only moves elements: all its float32 operands are stored alike.
  public var movesElements = false

  public init(inputs: Set<Int>, outputs: Set<Int>) {
    self.inputs = inputs
    self.outputs = outputs
  }

  public static var moves: RoundedOperands {
    var all = RoundedOperands(inputs: [], outputs: [])
    all.movesElements = true
    return all
  }
}

/// Why a provider does not take a node, for profiles and reports.
public struct Refusal: Error, Sendable, CustomStringConvertible {
  public let reason: String
  public init(_ reason: String) { self.reason = reason }
  public var description: String { reason }
}

/// One line of `cameo providers`: something looked for on this machine.
public struct ProviderFinding: Sendable {
  public let what: String
  public let isFound: Bool
  /// Version, path, name; or why it was not found.
  public let detail: String

  public init(_ what: String, isFound: Bool, _ detail: String) {
    self.what = what
    self.isFound = isFound
    self.detail = detail
  }
}

/// Where a provider's kernels read and write.
public enum MemoryKind: Sendable, Hashable {
  case host
  case device(Int)
}

/// A way to compute nodes. Asked in the session's order of preference; the reference provider stands behind all.
public protocol ExecutionProvider: Sendable {
  var name: String { get }
  /// Whose memory its kernels read and write; nil: the host's. Such kernels only put work into the run's queue (`KernelCall.queue`).
  var device: Device? { get }
  /// The processor, as far as the speed of kernels depends on it: what was tuned on one is not used on another.
  var machine: String { get }
  /// What products of float32 can be computed in here. `auto` is left out: every provider takes it.
  var precisions: Set<Precision> { get }
  /// What this machine has of what the provider can use.
  func probe() -> [ProviderFinding]
  /// Everything that the bytes of its packed forms depend on beside constant and form, in words: the processor's features in use,
  /// panel sizes, the build of the packing code. nil: no file may keep them.
  var packing: String? { get }
  /// What of a node whose operands are float32 may lie in memory as bfloat16 (with the precision fp16: float16), where the request's precision
  /// allows it; nil: nothing. The
  /// plan stores a value so where its producer and all its readers agree, and asks `prepare` with the types that it has chosen.
  func roundedOperands(_ request: KernelRequest) -> RoundedOperands?
  /// Passes that only run where they are asked for, and whose results its kernels are made for, by name.
  var passes: Set<String> { get }
  /// A kernel for the node, or a thrown `Refusal` (or `CameoError.unsupported`) that says why not.
  func prepare(_ request: KernelRequest) throws -> PreparedKernel
}

extension ExecutionProvider {
  public var device: Device? { nil }
  public var machine: String { name }
  public var precisions: Set<Precision> { [.fp32] }
  public func probe() -> [ProviderFinding] { [] }
  public var packing: String? { nil }
  public var passes: Set<String> { [] }
  public func roundedOperands(_ request: KernelRequest) -> RoundedOperands? { nil }
}
