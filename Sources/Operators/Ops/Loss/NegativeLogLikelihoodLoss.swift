/// NegativeLogLikelihoodLoss: the log-probabilities of the targets, negated, weighted, reduced.
@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(CrossEntropy(appliesSoftmax: false), to: $0) })
