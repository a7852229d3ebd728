import Foundation
import Tensors

/// Activations in pieces: Gelu, Swish and its gates, HardSwish, Mish, QuickGelu.
enum ActivationSpelling {
  static let names = [
    "geluErf", "geluErf", "geluTanh", "geluTanh", "silu", "swiglu", "geglu", "hardSwish", "mish", "quickGelu",
  ]

  static func make(_ draw: Draw, flaw: String? = nil) throws -> (GraphWriter, [Spelling.Expectation]) {
    var draw = draw
    let type = try draw.pick("type", ["float", "float", "float16"])
    let g = try GraphWriter(draw, opsets: 9...24, real: type == "float" ? .float : .float16)
    let name = try g.draw.pick("activation", names)
    let dynamic = try g.draw.pick("dynamic", ["static", "both"])
    let width = g.draw.number(3...6)
    let rows = [
      Size(g.draw.number(1...3), dynamic == "both" ? "batch" : nil),
      Size(g.draw.number(2...4), dynamic == "both" ? "length" : nil),
    ]
    let shape = rows + [Size(width)]
    var x = try g.realInput("x", shape)
    let before = try g.draw.pick("before", ["nothing", "matMul", "matMulBias"])
    if before != "nothing" {
      x = g.matMul(x, try g.weight([width, width], limit: 1.5))
      if before == "matMulBias" { x = g.add(x, try g.weight([width])) }
    }
    let maker = ActivationSpelling.Body(g: g, shape: shape, flaw: flaw)
    var y: String
    let expected: String
    switch name {
    case "geluErf": (y, expected) = (try maker.geluErf(x), "Gelu")
    case "geluTanh": (y, expected) = (try maker.geluTanh(x), "Gelu")
    case "silu": (y, expected) = (try maker.silu(x), "Swish")
    case "quickGelu": (y, expected) = (try maker.quickGelu(x), "Swish")
    case "swiglu", "geglu":
      let isPacked = try g.draw.pick("gate", ["two", "split"]) == "split"
      var up: String
      if isPacked {
        let wide = g.matMul(x, try g.weight([width, 2 * width]))
        let parts = try g.split(wide, [width, width], axis: 2)
        (x, up) = (parts[0], parts[1])
      } else {
        up = g.matMul(x, try g.weight([width, width]))
        x = g.matMul(x, try g.weight([width, width]))
      }
      let gate = try name == "swiglu" ? maker.silu(x) : maker.geluErf(x)
      (y, expected) = (g.mul(gate, up), name == "swiglu" ? "SwiGLU" : "Gelu")
    case "hardSwish": (y, expected) = (try maker.hardSwish(x), "HardSwish")
    default: (y, expected) = (try maker.mish(x), "Mish")
    }
    if try g.draw.pick("after", ["nothing", "add"]) == "add" { y = g.add(y, try g.realInput("rest", shape)) }
    g.output(y, shape)
    return (g, [.init(expected, .operators(expected, 1))])
  }

  struct Body {
    let g: GraphWriter
    let shape: [Size]
    var flaw: String?

    private var halfNumber: Double { flaw == "half" ? 0.6 : 0.5 }

    /// a * b * c in some order.
    private func product(_ factors: [String]) -> String {
      var left = factors
      while left.count > 1 {
        let a = left.remove(at: g.draw.number(0...left.count - 1))
        let b = left.remove(at: g.draw.number(0...left.count - 1))
        left.append(g.mul(a, b))
      }
      return left[0]
    }

    func geluErf(_ x: String) throws -> String {
      let inner: String
      switch try g.draw.pick("erfScale", ["divSqrt2", "mulRootHalf", "divSqrtNode"]) {
      case "divSqrt2": inner = g.div(x, try g.scalar(flaw == "erfConstant" ? 1.5 : 2.0.squareRoot()))
      case "mulRootHalf": inner = g.mul(x, try g.scalar(0.5.squareRoot()))
      default: inner = g.div(x, g.node("Sqrt", [try g.exactScalar(2, g.real)]))
      }
      let erf = g.node("Erf", [inner])
      if flaw == "readErf" { g.output(erf, shape) }
      let sum = g.add(erf, try g.scalar(flaw == "one" ? 1.5 : 1))
      let x = try flaw == "otherFactor" ? g.realInput("other", shape) : x
      switch try g.draw.pick("half", ["anyOrder", "div2", "spread"]) {
      case "anyOrder": return product([x, sum, try g.scalar(halfNumber)])
      case "div2": return g.div(product([x, sum]), try g.scalar(2))
      default:
        // x * (0.5 + 0.5 * erf(..))
        let half = try g.scalar(0.5)
        return g.mul(x, g.add(g.mul(erf, half), half))
      }
    }

    func geluTanh(_ x: String) throws -> String {
      let c = (2 / Double.pi).squareRoot()
      var argument: String
      let isFactored = try g.draw.pick("tanhForm", ["cube", "factored"]) == "factored"
      if isFactored {
        // sqrt(2/pi) * x * (1 + 0.044715 * x * x)
        let squared = try g.draw.flip() ? g.node("Mul", [x, x]) : g.node("Pow", [x, g.scalar(2)])
        let inner = g.add(g.mul(squared, try g.scalar(0.044715)), try g.scalar(1))
        argument = product([try g.scalar(c), x, inner])
      } else {
        let forms = ["pow3", "mulMul"] + (g.opset >= 12 ? ["powInt"] : [])
        let cube: String
        switch try g.draw.pick("cube", forms) {
        case "pow3": cube = g.node("Pow", [x, try g.scalar(flaw == "cube" ? 2 : 3)])
        case "powInt": cube = g.node("Pow", [x, try g.exactScalar(3, .int64)])
        default: cube = g.mul(g.node("Mul", [x, x]), x)
        }
        let weight = try g.scalar(flaw == "tanhConstant" ? 0.05 : 0.044715)
        argument = g.mul(g.add(x, g.mul(cube, weight)), try g.scalar(c))
      }
      let sum = g.add(g.node("Tanh", [argument]), try g.scalar(1))
      return product([x, sum, try g.scalar(0.5)])
    }

    func silu(_ x: String) throws -> String {
      switch try g.draw.pick("sigmoid", ["node", "exp"]) {
      case "node": return g.mul(x, g.node("Sigmoid", [x]))
      default: return g.div(x, g.add(g.node("Exp", [g.node("Neg", [x])]), try g.scalar(1)))
      }
    }

    func quickGelu(_ x: String) throws -> String {
      g.mul(x, g.node("Sigmoid", [g.mul(x, try g.scalar(1.702))]))
    }

    func hardSwish(_ x: String) throws -> String {
      switch try g.draw.pick("hardForm", ["clip", "relu6", "hardSigmoid"]) {
      case "clip":
        let gate = try g.clip(g.add(x, g.scalar(flaw == "hardOffset" ? 2 : 3)), 0, flaw == "hardLimit" ? 5 : 6)
        return g.draw.flip() ? g.mul(x, g.div(gate, try g.scalar(6))) : g.div(g.mul(x, gate), try g.scalar(6))
      case "relu6":
        let gate = try g.clip(g.add(x, g.scalar(3)), 0, 6)
        return product([x, gate, try g.scalar(1.0 / 6)])
      default:
        let gate = g.node("HardSigmoid", [x], [.float("alpha", 1 / 6), .float("beta", 0.5)])
        return g.mul(x, gate)
      }
    }

    func mish(_ x: String) throws -> String {
      let soft: String
      switch try g.draw.pick("softplus", ["node", "logExp"]) {
      case "node": soft = g.node("Softplus", [x])
      default: soft = g.node("Log", [g.add(g.node("Exp", [x]), try g.scalar(1))])
      }
      return g.mul(x, g.node("Tanh", [soft]))
    }
  }
}
