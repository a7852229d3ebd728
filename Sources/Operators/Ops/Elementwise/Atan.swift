#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Atan: the function of that name, in radians.
private let atanOperator = UnaryOperator("Atan", float: { _ in { atan($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(atanOperator, to: $0) })
