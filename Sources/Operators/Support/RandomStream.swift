#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The random numbers of the portable path: SplitMix64 (Steele, Lea, Flood 2014), the same on every machine for one seed.
struct RandomStream {
  private var state: UInt64
  private var spare: Double?

  init(_ seed: UInt64) { state = seed }

  /// From a node's float `seed` by its bits; `fallback` where it has none.
  init(seed: Float?, fallback: UInt64) { state = seed.map { UInt64($0.bitPattern) } ?? fallback }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  /// In 0 ..< 1, 53 bits.
  mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Mean 0, deviation 1 (Box and Muller 1958).
  mutating func normal() -> Double {
    if let value = spare {
      spare = nil
      return value
    }
    let radius = sqrt(-2 * log(1 - uniform()))
    let angle = 2 * Double.pi * uniform()
    spare = radius * sin(angle)
    return radius * cos(angle)
  }
}
