#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Exp: e to the power x.
private let expOperator = UnaryOperator("Exp", float: { _ in { exp($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(expOperator, to: $0) })
