import GraphIR
import Operators
import PassKit
import Tensors

/// Replaces operators by their function bodies, for runtimes that lack them. Runs only where it is asked for by name.
///
///     y = Softsign (x)    =>    a = Abs (x)  b = Add (a, 1)  y = Div (x, b)
///
/// Operators that only bodies of others use (Softplus inside Mish) are expanded with them.
public struct ExpandOperators: Pass {
  public let name = "ExpandOperators"
  public let summary = "replaces operators by their function bodies (only with --enable)"
  public let level = 4

  public init() {}

  public func run(_ context: PassContext) throws {
    var work = context.graph.allNodes
    while let id = work.popLast() {
      guard context.graph[id].isAlive, FunctionBody.exists(for: context.graph[id].operatorName) else { continue }
      let node = context.graph[id]
      let types = node.inputs.map { input in input.map { ValueType.tensor(context.dataType($0), context.shape($0)) } }
      do {
        guard let body = try FunctionBody.graph(of: node, inputTypes: types) else { continue }
        guard body.allRegions.count == 1 else {
          throw CameoError.unsupported("its function body has control flow")
        }
        work += try context.apply(InlineFunctions.copy(body, for: id, node, rule: name)).added
      } catch let error as CameoError where error.kind == .unsupported {
        context.refuse(name, at: id, Refusal(error.reason))
      }
    }
  }
}
