import GraphIR
import Operators
import PassKit
import Tensors

/// Puts what follows a product into it: bias, residual sum, activation. The result runs in Cameo only (domain ai.cameo).
///
/// Before: `Relu(Add(Conv(x, W, B), z))`. After: `ai.cameo.FusedConv<activation="Relu">(x, W, B, z)`.
/// Before: `Gelu(Add(MatMul(x, W), b))`. After: `ai.cameo.FusedMatMul<activation="Gelu">(x, W, b)`.
public enum FuseEpilogue {
  public static let pass = RewritePass(
    "FuseEpilogue", level: 3, summary: "puts bias, residual and activation into Conv and MatMul",
    rules: [Sum(), Activation()])

  static let domain = "ai.cameo"

  /// The activation's name and parameters as the fused nodes hold them; nil where it is none.
  static func activation(_ node: Node, _ context: PassContext) throws -> (name: String, parameters: [Float])? {
    let reader = AttributeReader(node)
    switch node.type {
    case "Relu", "Sigmoid", "Tanh", "HardSwish": return (node.type, [])
    case "LeakyRelu", "Elu", "Swish": return (node.type, [try reader.float("alpha")])
    case "HardSigmoid": return (node.type, [try reader.float("alpha"), try reader.float("beta")])
    case "Gelu": return (try reader.string("approximate", default: "none") == "tanh" ? "GeluTanh" : "Gelu", [])
    case "Clip":
      guard node.input(1) == nil || context.uniform(node.input(1)) != nil,
        node.input(2) == nil || context.uniform(node.input(2)) != nil
      else { return nil }
      let low = context.uniform(node.input(1)).map { Float($0) } ?? -Float.greatestFiniteMagnitude
      let high = context.uniform(node.input(2)).map { Float($0) } ?? Float.greatestFiniteMagnitude
      return (node.type, [low, high])
    default: return nil
    }
  }

  /// The product that computes `value` alone, in plain or fused form without an activation yet.
  static func product(_ value: ValueID, _ context: PassContext, region: RegionID) -> NodeID? {
    let graph = context.graph
    guard let id = graph.producer(value), graph[id].region == region, graph.hasSingleUse(value),
      context.dataType(value) == .float
    else { return nil }
    let node = graph[id]
    if node.domain.isEmpty {
      if node.type == "Conv" { return context.rank(value) == 4 ? id : nil }
      return node.type == "MatMul" || node.type == "Gemm" ? id : nil
    }
    guard node.domain == domain, ["FusedConv", "FusedMatMul"].contains(node.type), node["activation"] == nil else {
      return nil
    }
    return id
  }

  /// Inputs and attributes of a product in its fused form; nil where it has none (a Gemm with scales).
  static func fused(_ id: NodeID, _ context: PassContext) throws -> (
    type: String, inputs: [ValueID?], attributes: [NamedAttribute]
  )? {
    let node = context.graph[id]
    switch node.type {
    case "Conv", "FusedConv": return ("FusedConv", node.inputs, node.attributes)
    case "MatMul", "FusedMatMul": return ("FusedMatMul", node.inputs, node.attributes)
    case "Gemm":
      let reader = AttributeReader(node)
      guard try reader.float("alpha") == 1, try reader.float("beta") == 1 || node.input(2) == nil else { return nil }
      if let bias = node.input(2) {
        guard let shape = context.shape(bias), let width = context.shape(node.output(0))?.last, shape.last == width,
          shape.dropLast().allSatisfy({ $0 == 1 })
        else { return nil }
      }
      return ("FusedMatMul", node.inputs, node.attributes.filter { $0.name == "transA" || $0.name == "transB" })
    default: return nil
    }
  }

  /// A product, what it becomes, and what is added to it.
  struct Summand {
    let product: NodeID
    let data: ValueID
    let other: ValueID
    let fused: (type: String, inputs: [ValueID?], attributes: [NamedAttribute])
  }

  /// The products that an Add of two values reads. With products on both sides the one that comes later is first: it can take the other.
  static func summands(_ id: NodeID, _ context: PassContext) throws -> [Summand] {
    let graph = context.graph
    guard let a = graph[id].input(0), let b = graph[id].input(1), a != b else { return [] }
    let sides = [(a, b), (b, a)].sorted { (graph.producer($0.0)?.index ?? -1) > (graph.producer($1.0)?.index ?? -1) }
    var result: [Summand] = []
    for (data, other) in sides {
      guard let product = product(data, context, region: graph[id].region), let fused = try fused(product, context)
      else { continue }
      result.append(Summand(product: product, data: data, other: other, fused: fused))
    }
    return result
  }

  /// A bias behind a MatMul, a residual behind a Conv.
  struct Sum: RewriteRule {
    let name = "EpilogueSum"
    let anchors: Set<OperatorName> = [OperatorName("Add")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let output = graph[id].output(0) else { return nil }
      for summand in try FuseEpilogue.summands(id, context) {
        let (product, data, other) = (summand.product, summand.data, summand.other)
        let type = summand.fused.type
        var (inputs, attributes) = (summand.fused.inputs, summand.fused.attributes)
        if type == "FusedMatMul" {
          guard inputs.count < 3 || inputs[2] == nil, graph.constant(other) != nil, let shape = context.shape(other),
            let width = context.shape(data)?.last, shape.last == width, shape.dropLast().allSatisfy({ $0 == 1 })
          else { continue }
          while inputs.count < 3 { inputs.append(nil) }
          inputs[2] = other
        } else {
          guard inputs.count < 4 || inputs[3] == nil, graph.constant(other) == nil, context.haveSameShape(data, other),
            context.dataType(other) == .float
          else { continue }
          while inputs.count < 4 { inputs.append(nil) }
          inputs[3] = other
        }
        var change = GraphChange(rule: name, covers: [product, id], isFusion: true)
        attributes.removeAll { $0.name == "kernel_shape" }
        change.replace(
          output,
          with: change.node(
            type, domain: FuseEpilogue.domain, inputs.map { $0.map { .existing($0) } }, attributes,
            name: graph[product].name))
        return change
      }
      return nil
    }
  }

  /// An activation behind either.
  struct Activation: RewriteRule {
    let name = "EpilogueActivation"
    let anchors = Set(
      ["Relu", "Sigmoid", "Tanh", "HardSwish", "Swish", "LeakyRelu", "Elu", "HardSigmoid", "Gelu", "Clip"].map {
        OperatorName($0)
      })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let output = graph[id].output(0), let data = graph[id].input(0),
        let product = FuseEpilogue.product(data, context, region: graph[id].region),
        let (name, parameters) = try FuseEpilogue.activation(graph[id], context),
        let fused = try FuseEpilogue.fused(product, context)
      else { return nil }
      let inputs = fused.inputs
      var attributes = fused.attributes
      attributes.removeAll { $0.name == "kernel_shape" }
      attributes.append(NamedAttribute("activation", .string(name)))
      if !parameters.isEmpty { attributes.append(NamedAttribute("activation_params", .floats(parameters))) }
      var change = GraphChange(rule: self.name, covers: [product, id], isFusion: true)
      change.replace(
        output,
        with: change.node(
          fused.type, domain: FuseEpilogue.domain, inputs.map { $0.map { .existing($0) } }, attributes,
          name: graph[product].name))
      return change
    }
  }
}
