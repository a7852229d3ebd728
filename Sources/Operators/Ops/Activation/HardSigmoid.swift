import GraphIR
import Tensors

/// HardSigmoid: max(0, min(1, alpha * x + beta)).
private let op = NNActivation(
  "HardSigmoid",
  float: { attributes in
    let alpha = Double(try attributes.float("alpha", default: 0.2))
    let beta = Double(try attributes.float("beta", default: 0.5))
    return { max(0, min(1, alpha * $0 + beta)) }
  })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
