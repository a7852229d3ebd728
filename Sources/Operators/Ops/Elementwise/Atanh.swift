#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Atanh: the hyperbolic function of that name.
private let atanhOperator = UnaryOperator("Atanh", float: { _ in { atanh($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(atanhOperator, to: $0) })
