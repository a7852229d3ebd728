#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Acos: the function of that name, in radians.
private let acosOperator = UnaryOperator("Acos", float: { _ in { acos($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(acosOperator, to: $0) })
