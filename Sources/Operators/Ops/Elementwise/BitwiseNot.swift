/// BitwiseNot: every bit inverted.
private let bitwiseNot = UnaryOperator("BitwiseNot", integer: { _ in { ~$0 } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(bitwiseNot, to: $0) })
