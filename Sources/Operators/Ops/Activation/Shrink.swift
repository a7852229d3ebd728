import GraphIR
import Tensors

/// Shrink: x - bias above lambd, x + bias below -lambd, else 0.
private let op = NNActivation(
  "Shrink",
  float: { attributes in
    let bias = Double(try attributes.float("bias", default: 0))
    let lambd = Double(try attributes.float("lambd", default: 0.5))
    return { $0 < -lambd ? $0 + bias : $0 > lambd ? $0 - bias : 0 }
  })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
