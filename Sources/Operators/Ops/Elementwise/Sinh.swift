#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Sinh: the hyperbolic function of that name.
private let sinhOperator = UnaryOperator("Sinh", float: { _ in { sinh($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(sinhOperator, to: $0) })
