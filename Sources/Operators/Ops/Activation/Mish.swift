import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Mish: x * tanh(softplus(x)).
private let op = NNActivation("Mish", float: { _ in { $0 * tanh($0 > 0 ? $0 + log1p(exp(-$0)) : log1p(exp($0))) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
