/// A kernel's struct of 32-bit numbers, member by member.
struct ParameterBytes {
  private var bytes: [UInt8] = []

  /// Values are less than 2^31 and above -2^31.
  mutating func add(_ values: Int...) { add(values) }
  mutating func add(_ values: [Int]) { for value in values { add(word: UInt32(bitPattern: Int32(value))) } }
  mutating func add(_ value: Float) { add(word: value.bitPattern) }

  /// A `Divider`: quotient = (x * multiplier >> 32) >> shift, exact for x below 2^31.
  mutating func add(divisor: Int) {
    guard divisor > 1 else {
      add(1, 0, 0)
      return
    }
    let bits = Int.bitWidth - (divisor - 1).leadingZeroBitCount
    let power = UInt64(1) << UInt64(31 + bits)
    add(word: UInt32(divisor))
    add(word: UInt32(truncatingIfNeeded: (power + UInt64(divisor) - 1) / UInt64(divisor)))
    add(word: UInt32(bits - 1))
  }

  private mutating func add(word: UInt32) { withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) } }

  var argument: Launch.Argument { .bytes(bytes, alignment: 4) }
}

extension Launch.Argument {
  var isNull: Bool {
    if case .int64(0) = self { return true }
    return false
  }
}
