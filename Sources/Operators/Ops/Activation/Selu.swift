import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Selu: gamma * x where x > 0, else gamma * alpha * (exp(x) - 1).
private let op = NNActivation(
  "Selu",
  float: { attributes in
    let alpha = Double(try attributes.float("alpha", default: 1.67326319217681884765625))
    let gamma = Double(try attributes.float("gamma", default: 1.05070102214813232421875))
    return { $0 > 0 ? gamma * $0 : gamma * alpha * expm1($0) }
  })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
