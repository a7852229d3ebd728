import GraphIR
import Tensors

/// Constant: the value of its one attribute. Import turns these nodes into constants; what stays is in functions, where the
/// attribute refers to one of the call's.
struct Constant: Operator {
  let name = OperatorName("Constant")

  private func value(_ node: Node) throws -> Value? {
    for attribute in node.attributes {
      if let make = attribute.value.constantValue { return try make() }
    }
    return nil
  }

  func infer(_ context: inout InferenceContext) throws {
    if let value = try value(context.node) { return context.set(0, ValueFacts(constant: value)) }
    guard let attribute = context.node.attributes.first else { return }
    switch attribute.name {
    case "value_int": context.set(0, .int64, [])
    case "value_ints": context.set(0, .int64, [context.unknownDim()])
    case "value_float": context.set(0, .float, [])
    case "value_floats": context.set(0, .float, [context.unknownDim()])
    case "value_string": context.set(0, .string, [])
    case "value_strings": context.set(0, .string, [context.unknownDim()])
    default: break
    }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    guard let value = try value(context.node) else { throw CameoError.badInput("the constant has no value") }
    return [value]
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 12, let attribute = graph[node].attributes.first(where: { $0.name.hasPrefix("value_") }) else {
      return
    }
    guard let tensor = try attribute.value.constantValue?().tensor else {
      throw CameoError.unsupported("before opset 12 a Constant holds a tensor, not a reference to \(attribute.name)")
    }
    graph.setAttribute(attribute.name, of: node, to: nil)
    graph.setAttribute("value", of: node, to: .tensor(tensor))
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Constant(), to: $0) })
