#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Log: the natural logarithm.
private let logOperator = UnaryOperator("Log", float: { _ in { log($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(logOperator, to: $0) })
