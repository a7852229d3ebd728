/// RandomNormalLike: normally distributed numbers in the input's shape.
private let randomNormalLike = RandomOperator("RandomNormalLike", isNormal: true, isLike: true)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(randomNormalLike, to: $0) })
