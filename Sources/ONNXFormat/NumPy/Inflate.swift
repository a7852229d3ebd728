import Tensors

/// Decompression of raw deflate data (RFC 1951), for `np.savez_compressed`. Canonical Huffman decoding, a bit at a time per code
/// length; arrays that matter for speed are stored uncompressed.
struct Inflate {
  private let input: UnsafeRawBufferPointer
  private var position = 0
  private var bits: UInt32 = 0
  private var bitCount = 0
  private let output: UnsafeMutableRawBufferPointer
  private var written = 0

  /// The `byteCount` bytes that `input` holds. Throws `.badInput` where it is malformed or has another size.
  static func inflate(_ input: UnsafeRawBufferPointer, byteCount: Int) throws -> TensorStorage {
    // Deflate shrinks at most 1032 times: a larger claim is a lie that would cost memory.
    guard byteCount / 1032 <= input.count else { throw CameoError.badInput("the compressed array is malformed") }
    let storage = try TensorStorage(byteCount: byteCount, zeroed: false)
    var state = Inflate(input: input, output: UnsafeMutableRawBufferPointer(start: storage.base, count: byteCount))
    try state.run()
    guard state.written == byteCount else { throw CameoError.badInput("the compressed array is cut off") }
    return storage
  }

  private init(input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer) {
    self.input = input
    self.output = output
  }

  private static func malformed() -> CameoError { CameoError.badInput("the compressed array is malformed") }

  private mutating func take(_ count: Int) throws -> Int {
    while bitCount < count {
      guard position < input.count else { throw Self.malformed() }
      bits |= UInt32(input[position]) << UInt32(bitCount)
      position += 1
      bitCount += 8
    }
    let result = bits & ((1 << UInt32(count)) - 1)
    bits >>= UInt32(count)
    bitCount -= count
    return Int(result)
  }

  private struct Table {
    var counts = [Int](repeating: 0, count: 16)
    var symbols: [Int] = []

    init(_ lengths: ArraySlice<Int>) {
      for length in lengths { counts[length] += 1 }
      counts[0] = 0
      var offsets = [Int](repeating: 0, count: 17)
      for length in 1..<16 { offsets[length + 1] = offsets[length] + counts[length] }
      symbols = [Int](repeating: 0, count: lengths.count)
      for (symbol, length) in lengths.enumerated() where length > 0 {
        symbols[offsets[length]] = symbol
        offsets[length] += 1
      }
    }
  }

  private mutating func symbol(_ table: Table) throws -> Int {
    var code = 0
    var first = 0
    var index = 0
    for length in 1..<16 {
      code |= try take(1)
      let count = table.counts[length]
      // A code below `first` comes from lengths that promise more codes than there are.
      guard code >= first else { throw Self.malformed() }
      if code - count < first { return table.symbols[index + (code - first)] }
      index += count
      first = (first + count) << 1
      code <<= 1
    }
    throw Self.malformed()
  }

  private static let fixed: (Table, Table) = {
    let literals =
      [Int](repeating: 8, count: 144) + [Int](repeating: 9, count: 112) + [Int](repeating: 7, count: 24)
      + [Int](repeating: 8, count: 8)
    return (Table(literals[...]), Table([Int](repeating: 5, count: 30)[...]))
  }()

  private mutating func run() throws {
    var isLast = false
    while !isLast {
      isLast = try take(1) == 1
      switch try take(2) {
      case 0: try stored()
      case 1: try block(Self.fixed.0, Self.fixed.1)
      case 2:
        let (literals, distances) = try tables()
        try block(literals, distances)
      default: throw Self.malformed()
      }
    }
  }

  private mutating func stored() throws {
    bits = 0
    bitCount = 0
    guard position + 4 <= input.count else { throw Self.malformed() }
    let length = Int(input[position]) | Int(input[position + 1]) << 8
    let check = Int(input[position + 2]) | Int(input[position + 3]) << 8
    position += 4
    guard length == ~check & 0xffff, length <= input.count - position, length <= output.count - written else {
      throw Self.malformed()
    }
    if length > 0 {
      UnsafeMutableRawBufferPointer(rebasing: output[written..<written + length])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: input[position..<position + length]))
    }
    position += length
    written += length
  }

  private mutating func tables() throws -> (Table, Table) {
    let literalCount = try take(5) + 257
    let distanceCount = try take(5) + 1
    let codeCount = try take(4) + 4
    guard literalCount <= 286, distanceCount <= 30 else { throw Self.malformed() }
    let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    var codeLengths = [Int](repeating: 0, count: 19)
    for index in 0..<codeCount { codeLengths[order[index]] = try take(3) }
    let codes = Table(codeLengths[...])
    var lengths: [Int] = []
    while lengths.count < literalCount + distanceCount {
      let code = try symbol(codes)
      switch code {
      case 0..<16: lengths.append(code)
      case 16:
        guard let last = lengths.last else { throw Self.malformed() }
        lengths += [Int](repeating: last, count: 3 + (try take(2)))
      case 17: lengths += [Int](repeating: 0, count: 3 + (try take(3)))
      default: lengths += [Int](repeating: 0, count: 11 + (try take(7)))
      }
    }
    guard lengths.count == literalCount + distanceCount else { throw Self.malformed() }
    return (Table(lengths[..<literalCount]), Table(lengths[literalCount...]))
  }

  private static let lengthBase = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
  ]
  private static let lengthExtra = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
  ]
  private static let distanceBase = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
    8193, 12289, 16385, 24577,
  ]
  private static let distanceExtra = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
  ]

  private mutating func block(_ literals: Table, _ distances: Table) throws {
    while true {
      let code = try symbol(literals)
      if code == 256 { return }
      if code < 256 {
        guard written < output.count else { throw Self.malformed() }
        output[written] = UInt8(code)
        written += 1
        continue
      }
      guard code - 257 < Self.lengthBase.count else { throw Self.malformed() }
      let length = Self.lengthBase[code - 257] + (try take(Self.lengthExtra[code - 257]))
      let step = try symbol(distances)
      guard step < Self.distanceBase.count else { throw Self.malformed() }
      let distance = Self.distanceBase[step] + (try take(Self.distanceExtra[step]))
      guard distance <= written, length <= output.count - written else { throw Self.malformed() }
      for _ in 0..<length {
        output[written] = output[written - distance]
        written += 1
      }
    }
  }
}
