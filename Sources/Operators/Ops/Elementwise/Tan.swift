#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Tan: the function of that name, in radians.
private let tanOperator = UnaryOperator("Tan", float: { _ in { tan($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(tanOperator, to: $0) })
