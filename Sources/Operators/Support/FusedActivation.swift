import GraphIR
import Tensors

/// The activation that a fused product applies last: its name and parameters as the node holds them.
public struct FusedActivation: Sendable {
  public let name: String
  public let parameters: [Float]

  /// The names that there are, with the number of their parameters.
  public static let known: [String: Int] = [
    "Relu": 0, "Sigmoid": 0, "Tanh": 0, "HardSwish": 0, "Gelu": 0, "GeluTanh": 0, "LeakyRelu": 1, "Elu": 1, "Swish": 1,
    "HardSigmoid": 2, "Clip": 2,
  ]

  /// nil where the node has none. Throws for a name that is not known and for a wrong number of parameters.
  public init?(_ attributes: AttributeReader) throws {
    guard let name = try attributes.optionalString("activation"), !name.isEmpty else { return nil }
    guard let count = FusedActivation.known[name] else {
      throw CameoError.unsupported("activation \(name) is not known")
    }
    var parameters = try attributes.optionalFloats("activation_params") ?? []
    if name == "Swish" && parameters.isEmpty { parameters = [1] }
    guard parameters.count == count else {
      throw CameoError.badInput("activation \(name) takes \(count) parameters, \(parameters.count) are there")
    }
    self.name = name
    self.parameters = parameters
  }

  /// The function of one element.
  public var function: @Sendable (Float) -> Float {
    let p = parameters
    switch name {
    case "Relu": return { $0 < 0 ? 0 : $0 }
    case "Sigmoid": return { Float(1 / (1 + exp(-Double($0)))) }
    case "Tanh": return { Float(tanh(Double($0))) }
    case "HardSwish": return { $0 * max(0, min(1, $0 / 6 + 0.5)) }
    case "Gelu": return { Float(Double($0) * 0.5 * (1 + erf(Double($0) * 0.5.squareRoot()))) }
    case "GeluTanh":
      return { x in
        let x = Double(x)
        return Float(0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x))))
      }
    case "LeakyRelu": return { $0 < 0 ? $0 * p[0] : $0 }
    case "Elu": return { $0 < 0 ? Float(Double(p[0]) * (exp(Double($0)) - 1)) : $0 }
    case "Swish": return { Float(Double($0) / (1 + exp(-Double(p[0]) * Double($0)))) }
    case "HardSigmoid": return { max(0, min(1, p[0] * $0 + p[1])) }
    default: return { min(max($0, p[0]), p[1]) }
    }
  }
}

#if canImport(Glibc)
  import Glibc
#endif
