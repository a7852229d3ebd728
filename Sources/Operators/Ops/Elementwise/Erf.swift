#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Erf: the error function.
private let erfOperator = UnaryOperator("Erf", float: { _ in { erf($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(erfOperator, to: $0) })
