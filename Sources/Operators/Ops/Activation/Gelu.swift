import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Gelu: x * Phi(x), exactly or by the tanh formula.
private let op = NNActivation(
  "Gelu",
  float: { attributes in
    switch try attributes.string("approximate", default: "none") {
    case "none", "": return { 0.5 * $0 * (1 + erf($0 * 0.5.squareRoot())) }
    case "tanh": return { 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) }
    case let other: throw CameoError.badInput("attribute approximate is \(other), none or tanh was expected")
    }
  })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(op, to: $0) })
