/// IsInf: whether x is infinite, of the signs that the attributes ask for.
private let isInf = UnaryOperator(
  "IsInf", output: .bool,
  float: { attributes in
    let negative = try attributes.int("detect_negative", default: 1) != 0
    let positive = try attributes.int("detect_positive", default: 1) != 0
    return { $0 == .infinity && positive || $0 == -.infinity && negative ? 1 : 0 }
  })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(isInf, to: $0) })
