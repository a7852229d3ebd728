#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Sin: the function of that name, in radians.
private let sinOperator = UnaryOperator("Sin", float: { _ in { sin($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(sinOperator, to: $0) })
