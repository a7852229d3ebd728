import GraphIR
import Tensors

/// Softsign: x / (1 + |x|).
private let op = NNActivation("Softsign", float: { _ in { $0 / (1 + abs($0)) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
