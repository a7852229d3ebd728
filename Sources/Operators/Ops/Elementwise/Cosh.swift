#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Cosh: the hyperbolic function of that name.
private let coshOperator = UnaryOperator("Cosh", float: { _ in { cosh($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(coshOperator, to: $0) })
