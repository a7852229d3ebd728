#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Asinh: the hyperbolic function of that name.
private let asinhOperator = UnaryOperator("Asinh", float: { _ in { asinh($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(asinhOperator, to: $0) })
