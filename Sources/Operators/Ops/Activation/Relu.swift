import GraphIR
import Tensors

/// Relu: max(x, 0); NaN stays.
private let op = NNActivation("Relu", float: { _ in { $0 < 0 ? 0 : $0 } }, integer: { _ in { max($0, 0) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
