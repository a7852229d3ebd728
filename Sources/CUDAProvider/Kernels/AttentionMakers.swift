import InferenceRuntime
import Operators
import Tensors

/// Attention: flash attention in its three forms, and a plain kernel for what they do not take.
///
/// The operands' types may differ: what has not the type that the products are made of is converted into scratch. A result is
/// rounded once; softmax_precision is met by float32 throughout.
enum AttentionMakers {
  static let makers: [String: CUDAProvider.Maker] = [
    "Attention": { try make(AttentionNode($0), $0) },
    "ai.cameo.PackedAttention": { try make(AttentionNode(packed: $0), $0) },
  ]

  static func make(_ node: AttentionNode, _ request: CUDARequest) throws -> PreparedKernel {
    var assembly = AttentionAssembly(node, request)
    let kernel = try assembly.kernel()
    return PreparedKernel(
      kernel, scratchBytes: assembly.scratchBytes, copiedBytes: assembly.copiedBytes,
      heedsRoom: node.takesRooms(request))
  }
}

/// The launches of one node: what is moved and converted first, attention, and what is converted after it.
struct AttentionAssembly {
  let node: AttentionNode
  let request: CUDARequest
  private(set) var scratchBytes = 0
  private(set) var copiedBytes = 0
  private var before: [AttentionRows.Job] = []
  private var after: [AttentionRows.Job] = []

  init(_ node: AttentionNode, _ request: CUDARequest) {
    (self.node, self.request) = (node, request)
  }

  mutating func kernel() throws -> Kernel {
    keep(node.k, node.pastKey, node.presentKey)
    keep(node.v, node.pastValue, node.presentValue)
    if let (problem, launch, places) = try fast() {
      let launches = try fastLaunches(problem, launch, places)
      let names = [AttentionKernels.sm90: "sm90", .portable: "portable", .decode: "decode"]
      return LaunchKernel(
        "flash (\(names[launch.kernels] ?? ""))",
        try AttentionRows.launches(before, request) + launches + AttentionRows.launches(after, request))
    }
    let (q, k) = (converted(node.q, node.q.type), converted(node.k, node.k.type))
    return LaunchKernel("attention", try AttentionRows.launches(before, request) + [plain(q, k)])
  }

  // MARK: Movement

  mutating func scratch(_ bytes: Int) -> Launch.Argument {
    defer { scratchBytes += roundUp(max(1, bytes), 256) }
    return .scratch(offset: scratchBytes)
  }

  private static func side(_ heads: AttentionNode.Heads, skipped: Int = 0) -> AttentionRows.Side {
    AttentionRows.Side(
      place: heads.place, type: heads.type, strides: heads.strides, skipped: skipped, isAligned: heads.isAligned)
  }

  private func job(_ from: AttentionNode.Heads, _ to: AttentionNode.Heads, skipped: Int = 0) -> AttentionRows.Job {
    AttentionRows.Job(
      from: Self.side(from), to: Self.side(to, skipped: skipped), batch: node.batch, heads: from.count,
      rows: from.length, size: from.size, rotation: from.isTurned ? node.rotation : nil)
  }

  /// present_key or present_value: new rows behind the past's.
  private mutating func keep(
    _ new: AttentionNode.Heads, _ past: AttentionNode.Heads?, _ present: AttentionNode.Heads?
  ) {
    guard let present else { return }
    var jobs = [job(new, present, skipped: node.past)]
    if let past, !node.isInPlace { jobs.append(job(past, present)) }
    for job in jobs { copiedBytes += job.batch * job.heads * job.rows * job.size * (present.type == .float ? 4 : 2) }
    before += jobs
  }

  /// A place in scratch for heads of that type, contiguous.
  private mutating func room(_ like: AttentionNode.Heads, _ type: DataType, length: Int) -> AttentionNode.Heads {
    var made = like
    made.place = scratch(node.batch * like.count * length * like.size * (type == .float ? 4 : 2))
    (made.type, made.length, made.isAligned) = (type, length, true)
    made.isTurned = false
    made.strides = .headsFirst(heads: like.count, rows: length, size: like.size)
    return made
  }

  private mutating func converted(_ heads: AttentionNode.Heads, _ type: DataType) -> AttentionNode.Heads {
    guard heads.type != type || heads.isTurned else { return heads }
    let made = room(heads, type, length: heads.length)
    before.append(job(heads, made))
    return made
  }

  /// All keys or values in one piece: as given, in the present, or joined in scratch.
  private mutating func joined(
    _ new: AttentionNode.Heads, _ past: AttentionNode.Heads?, _ present: AttentionNode.Heads?, _ type: DataType
  ) -> AttentionNode.Heads {
    if past == nil && new.type == type && !new.isTurned { return new }
    if let present, present.type == type { return present }
    guard let past else { return converted(new, type) }
    let made = room(new, type, length: node.total)
    before.append(job(new, made, skipped: node.past))
    before.append(job(past, made))
    return made
  }

  // MARK: Flash attention

  /// What products are made of: the operands' type, or the session's where float32 is among them. Few queries read float32 keys as they
  /// are: to convert them first would read them twice.
  private var element: AttentionProblem.Element {
    let wanted: DataType? =
      switch request.precision {
      case .fp16: .float16
      case .bf16: .bfloat16
      default: nil
      }
    let types = Set([node.q.type, node.k.type, node.v.type])
    let stored = node.past > 0 ? [node.pastKey?.type, node.pastValue?.type] : [node.k.type, node.v.type]
    if node.group * node.q.length <= 64 && stored.contains(.float) { return .float32 }
    if types.count == 1, let only = types.first, only != .float { return AttentionProblem.Element(only) ?? .float32 }
    if let wanted, types.isSubset(of: [.float, wanted]) { return AttentionProblem.Element(wanted) ?? .float32 }
    return .float32
  }

  struct Places {
    var q: AttentionNode.Heads
    var k: AttentionNode.Heads
    var v: AttentionNode.Heads
    var o: AttentionNode.Heads
    var bias: Launch.Argument?
  }

  /// nil where only the plain kernel serves. Nothing is moved in vain then.
  private mutating func fast() throws -> (AttentionProblem, AttentionLaunch, Places)? {
    guard node.scores == nil, node.total > 0, node.mask.map({ $0.covered > 0 }) ?? true else { return nil }
    // Lengths are cut to the keys that the mask covers, but say where the queries stand.
    if node.hasLengths && (node.left ?? node.right) != nil && (node.mask?.covered ?? node.total) < node.total {
      return nil
    }
    var draft = self
    let type = element.type
    var places = Places(
      q: draft.converted(node.q, type), k: draft.joined(node.k, node.pastKey, node.presentKey, type),
      v: draft.joined(node.v, node.pastValue, node.presentValue, type), o: node.result, bias: nil)
    if node.result.type != type {
      places.o = draft.room(node.result, type, length: node.q.length)
      draft.after.append(draft.job(places.o, node.result))
    }
    let all = [places.q, places.k, places.v, places.o]
    var problem = AttentionProblem(
      element: element, usesTF32: request.precision != .fp32 && request.precision != .auto, batch: node.batch,
      heads: node.q.count, group: node.group, queries: node.q.length, keys: node.mask?.covered ?? node.total,
      size: node.q.size, valueSize: node.v.size, q: places.q.strides, k: places.k.strides, v: places.v.strides,
      o: places.o.strides, alignment: all.allSatisfy(\.isAligned) ? 16 : element.bytes, left: node.left,
      right: node.right, hasLengths: node.hasLengths, queryOffset: node.past, scale: node.scale,
      softcap: node.softcap)
    if let mask = node.mask { (problem.bias, places.bias) = draft.bias(mask, element) }
    problem = problem.simplified
    guard let launch = AttentionLaunch.choose(problem, request.context.attention) else { return nil }
    self = draft
    return (problem, launch, places)
  }

  /// The mask in a form that kernels read.
  private mutating func bias(
    _ mask: AttentionNode.Mask, _ element: AttentionProblem.Element
  ) -> (AttentionProblem.Bias, Launch.Argument) {
    func bias(_ kind: AttentionProblem.BiasKind) -> AttentionProblem.Bias {
      AttentionProblem.Bias(kind: kind, strides: mask.strides)
    }
    if mask.type == .bool { return (bias(.bool), mask.place) }
    if mask.type == .float { return (bias(.float32), mask.place) }
    if mask.type == element.type { return (bias(.element), mask.place) }
    let count = mask.shape.reduce(1, *)
    let place = scratch(count * 4)
    let strides = AttentionProblem.Strides(batch: 0, head: 0, row: mask.covered)
    before.append(
      AttentionRows.Job(
        from: AttentionRows.Side(place: mask.place, type: mask.type, strides: strides),
        to: AttentionRows.Side(place: place, type: .float, strides: strides), batch: 1, heads: 1,
        rows: count / mask.covered, size: mask.covered))
    return (bias(.float32), place)
  }

  private mutating func fastLaunches(
    _ problem: AttentionProblem, _ launch: AttentionLaunch, _ places: Places
  ) throws -> [Launch] {
    let program = try launch.kernels.program(
      macros: launch.macros, architecture: launch.architecture ?? request.context.architecture)
    let function = try request.context.function(
      program, launch.kernels.rawValue, sharedBytes: launch.sharedBytes)
    let partial = launch.partialBytes > 0 ? scratch(launch.partialBytes) : nil
    let parameters = Self.parameters(problem, launch, places, partial: partial, lengths: node.lengths)
    var maps: [Launch.Argument] = []
    if let boxes = launch.boxes {
      maps = zip(AttentionLaunch.maps(problem, boxes), [places.q, places.k, places.v, places.o]).map {
        .tensorMap($0, of: $1.place)
      }
    }
    var launches = [
      Launch(
        function, grid: launch.grid, block: LaunchSize(launch.threads), sharedBytes: launch.sharedBytes,
        maps + parameters)
    ]
    if launch.splits > 1 {
      let combine = try request.context.function(program, "attention_combine")
      launches.append(
        Launch(
          combine, grid: LaunchSize(problem.queries, problem.heads, problem.batch), block: LaunchSize(128), parameters))
    }
    return launches
  }

  /// AttentionParams of attention_common.cuh: addresses, then the rest.
  static func parameters(
    _ problem: AttentionProblem, _ launch: AttentionLaunch, _ places: Places, partial: Launch.Argument?,
    lengths: Launch.Argument?
  ) -> [Launch.Argument] {
    let none = Launch.Argument.int64(0)
    var bytes = PackedBytes()
    for strides in [
      problem.q, problem.k, problem.v, problem.o, problem.bias?.strides ?? .init(batch: 0, head: 0, row: 0),
    ] {
      for stride in [strides.batch, strides.head, strides.row] { bytes.append(Int64(stride)) }
    }
    let numbers = [
      problem.batch, problem.heads, problem.group, problem.queries, problem.keys, problem.size, problem.valueSize,
      problem.queryOffset, problem.hasLengths ? 1 : 0, problem.left ?? 0, problem.right ?? 0, launch.section,
      launch.splits, launch.splitKeys,
    ]
    for number in numbers { bytes.append(Int32(number)) }
    bytes.append(problem.scale)
    bytes.append(problem.softcap)
    return [
      places.q.place, places.k.place, places.v.place, places.o.place, places.bias ?? none,
      lengths ?? none, partial ?? none, launch.usesCounters ? .counters : none,
      .bytes(bytes.bytes, alignment: 8),
    ]
  }
}
