/// RandomUniformLike: uniformly distributed numbers in the input's shape.
private let randomUniformLike = RandomOperator("RandomUniformLike", isNormal: false, isLike: true)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(randomUniformLike, to: $0) })
