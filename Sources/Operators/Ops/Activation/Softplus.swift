import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Softplus: log(1 + exp(x)).
private let op = NNActivation("Softplus", float: { _ in { $0 > 0 ? $0 + log1p(exp(-$0)) : log1p(exp($0)) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
