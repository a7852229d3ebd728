#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Asin: the function of that name, in radians.
private let asinOperator = UnaryOperator("Asin", float: { _ in { asin($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(asinOperator, to: $0) })
