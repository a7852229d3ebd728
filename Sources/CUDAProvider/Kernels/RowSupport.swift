import GraphIR
import InferenceRuntime
import Operators
import Tensors

extension CUDARequest {
  /// Throws a refusal unless those of the inputs and outputs that are there are float32, float16 or bfloat16.
  func requireSmallFloats(inputs: [Int], outputs: [Int] = [0]) throws {
    for index in inputs {
      if let type = request.input(index)?.type, !type.isSmallFloat { throw Refusal("input \(index) is \(type)") }
    }
    for index in outputs {
      if let type = request.output(index)?.type, !type.isSmallFloat { throw Refusal("output \(index) is \(type)") }
    }
  }

  /// Throws a refusal unless the input, where it is there, has so many elements.
  func requireElements(_ index: Int, _ count: Int) throws {
    if let operand = request.input(index), operand.count != count {
      throw Refusal("input \(index) has the shape \(operand.shape)")
    }
  }

  /// An axis, counted from the front.
  func axis(_ name: String, default fallback: Int, rank: Int) throws -> Int {
    try place(try request.attributes.int(name, default: fallback), rank: rank)
  }

  func place(_ axis: Int, rank: Int) throws -> Int {
    let place = axis < 0 ? axis + rank : axis
    guard place >= 0, place < rank else { throw Refusal("axis \(axis) for rank \(rank)") }
    return place
  }

  /// What a constant input lists; nil where it is left out, a refusal where it is computed.
  func listed(_ index: Int) throws -> [Int]? {
    guard let operand = request.input(index) else { return nil }
    guard let tensor = operand.constant else { throw Refusal("input \(index) is computed") }
    return try tensor.ints()
  }

  /// Those of the inputs that are constants: what was settled by them needs no copy in device memory.
  func constants(among indices: [Int]) -> [Int] { indices.filter { request.input($0)?.constant != nil } }

  var multiprocessors: Int { max(1, context.info.multiprocessors) }

  /// The code of an operand's type, for macros; 0 where it is left out.
  func code(_ index: Int) -> Int { Int(request.input(index)?.type.rawValue ?? 0) }

  /// Bytes in device memory as long as a launch refers to them.
  func uploaded<T>(_ values: [T]) throws -> DeviceStorage {
    let count = values.count * MemoryLayout<T>.stride
    let storage = try context.memory(byteCount: max(1, count))
    try values.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress, count > 0 { try context.upload(base, to: storage.address, byteCount: count) }
    }
    return storage
  }
}

extension DataType {
  /// float32, float16 or bfloat16: what is computed in float32.
  var isSmallFloat: Bool { self == .float || self == .float16 || self == .bfloat16 }
  var code: Int { Int(rawValue) }
  var bytes: Int { bitWidth / 8 }

  /// A type whose elements the kernels of rows.cuh compute with.
  var isNumber: Bool {
    switch self {
    case .float, .float16, .bfloat16, .double, .uint8, .int8, .uint16, .int16, .int32, .int64, .uint32, .uint64: true
    default: false
    }
  }

  /// A type of so many bytes, for elements that are moved as they are.
  static func carrier(bytes: Int) -> DataType? { [1: .uint8, 2: .uint16, 4: .uint32, 8: .uint64][bytes] }
}

extension Launch.Argument {
  /// `Divisor` of rows.cuh, for numbers below 2^31.
  static func divisor(_ value: Int) -> Launch.Argument {
    let division = IndexDivision(max(1, value))
    let words = [division.divisor, division.factor, division.shift].map { UInt32(truncatingIfNeeded: $0) }
    return .bytes(words.withUnsafeBytes { Array($0) }, alignment: 4)
  }

  static var null: Launch.Argument { .int64(0) }
  /// The end of a struct with 64-bit members.
  static var end: Launch.Argument { .bytes([], alignment: 8) }
}

func product(_ values: some Sequence<Int>) -> Int { values.reduce(1, *) }
func parts(_ count: Int, of size: Int) -> Int { (count + size - 1) / size }

/// How many elements kernels load at once, and how threads share rows that they hold in registers.
struct RowForm {
  let vector: Int
  /// Of `vector` elements, in one thread.
  let packs: Int
  /// Lanes of a warp that share a row; 0: all threads of a block.
  let width: Int
  let threads: Int
  let rowsPerBlock: Int

  /// The most elements at once that 16 bytes have room for and that divide each of `multiples`.
  static func vector(_ types: [DataType], dividing multiples: [Int], atMost limit: Int = 8) -> Int {
    var vector = min(limit, 16 / max(1, types.map(\.bytes).min() ?? 4))
    while vector > 1, !multiples.allSatisfy({ $0 % vector == 0 }) { vector /= 2 }
    return vector
  }

  /// nil where a row does not fit into a block's registers. `values`: elements that a thread may hold.
  init?(_ n: Int, rows: Int, vector: Int, multiprocessors: Int, values: Int = 32) {
    self.vector = vector
    let total = parts(n, of: vector)
    let counts = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32].filter { $0 * vector <= values }
    guard let most = counts.last else { return nil }
    if total <= 32 * min(8, most) {
      var width = 1
      while width < min(32, total) { width *= 2 }
      self.width = width
      packs = counts.first { $0 * width >= total } ?? most
      var block = 128 / width
      while block * width > 32, parts(rows, of: block) < 2 * multiprocessors { block /= 2 }
      rowsPerBlock = block
      threads = width
      return
    }
    func wanted(_ packs: Int) -> Int { parts(parts(total, of: packs), of: 32) * 32 }
    guard
      let packs = counts.first(where: { wanted($0) <= 256 }) ?? counts.first(where: { wanted($0) <= 512 })
        ?? counts.first(where: { wanted($0) <= 1024 })
    else { return nil }
    self.packs = packs
    threads = wanted(packs)
    width = 0
    rowsPerBlock = 1
  }

  var macros: [String: Int] {
    let all = threads * rowsPerBlock
    return ["VEC": vector, "PACKS": packs, "WIDTH": width, "BOUND": all <= 256 ? 256 : all <= 512 ? 512 : 1024]
  }
  var block: LaunchSize { LaunchSize(threads, rowsPerBlock) }
  func grid(rows: Int) -> LaunchSize { LaunchSize(parts(rows, of: rowsPerBlock)) }
}
