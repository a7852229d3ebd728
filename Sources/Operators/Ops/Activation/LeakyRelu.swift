import GraphIR
import Tensors

/// LeakyRelu: x where x >= 0, else alpha * x.
private let op = NNActivation(
  "LeakyRelu",
  float: { attributes in
    let alpha = Double(try attributes.float("alpha", default: 0.01))
    return { $0 < 0 ? alpha * $0 : $0 }
  })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
