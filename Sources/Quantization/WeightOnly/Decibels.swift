#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

enum Decibels {
  /// 10 log10(signal / noise): infinite without noise.
  static func ratio(_ signal: Double, _ noise: Double) -> Double {
    noise == 0 ? .infinity : 10 * log10(signal / noise)
  }
}

/// x^y of numbers that are not negative.
func power(_ base: Float, _ exponent: Float) -> Float { powf(base, exponent) }
