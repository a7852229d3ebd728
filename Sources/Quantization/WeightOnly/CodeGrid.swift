import Tensors

/// The numbers that a block's codes can stand for: code -> value, value -> nearest code, and the scale that fits best.
///
/// value = (level(code) - zero) * scale. A code is held as the bits of its element type, sign-extended to eight.
struct CodeGrid: Sendable {
  private enum Kind: Sendable {
    /// Codes are the integers low ... high.
    case integer(low: Float, high: Float)
    /// Levels in ascending order with their codes, and the middles between neighbours.
    case book(levels: [Float], codes: [UInt8], middles: [Float])
    case float8(SmallFloats.Format, largest: Float)
  }

  /// A block's scale, and the level that stands for 0: a whole number but for `HalfQuadratic`.
  struct Parameters: Sendable, Equatable {
    var scale: Float
    var zero: Float
  }

  private let kind: Kind
  /// The level of each of the 256 bit patterns.
  private let levels: [Float]
  let scheme: WeightFormat.Scheme
  /// The type that scales are stored in: they are rounded to it before anything is encoded.
  let scaleType: DataType
  /// Blocks of four bits a code or fewer.
  private let isNarrow: Bool

  init(_ format: WeightFormat, scaleType: DataType) {
    scheme = format.scheme
    isNarrow = format.groupSize != nil && format.codeType.bitWidth <= 4 && !format.quantizesScales
    self.scaleType = scaleType
    var levels = [Float](repeating: 0, count: 256)
    let type = format.codeType
    switch format.encoding {
    case .nf4, .fp4:
      let book = format.encoding.book
      let order = book.indices.filter { !(book[$0] == 0 && book[$0].sign == .minus) }.sorted { book[$0] < book[$1] }
      let sorted = order.map { book[$0] }
      kind = .book(
        levels: sorted, codes: order.map { UInt8($0) }, middles: zip(sorted, sorted.dropFirst()).map { ($0 + $1) / 2 })
      for code in book.indices { levels[code] = book[code] }
    case .float8e4m3fn, .float8e5m2:
      let codec: SmallFloats.Format = format.encoding == .float8e4m3fn ? .e4m3fn : .e5m2
      kind = .float8(codec, largest: format.encoding == .float8e4m3fn ? 448 : 57344)
      for code in 0..<256 { levels[code] = codec.decode(UInt8(code)) }
    default:
      let half = Float(1 << (type.bitWidth - 1))
      let least = format.isBalanced ? 1 - half : -half
      kind = .integer(low: type.isSignedInteger ? least : 0, high: type.isSignedInteger ? half - 1 : 2 * half - 1)
      for code in 0..<256 {
        levels[code] = type.isSignedInteger ? Float(Int8(truncatingIfNeeded: code)) : Float(code)
      }
    }
    self.levels = levels
  }

  /// The zero of a symmetric block.
  var middle: Float {
    if case .integer(let low, let high) = kind { return ((low + high + 1) / 2).rounded(.down) }
    return 0
  }

  /// Lowest and highest level.
  var range: (low: Float, high: Float) {
    switch kind {
    case .integer(let low, let high): (low, high)
    case .book(let levels, _, _): (levels[0], levels[levels.count - 1])
    case .float8(_, let largest): (-largest, largest)
    }
  }

  func level(_ code: UInt8) -> Float { levels[Int(code)] }

  func decode(_ code: UInt8, _ block: Parameters) -> Float { (levels[Int(code)] - block.zero) * block.scale }

  /// The code whose value is nearest. `inverse` is 1 / scale, or 0 for a block of zeros.
  func encode(_ value: Float, _ block: Parameters, inverse: Float) -> UInt8 {
    let place = value * inverse
    switch kind {
    case .integer(let low, let high):
      // Adding 1.5 * 2^23 leaves no bits behind the point: rounds half to even.
      let code = (min(high, max(low, place + block.zero)) + 0x1.8p23) - 0x1.8p23
      return UInt8(truncatingIfNeeded: Int32(code))
    case .book(_, let codes, let middles):
      var index = 0
      for middle in middles where place > middle { index += 1 }
      return codes[index]
    case .float8(let codec, _): return codec.encode(place)
    }
  }

  /// Finite weights only: what else there is becomes the nearest finite code.
  func encode(_ value: Float, _ block: Parameters) -> UInt8 {
    encode(value.isFinite ? value : 0, block, inverse: block.scale == 0 ? 0 : 1 / block.scale)
  }

  /// A scale as it will be stored: never so small that it is no normal number. One of float32 for a block of few bits is rounded to
  /// float16 where that has it as a normal number.
  func stored(scale: Float) -> Float {
    switch scaleType {
    case .float16:
      let rounded = SmallFloats.float(fromHalf: SmallFloats.half(from: min(scale, 65504)))
      return rounded == 0 && scale > 0 ? 0x1p-24 : rounded
    case .bfloat16: return SmallFloats.float(fromBFloat16: SmallFloats.bfloat16(from: scale))
    default:
      // What float16 holds is packed in half the bytes; its 11 bits are far finer than codes of four.
      guard isNarrow, scale >= 0x1p-14, scale <= 65504 else { return scale }
      return SmallFloats.float(fromHalf: SmallFloats.half(from: scale))
    }
  }

  /// The block that covers all of `values`: absmax, or the range from the least to the greatest with 0 in it.
  func covering(_ values: UnsafeBufferPointer<Float>) -> Parameters {
    var (low, high): (Float, Float) = (0, 0)
    for value in values where value.isFinite {
      low = min(low, value)
      high = max(high, value)
    }
    return parameters(low, high)
  }

  private func parameters(_ low: Float, _ high: Float) -> Parameters {
    let (first, last) = range
    if scheme == .affine {
      let scale = stored(scale: (high - low) / (last - first))
      if scale == 0 { return Parameters(scale: 0, zero: max(first, 0)) }
      return Parameters(scale: scale, zero: min(last, max(first, (first - low / scale).rounded(.toNearestOrEven))))
    }
    let largest = max(high, -low)
    if case .integer = kind { return Parameters(scale: stored(scale: largest / ((last - first) / 2)), zero: middle) }
    return Parameters(scale: stored(scale: largest / last), zero: 0)
  }

  /// The block with the least squared error, each number's counted `importance` times: the covering one, shrunk step by
  /// step, each with the scale that least squares give for the codes it leads to.
  func fitting(_ values: UnsafeBufferPointer<Float>, importance: UnsafeBufferPointer<Float>) -> Parameters {
    let whole = covering(values)
    if whole.scale == 0 { return whole }
    if case .float8 = kind { return whole }
    var best = whole
    var gain: Float = 0
    let (low, high) = values.reduce(into: (Float(0), Float(0))) { range, value in
      if value.isFinite { range = (min(range.0, value), max(range.1, value)) }
    }
    for step in 0...16 {
      let factor = 1 - Float(step) * 0.04
      var candidates = [parameters(low * factor, high * factor)]
      if scheme == .affine, step > 0 {
        candidates.append(parameters(low * factor, high))
        candidates.append(parameters(low, high * factor))
      }
      for start in candidates where start.scale > 0 {
        let (cross, square) = moments(values, start, importance)
        let scale = stored(scale: cross / square)
        // The squared error is that of all zeros less cross^2 / square.
        guard square > 0, cross > 0, scale.isFinite, scale > 0, cross * cross / square > gain else { continue }
        gain = cross * cross / square
        best = Parameters(scale: scale, zero: start.zero)
      }
    }
    return best
  }

  /// The weighted sums of value * level and of level^2, levels counted from the zero point, over the nearest codes.
  private func moments(
    _ values: UnsafeBufferPointer<Float>, _ block: Parameters, _ importance: UnsafeBufferPointer<Float>
  ) -> (cross: Float, square: Float) {
    let inverse = 1 / block.scale
    var (cross, square) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
    for first in stride(from: 0, to: values.count, by: 8) {
      let value = Self.eight(values, first)
      let level = nearestLevels(value * inverse, zero: block.zero)
      let weighted = Self.eight(importance, first) * level
      cross += weighted * value
      square += weighted * level
    }
    return (cross.sum(), square.sum())
  }

  /// Eight numbers, zeros behind the end.
  @inline(__always)
  private static func eight(_ numbers: UnsafeBufferPointer<Float>, _ first: Int) -> SIMD8<Float> {
    if first + 8 <= numbers.count {
      return UnsafeRawBufferPointer(numbers).loadUnaligned(fromByteOffset: first * 4, as: SIMD8<Float>.self)
    }
    var result = SIMD8<Float>.zero
    for index in first..<numbers.count { result[index - first] = numbers[index] }
    return result
  }

  /// The nearest levels, counted from the zero point.
  @inline(__always)
  private func nearestLevels(_ places: SIMD8<Float>, zero: Float) -> SIMD8<Float> {
    switch kind {
    case .integer(let low, let high):
      // Adding 1.5 * 2^23 leaves no bits behind the point: rounds half to even.
      let magic = SIMD8<Float>(repeating: 0x1.8p23)
      let clamped = (places + zero).clamped(
        lowerBound: SIMD8<Float>(repeating: low), upperBound: SIMD8<Float>(repeating: high))
      return (clamped + magic) - magic - zero
    case .book(let levels, _, let middles):
      var result = SIMD8<Float>(repeating: levels[0])
      for (index, middle) in middles.enumerated() {
        let step = SIMD8<Float>(repeating: levels[index + 1])
        result.replace(with: step, where: places .> middle)
      }
      return result
    case .float8: return places
    }
  }
}
