#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Floor: the greatest integer not above x.
private let floorOperator = UnaryOperator("Floor", float: { _ in { floor($0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(floorOperator, to: $0) })
