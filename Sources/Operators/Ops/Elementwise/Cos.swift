#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Cos: the function of that name, in radians.
private let cosOperator = UnaryOperator("Cos", float: { _ in { cos($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(cosOperator, to: $0) })
