/// RandomUniform: uniformly distributed numbers in the attribute's shape.
private let randomUniform = RandomOperator("RandomUniform", isNormal: false, isLike: false)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(randomUniform, to: $0) })
