#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif
import GraphIR
import Tensors

/// Softplus: log(1 + exp(x)).
private let op = NNActivation("Softplus", float: { _ in { $0 > 0 ? $0 + log1p(exp(-$0)) : log1p(exp($0)) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
