import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Mod: the remainder with the divisor's sign (`fmod` 0) or the dividend's (1). An integer modulo zero is 0 (the standard
/// leaves it open).
private let mod = BinaryOperator(
  "Mod",
  symbols: { attributes, a, b in
    if b == 0 || !b.isNonNegative { return nil }
    let truncates = (try? attributes.bool("fmod")) ?? true
    return truncates && !a.isNonNegative ? nil : a.modulo(b)
  }
) { attributes in
  if try attributes.bool("fmod") {
    return ElementFunctions(
      float: { fmodf($0, $1) }, double: { fmod($0, $1) }, signed: { a, b in b == 0 || b == -1 ? 0 : a % b },
      unsigned: { a, b in b == 0 ? 0 : a % b })
  }
  return ElementFunctions(
    float: { flooredRemainder($0, $1) }, double: { flooredRemainder($0, $1) },
    signed: { a, b in
      if b == 0 || b == -1 { return 0 }
      let remainder = a % b
      return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder
    },
    unsigned: { a, b in b == 0 ? 0 : a % b })
}

private func flooredRemainder<T: BinaryFloatingPoint>(_ a: T, _ b: T) -> T {
  let remainder = a.truncatingRemainder(dividingBy: b)
  if remainder.isNaN { return remainder }
  if remainder == 0 { return b.sign == .minus ? -0.0 : 0.0 }
  return (remainder < 0) != (b < 0) ? remainder + b : remainder
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(mod, to: $0) })
