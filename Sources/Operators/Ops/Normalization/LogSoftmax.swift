/// LogSoftmax: the logarithm of Softmax.
@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Softmax("LogSoftmax", .logarithm), to: $0) })
