/// RandomNormal: normally distributed numbers in the attribute's shape.
private let randomNormal = RandomOperator("RandomNormal", isNormal: true, isLike: false)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(randomNormal, to: $0) })
