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
      var composer = RewritingComposer(id, context)
      do {
        let results = try op.compose(&composer)
        var change = GraphChange(rule: name, covers: [id], region: node.region)
        var wanted: [(output: ValueID, ref: RewritingComposer.Ref)] = []
        for (index, output) in node.outputs.enumerated() {
          guard let output else { continue }
          guard index < results.count, let result = results[index] else {
            throw Refusal("output \(index) has no counterpart in the standard")
          }
          wanted.append((output, result))
        }
        let made = composer.emit(wanted.map(\.ref), to: &change)
        for (place, (output, _)) in wanted.enumerated() { change.replace(output, with: made[place]) }
        return change
      } catch let undecided as Undecided {
        throw Refusal(undecided.description, at: id)
      } catch let error as CameoError {
        throw Refusal(error.description, at: id)
      }
    }
  }

  /// Notes the nodes, and follows their types and shapes; `emit` adds those that results hang on to a change.
  struct RewritingComposer: Composer {
    struct Ref {
      enum Source {
        case existing(ValueID)
        case constant(Tensor)
        case stated(Int, output: Int)
      }
      var source: Source
      var facts: ValueFacts
    }

    private struct Statement {
      var type: OperatorName
      var inputs: [Ref?]
      var attributes: [NamedAttribute]
      var outputs: Int
    }

    let node: Node
    let mayEmitCameo: Bool
    private let context: PassContext
    private var inference: InferringComposer
    private var statements: [Statement] = []

    init(_ id: NodeID, _ context: PassContext) {
      node = context.graph[id]
      self.context = context
      mayEmitCameo = context.options.target == .cameo && context.options.level >= 3
      let inputs = node.inputs.map { input in input.map { context.facts($0) } }
      inference = InferringComposer(node, inputs: inputs, prefix: "d\(id.index)")
    }

    func input(_ index: Int) -> Ref? {
      guard let input = node.input(index) else { return nil }
      return Ref(source: .existing(input), facts: context.facts(input))
    }

    func facts(_ ref: Ref) -> ValueFacts { ref.facts }
    func mayEmit(opset: Int) -> Bool { context.mayEmit(opset: opset) }

    func constant(_ tensor: Tensor) -> Ref {
      Ref(source: .constant(tensor), facts: ValueFacts(constant: .tensor(tensor)))
    }

    mutating func nodes(
      _ type: OperatorName, _ inputs: [Ref?], _ attributes: [NamedAttribute], outputs: Int
    ) throws -> [Ref] {
      if type.domain.isEmpty, let first = SchemaRegistry.versions(domain: "", name: type.name).first,
        !context.mayEmit(opset: first)
      {
        throw Refusal("\(type) needs opset \(first), the output is limited to \(context.options.opsetCeiling)")
      }
      let facts = try inference.nodes(type, inputs.map { $0?.facts }, attributes, outputs: outputs)
      statements.append(Statement(type: type, inputs: inputs, attributes: attributes, outputs: outputs))
      let index = statements.count - 1
      return facts.enumerated().map { Ref(source: .stated(index, output: $0.offset), facts: $0.element) }
    }

    /// The results as values of the change.
    func emit(_ results: [Ref], to change: inout GraphChange) -> [GraphChange.Ref] {
      var isNeeded = [Bool](repeating: false, count: statements.count)
      func need(_ ref: Ref) { if case .stated(let index, _) = ref.source { isNeeded[index] = true } }
      for ref in results { need(ref) }
      for index in statements.indices.reversed() where isNeeded[index] {
        for case .some(let input) in statements[index].inputs { need(input) }
      }
      var made = [[GraphChange.Ref]](repeating: [], count: statements.count)
      func resolve(_ ref: Ref) -> GraphChange.Ref {
        switch ref.source {
        case .existing(let value): .existing(value)
        case .constant(let tensor): change.constant(tensor)
        case .stated(let index, let output): made[index][output]
        }
      }
      for (index, statement) in statements.enumerated() where isNeeded[index] {
        let inputs = statement.inputs.map { $0.map(resolve) }
        made[index] = change.nodes(
          statement.type.name, domain: statement.type.domain, inputs, statement.attributes, outputs: statement.outputs,
          name: node.name)
      }
      return results.map(resolve)
    }
  }
}
