import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Swish: x * sigmoid(alpha * x).
private let op = NNActivation(
  "Swish",
  float: { attributes in
    let alpha = Double(try attributes.float("alpha", default: 1))
    return { $0 / (1 + exp(-alpha * $0)) }
  })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
