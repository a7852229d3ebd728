import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Celu: max(0, x) + min(0, alpha * (exp(x / alpha) - 1)).
private let op = NNActivation(
  "Celu",
  float: { attributes in
    let alpha = Double(try attributes.float("alpha", default: 1))
    return { max(0, $0) + min(0, alpha * expm1($0 / alpha)) }
  })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
