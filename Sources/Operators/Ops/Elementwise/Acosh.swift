#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Acosh: the hyperbolic function of that name.
private let acoshOperator = UnaryOperator("Acosh", float: { _ in { acosh($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(acoshOperator, to: $0) })
