import GraphIR
import Tensors

/// HardSwish: x * max(0, min(1, x / 6 + 0.5)).
private let op = NNActivation("HardSwish", float: { _ in { $0 * max(0, min(1, $0 / 6 + 0.5)) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
