import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Sigmoid: 1 / (1 + exp(-x)).
private let op = NNActivation("Sigmoid", float: { _ in { 1 / (1 + exp(-$0)) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
