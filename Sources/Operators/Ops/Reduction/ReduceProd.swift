/// ReduceProd: the product over axes.
private let reduceProd = ReduceOperator("ReduceProd", .product)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(reduceProd, to: $0) })
