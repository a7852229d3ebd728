/// CumProd: the running product along an axis.
private let cumProd = CumulativeOperator("CumProd", multiplies: true)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(cumProd, to: $0) })
