import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// An Attention node's operands and options, checked; or a PackedAttention's.
struct AttentionNode {
  /// Heads of an operand that lie in its memory from `offset` elements on.
  struct Heads {
    var place: Launch.Argument
    var type: DataType
    var strides: AttentionProblem.Strides
    var count: Int
    var length: Int
    var size: Int
    /// Whether the first element's address is a multiple of 16 bytes.
    var isAligned = true
    /// To be rotated before it is used.
    var isTurned = false
  }

  struct Mask {
    var place: Launch.Argument
    var type: DataType
    var shape: [Int]
    var strides: AttentionProblem.Strides
    /// Keys that it covers; the others are not allowed.
    var covered: Int
  }

  var batch: Int
  var q: Heads
  var k: Heads
  var v: Heads
  var result: Heads
  /// Keys of the cache, and all.
  var past: Int
  var total: Int
  var pastKey: Heads?
  var pastValue: Heads?
  var presentKey: Heads?
  var presentValue: Heads?
  /// The past's memory is the present's.
  var isInPlace: Bool
  var mask: Mask?
  var left: Int?
  var right: Int?
  var hasLengths: Bool
  var scale: Float
  var softcap: Float
  /// Type and mode of qk_matmul_output, where it is asked for.
  var scores: (type: DataType, mode: Int)?
  var rotation: AttentionRows.Rotation?

  private let inputs: Inputs
  /// Of nonpad_kv_seqlen.
  var lengths: Launch.Argument? { hasLengths ? .input(inputs.lengths) : nil }
  /// Whether no operand but caches has room for more rows than it has.
  func takesRooms(_ request: CUDARequest) -> Bool {
    let caches = [inputs.pastKey, inputs.pastValue]
    return request.inputs.indices.allSatisfy { caches.contains($0) || request.inputs[$0]?.room == nil }
      && [0, 3].allSatisfy { request.output($0)?.room == nil }
  }
  var group: Int { q.count / k.count }

  /// Which inputs are what.
  private struct Inputs {
    var mask: Int
    var pastKey: Int
    var pastValue: Int
    var lengths: Int

    static let standard = Inputs(mask: 3, pastKey: 4, pastValue: 5, lengths: 6)
    static let packed = Inputs(mask: 1, pastKey: 2, pastValue: 3, lengths: 4)
  }

  /// Attention.
  init(_ request: CUDARequest) throws {
    let attributes = request.attributes
    let input = try request.operand(0)
    let keyHeads = try attributes.optionalInt("kv_num_heads")
    let batch = input.shape.first ?? 0
    let q = try Heads(input, .input(0), heads: try attributes.optionalInt("q_num_heads"), batch)
    let k = try Heads(try request.operand(1), .input(1), heads: keyHeads, batch)
    let v = try Heads(try request.operand(2), .input(2), heads: keyHeads, batch)
    guard k.size == q.size, k.count == v.count, k.length == v.length, q.count % k.count == 0 else {
      throw Refusal("operands that do not fit in heads, lengths or head size")
    }
    try self.init(request, .standard, q, k, v, batch: batch, isFlat: input.rank == 3)
    if let asked = request.output(3) {
      guard AttentionProblem.Element(asked.type) != nil else { throw Refusal("qk_matmul_output is \(asked.type)") }
      scores = (asked.type, try attributes.int("qk_matmul_output_mode", default: 0))
    }
  }

  /// ai.cameo.PackedAttention.
  init(packed request: CUDARequest) throws {
    let input = try request.operand(0)
    let heads = try request.attributes.int("q_num_heads", default: 0)
    let keyHeads = try request.attributes.int("kv_num_heads", default: 0)
    guard input.rank == 3, heads > 0, keyHeads > 0, input.shape[2] % (heads + 2 * keyHeads) == 0 else {
      throw Refusal("\(heads) and \(keyHeads) heads in \(input.shape)")
    }
    let (batch, length, width) = (input.shape[0], input.shape[1], input.shape[2])
    let size = width / (heads + 2 * keyHeads)
    let rotation = try Self.rotation(request, batch: batch, length: length, size: size)
    func part(_ first: Int, _ count: Int, isTurned: Bool = false) -> Heads {
      let offset = first * size * (input.type == .float ? 4 : 2)
      return Heads(
        place: .input(0, offset: offset), type: input.type,
        strides: .rowsFirst(rows: length, size: size, width: width), count: count, length: length, size: size,
        isAligned: offset % 16 == 0, isTurned: isTurned && rotation != nil)
    }
    guard batch > 0, size > 0, input.room == nil else { throw Refusal("an operand \(input.shape)") }
    try self.init(
      request, .packed, part(0, heads, isTurned: true), part(heads, keyHeads, isTurned: true),
      part(heads + keyHeads, keyHeads), batch: batch, isFlat: true)
    self.rotation = rotation
  }

  private static func rotation(
    _ request: CUDARequest, batch: Int, length: Int, size: Int
  ) throws -> AttentionRows.Rotation? {
    guard let cosines = request.input(5), let sines = request.input(6) else { return nil }
    let asked = try request.attributes.int("rotary_embedding_dim", default: 0)
    let half = (asked == 0 ? size : asked) / 2
    guard half > 0, 2 * half <= size, asked % 2 == 0, cosines.rank >= 2, cosines.shape == sines.shape,
      cosines.shape.last == half, cosines.type == sines.type, AttentionProblem.Element(cosines.type) != nil
    else { throw Refusal("angles \(cosines.type)\(cosines.shape) for heads of \(size)") }
    let isShared = cosines.count != batch * length * half
    if let positions = request.input(7) {
      guard positions.type == .int64, positions.count == batch * length, cosines.rank == 2 else {
        throw Refusal("positions \(positions.type)\(positions.shape)")
      }
    } else if isShared {
      guard cosines.rank == 3, cosines.shape[0] == 1, cosines.shape[1] == length else {
        throw Refusal("angles \(cosines.shape)")
      }
    }
    return AttentionRows.Rotation(
      cosines: .input(5), sines: .input(6), positions: request.input(7) == nil ? nil : .input(7),
      batch: isShared ? 0 : length, half: half, type: cosines.type,
      isInterleaved: try request.attributes.bool("interleaved"), tableRows: cosines.shape[0])
  }

  private init(
    _ request: CUDARequest, _ inputs: Inputs, _ q: Heads, _ k: Heads, _ v: Heads, batch: Int, isFlat: Bool
  ) throws {
    let attributes = request.attributes
    guard let output = request.output(0) else { throw Refusal("output 0 is left out") }
    (self.q, self.k, self.v, self.batch, self.inputs) = (q, k, v, batch, inputs)
    result = Heads(
      place: .output(0), type: output.type,
      strides: isFlat
        ? .rowsFirst(rows: q.length, size: v.size, width: q.count * v.size)
        : .headsFirst(heads: q.count, rows: q.length, size: v.size),
      count: q.count, length: q.length, size: v.size)
    (past, pastKey, pastValue) = try Self.cache(request, inputs, batch, k, v)
    total = past + k.length
    presentKey = try Self.present(request, 1, k, total)
    presentValue = try Self.present(request, 2, v, total)
    let rooms =
      [inputs.pastKey, inputs.pastValue].map { request.input($0)?.room } + [1, 2].map { request.output($0)?.room }
    isInPlace = rooms[0] != nil && rooms.allSatisfy { $0 == rooms[0] }
    (left, right, hasLengths) = try Self.limits(request, inputs, batch)
    mask = try Self.mask(request, inputs.mask, [batch, q.count, q.length, total])
    scale = try attributes.optionalFloat("scale") ?? Float(1 / Double(q.size).squareRoot())
    softcap = max(0, try attributes.float("softcap", default: 0))
    let types = [q, k, v, result].map(\.type) + [pastKey, pastValue, presentKey, presentValue].compactMap { $0?.type }
    for type in types where AttentionProblem.Element(type) == nil {
      throw Refusal("an operand is \(type)")
    }
  }

  /// The length of the cache, and where it lies.
  private static func cache(
    _ request: CUDARequest, _ inputs: Inputs, _ batch: Int, _ k: Heads, _ v: Heads
  ) throws -> (Int, Heads?, Heads?) {
    let (first, second) = (inputs.pastKey, inputs.pastValue)
    guard let key = request.input(first), let value = request.input(second) else {
      guard request.input(first) == nil, request.input(second) == nil else { throw Refusal("half a cache") }
      return (0, nil, nil)
    }
    guard key.rank == 4, value.rank == 4, key.shape == [batch, k.count, key.shape[2], k.size],
      value.shape == [batch, v.count, key.shape[2], v.size]
    else { throw Refusal("a cache \(key.shape) and \(value.shape)") }
    let rows = key.shape[2]
    guard rows > 0 else { return (0, nil, nil) }
    return (rows, Heads(key, .input(first), room: key.room), Heads(value, .input(second), room: value.room))
  }

  private static func present(_ request: CUDARequest, _ index: Int, _ heads: Heads, _ total: Int) throws -> Heads? {
    guard let operand = request.output(index), operand.count > 0 else { return nil }
    guard operand.rank == 4, operand.shape[2] == total else { throw Refusal("a present cache \(operand.shape)") }
    return Heads(operand, .output(index), room: operand.room)
  }

  private static func limits(_ request: CUDARequest, _ inputs: Inputs, _ batch: Int) throws -> (Int?, Int?, Bool) {
    let left = try request.attributes.int("left_window_size", default: -1)
    let right = try request.attributes.int("right_window_size", default: -1)
    guard left >= -1, right >= -1 else { throw Refusal("a window of \(left) and \(right) keys") }
    if let lengths = request.input(inputs.lengths) {
      guard lengths.type == .int64, lengths.count == batch, request.input(inputs.pastKey) == nil else {
        throw Refusal("nonpad_kv_seqlen \(lengths.type)\(lengths.shape) for a batch of \(batch), or beside a cache")
      }
    }
    let isCausal = try request.attributes.bool("is_causal")
    return (
      left < 0 ? nil : min(left, 1 << 30), isCausal ? 0 : right < 0 ? nil : min(right, 1 << 30),
      request.input(inputs.lengths) != nil
    )
  }

  private static func mask(_ request: CUDARequest, _ index: Int, _ scores: [Int]) throws -> Mask? {
    guard let mask = request.input(index) else { return nil }
    guard let covered = mask.shape.last, mask.rank <= 4, covered <= scores[3] else {
      throw Refusal("a mask \(mask.type)\(mask.shape) for scores \(scores)")
    }
    let target = [scores[0], scores[1], scores[2], covered]
    let missing = 4 - mask.rank
    guard mask.shape.indices.allSatisfy({ mask.shape[$0] == 1 || mask.shape[$0] == target[$0 + missing] }) else {
      throw Refusal("a mask \(mask.shape) against \(target)")
    }
    guard mask.type == .bool || AttentionProblem.Element(mask.type) != nil else {
      throw Refusal("attn_mask is \(mask.type)")
    }
    let strides = Broadcast.strides(of: mask.shape, to: target)
    return Mask(
      place: .input(index), type: mask.type, shape: mask.shape,
      strides: AttentionProblem.Strides(batch: strides[0], head: strides[1], row: strides[2]), covered: covered)
  }
}

extension AttentionNode.Heads {
  /// An operand of rank 4, or of rank 3 with `heads` side by side.
  init(_ operand: Operand, _ place: Launch.Argument, heads: Int?, _ batch: Int) throws {
    if operand.rank == 4 {
      self.init(operand, place, room: nil)
    } else {
      guard operand.rank == 3, let heads, heads > 0, operand.shape[2] % heads == 0 else {
        throw Refusal("an operand of the shape \(operand.shape) with the attribute for its heads at \(heads ?? 0)")
      }
      let (length, size) = (operand.shape[1], operand.shape[2] / heads)
      self.init(
        place: place, type: operand.type,
        strides: .rowsFirst(rows: length, size: size, width: heads * size), count: heads, length: length, size: size)
    }
    guard operand.shape[0] == batch, batch > 0, count > 0, size > 0, operand.room == nil else {
      throw Refusal("an operand \(operand.shape) in a batch of \(batch)")
    }
  }

  /// [batch, heads, rows, size].
  init(_ operand: Operand, _ place: Launch.Argument, room: Int?) {
    let shape = operand.shape
    self.init(
      place: place, type: operand.type,
      strides: .headsFirst(heads: shape[1], rows: shape[2], size: shape[3], room: room), count: shape[1],
      length: shape[2], size: shape[3])
  }
}
