/// Abs: |x|; the least signed integer stays as it is.
private let absolute = UnaryOperator(
  "Abs", float: { _ in { abs($0) } }, integer: { _ in { $0 < 0 ? 0 &- $0 : $0 } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(absolute, to: $0) })
