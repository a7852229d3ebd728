#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// x^y of numbers that are not negative.
func power(_ base: Float, _ exponent: Float) -> Float { powf(base, exponent) }
