import GraphIR
import Operators
import PassKit
import Tensors

/// Writes the composed operators of com.microsoft in the standard dialect, so that fusions and kernels see one spelling.
///
/// Before: `com.microsoft.BiasGelu(a, b)`. After: `Gelu(Add(a, b))`. The nodes are those that the operator's own evaluation
/// consists of, so the result is the same; half-precision inputs are widened by Cast and rounded once. Where com.microsoft may
/// be written (`--target ort`) they stay.
public enum ExpandMicrosoft {
  public static let pass = RewritePass(
    "ExpandMicrosoft", level: 2, summary: "writes operators of com.microsoft in the standard's", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "ExpandMicrosoft"
    let anchors: Set<OperatorName>

    init() { anchors = Set(OperatorRegistry.all.filter { $0 is any ComposedOperator }.map(\.name)) }

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard context.options.target != .ort, let op = OperatorRegistry[node.operatorName] as? any ComposedOperator,
        !context.functions.contains(where: { $0.operatorName == node.operatorName })
      else { return nil }
      var composer = RewritingComposer(id, context, GraphChange(rule: name, covers: [id], region: node.region))
      do {
        let results = try op.compose(&composer)
        for (index, output) in node.outputs.enumerated() {
          guard let output else { continue }
          guard index < results.count, let result = results[index] else {
            throw Refusal("output \(index) has no counterpart in the standard")
          }
          composer.change.replace(output, with: result.ref)
        }
        return composer.change
      } catch let undecided as Undecided {
        throw Refusal(undecided.description, at: id)
      } catch let error as CameoError {
        throw Refusal(error.description, at: id)
      }
    }
  }

  /// Adds nodes to a change, and follows their types and shapes.
  struct RewritingComposer: Composer {
    struct Ref {
      var ref: GraphChange.Ref
      var facts: ValueFacts
    }

    let node: Node
    let mayEmitCameo: Bool
    private let context: PassContext
    private var inference: InferringComposer
    var change: GraphChange

    init(_ id: NodeID, _ context: PassContext, _ change: GraphChange) {
      node = context.graph[id]
      self.context = context
      self.change = change
      mayEmitCameo = context.options.target == .cameo && context.options.level >= 3
      let inputs = node.inputs.map { input in input.map { context.facts($0) } }
      inference = InferringComposer(node, inputs: inputs, prefix: "d\(id.index)")
    }

    func input(_ index: Int) -> Ref? {
      guard let input = node.input(index) else { return nil }
      return Ref(ref: .existing(input), facts: context.facts(input))
    }

    func facts(_ ref: Ref) -> ValueFacts { ref.facts }
    func mayEmit(opset: Int) -> Bool { context.mayEmit(opset: opset) }

    mutating func constant(_ tensor: Tensor) -> Ref {
      Ref(ref: change.constant(tensor), facts: ValueFacts(constant: .tensor(tensor)))
    }

    mutating func nodes(
      _ type: OperatorName, _ inputs: [Ref?], _ attributes: [NamedAttribute], outputs: Int
    ) throws -> [Ref] {
      if type.domain.isEmpty, let first = SchemaRegistry.versions(domain: "", name: type.name).first,
        !context.mayEmit(opset: first)
      {
        throw Refusal(
          "\(type) needs opset \(first), the output is limited to \(context.options.opsetCeiling)")
      }
      let facts = try inference.nodes(type, inputs.map { $0?.facts }, attributes, outputs: outputs)
      let refs = change.nodes(
        type.name, domain: type.domain, inputs.map { $0?.ref }, attributes, outputs: outputs, name: node.name)
      return zip(refs, facts).map { Ref(ref: $0, facts: $1) }
    }
  }
}
