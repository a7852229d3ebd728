import GraphIR
import Operators
import PassKit
import Tensors

/// Moves what is the same in every run of a Loop or Scan in front of it.
///
/// Before: `Loop <body = {u = Exp(a); w = Mul(v, u)}>` with `a` from outside. After: `u = Exp(a)`, `Loop <body = {w = Mul(v, u)}>`.
/// A body that may never run keeps what could fail.
public enum HoistInvariants {
  public static let pass = RewritePass(
    "HoistInvariants", level: 1, summary: "moves what is the same in every run of a Loop or Scan in front of it",
    rules: [Rule()])

  /// Operators that give a result on any inputs of fitting shapes.
  static let infallible: Set<String> = [
    "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "Cast", "Ceil", "Clip", "Cos", "Cosh",
    "Elu",
    "Equal", "Erf", "Exp", "Flatten", "Floor", "Gelu", "Gemm", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish",
    "LeakyRelu", "Less", "LessOrEqual", "Log", "MatMul", "Max", "Min", "Mul", "Neg", "Not", "Or", "Reciprocal", "Relu",
    "Round", "Shape", "Sigmoid", "Sign", "Sin", "Sinh", "Size", "Softmax", "Softplus", "Softsign", "Sqrt", "Sub", "Sum",
    "Swish",
    "Tan", "Tanh", "Transpose", "Where", "Xor", "Conv", "Concat", "LayerNormalization", "RMSNormalization",
  ]

  struct Rule: RewriteRule {
    let name = "HoistInvariants"
    let anchors: Set<OperatorName> = []

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard node.region != .main, let parent = graph[node.region].parent,
        graph[parent].is("Loop") || graph[parent].is("Scan"), node.regions.isEmpty, !node.is("Identity"),
        !node.inputs.isEmpty, let op = OperatorRegistry[node.operatorName],
        op.traits.isDisjoint(with: [.random, .controlFlow])
      else { return nil }
      // Only constants: folding's matter.
      guard node.inputs.contains(where: { $0.map { !graph[$0].isConstant } ?? false }) else { return nil }
      for input in node.inputs {
        guard let input, !graph[input].isConstant else { continue }
        guard !graph.isRegion(graph[input].region, within: node.region) else { return nil }
      }
      guard runsOnce(parent, context) || HoistInvariants.infallible.contains(node.type) && node.domain.isEmpty else {
        throw Refusal("the body may never run, and \(node.type) can fail", at: id)
      }
      guard node.outputs.allSatisfy({ $0.map { context.shape($0) != nil } ?? true }) else {
        throw Refusal("the shape of what would move is not known", at: id)
      }
      let target = graph[parent].region
      var change = GraphChange(rule: name, covers: [id], region: target)
      let inputs = node.inputs.map { input -> GraphChange.Ref? in
        guard let input else { return nil }
        guard graph[input].isConstant, graph.isRegion(graph[input].region, within: node.region),
          let constant = graph[input].constant
        else { return .existing(input) }
        return change.constant(constant, name: graph[input].name)
      }
      let refs = change.nodes(
        node.type, domain: node.domain, inputs, node.attributes, outputs: node.outputs.count, name: node.name)
      for (output, ref) in zip(node.outputs, refs) { if let output { change.replace(output, with: ref) } }
      return change
    }

    /// True where the body certainly runs.
    private func runsOnce(_ parent: NodeID, _ context: PassContext) -> Bool {
      let node = context.graph[parent]
      guard node.is("Loop") else {
        guard let scans = try? AttributeReader(node).int("num_scan_inputs"), scans <= node.inputs.count,
          let shape = context.shape(node.input(node.inputs.count - scans))
        else { return false }
        let axes = (try? AttributeReader(node).optionalInts("scan_input_axes")) ?? nil
        let axis = axes?.first ?? 0
        let normal = axis < 0 ? axis + shape.count : axis
        return shape.indices.contains(normal) && (shape[normal].value ?? 0) > 0
      }
      if let condition = node.input(1), context.uniform(condition) == nil || context.uniform(condition) == 0 {
        return false
      }
      guard let limit = node.input(0) else { return true }
      return (context.uniform(limit) ?? 0) > 0
    }
  }
}
