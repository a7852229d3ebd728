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
    /// Asking every operator takes longer than most passes: only for a graph that holds one of them.
    private static let composed = Set(OperatorRegistry.all.map(\.name).filter(isComposed))

    /// Not those of ai.cameo: what runs here is made on purpose.
    private static func isComposed(_ name: OperatorName) -> Bool {
      name.domain != FuseBlockMatMul.domain && OperatorRegistry[name] is any ComposedOperator
    }

    var anchors: Set<OperatorName> { Self.composed }

    func mayApply(to operators: Set<OperatorName>) -> Bool {
      operators.contains(where: Self.isComposed)
    }

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard context.options.target != .ort,
        !context.functions.contains(where: { $0.operatorName == node.operatorName })
      else { return nil }
      var vocabulary = WritingComposer.Vocabulary()
      vocabulary.opset = context.emittableOpset
      vocabulary.hasCameo = context.options.target == .cameo && context.options.level >= 3
      do {
        let facts = node.inputs.map { input in input.map { context.facts($0) } }
        let body = try WritingComposer.body(of: node, inputs: facts, vocabulary: vocabulary, prefix: "d\(id.index)")
        return body.map { InlineFunctions.copy($0, for: id, node, rule: name) }
      } catch let undecided as Undecided {
        throw Refusal(undecided.description, at: id)
      } catch let error as CameoError {
        throw Refusal(error.description, at: id)
      }
    }
  }
}
