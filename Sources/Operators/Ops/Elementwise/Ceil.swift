#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Ceil: the least integer not below x.
private let ceilOperator = UnaryOperator("Ceil", float: { _ in { ceil($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ceilOperator, to: $0) })
