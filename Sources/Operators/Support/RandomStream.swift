#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The random numbers of the portable path: MT19937 (Matsumoto and Nishimura 1998), seeded and read as NumPy's legacy
/// generator does, so that a seed gives the numbers that the standard's reference implementation draws uniformly.
struct RandomStream {
  private var state: [UInt32]
  private var position = 624
  private var spare: Double?

  /// The low 32 bits count.
  init(_ seed: UInt64) {
    state = [UInt32(truncatingIfNeeded: seed)]
    state.reserveCapacity(624)
    for i in 1..<624 {
      let last = state[i - 1]
      state.append(1_812_433_253 &* (last ^ last >> 30) &+ UInt32(i))
    }
  }

  /// From a node's float `seed`, truncated; `fallback` where it has none.
  init(seed: Float?, fallback: UInt64) {
    guard let seed, seed.isFinite else {
      self.init(fallback)
      return
    }
    self.init(UInt64(bitPattern: Int64(exactly: seed.rounded(.towardZero)) ?? Int64(seed.bitPattern)))
  }

  private mutating func next() -> UInt32 {
    if position == 624 {
      for i in 0..<624 {
        let y = state[i] & 0x8000_0000 | state[(i + 1) % 624] & 0x7fff_ffff
        state[i] = state[(i + 397) % 624] ^ y >> 1 ^ (y & 1 == 0 ? 0 : 0x9908_b0df)
      }
      position = 0
    }
    var y = state[position]
    position += 1
    y ^= y >> 11
    y ^= y << 7 & 0x9d2c_5680
    y ^= y << 15 & 0xefc6_0000
    return y ^ y >> 18
  }

  /// In 0 ..< 1, 53 bits.
  mutating func uniform() -> Double {
    let (a, b) = (next() >> 5, next() >> 6)
    return (Double(a) * 67_108_864 + Double(b)) / 9_007_199_254_740_992
  }

  /// Mean 0, deviation 1 (Marsaglia's polar method, as NumPy's legacy generator).
  mutating func normal() -> Double {
    if let value = spare {
      spare = nil
      return value
    }
    while true {
      let (x, y) = (2 * uniform() - 1, 2 * uniform() - 1)
      let square = x * x + y * y
      if square >= 1 || square == 0 { continue }
      let factor = sqrt(-2 * log(square) / square)
      spare = factor * x
      return factor * y
    }
  }
}
