import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Elu: x where x >= 0, else alpha * (exp(x) - 1).
private let op = NNActivation(
  "Elu",
  float: { attributes in
    let alpha = Double(try attributes.float("alpha", default: 1))
    return { $0 < 0 ? alpha * expm1($0) : $0 }
  })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
