import GraphIR
import Tensors

/// ThresholdedRelu: x where x > alpha, else 0.
private let op = NNActivation(
  "ThresholdedRelu",
  float: { attributes in
    let alpha = Double(try attributes.float("alpha", default: 1))
    return { $0 > alpha ? $0 : 0 }
  })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
