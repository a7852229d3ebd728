/// SoftmaxCrossEntropyLoss: NegativeLogLikelihoodLoss of the LogSoftmax.
@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(CrossEntropy(appliesSoftmax: true), to: $0) })
