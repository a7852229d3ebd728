import GraphIR
import Operators
import Tensors

extension PlanAssembler {
  /// Both branches as plans in one step's scratch, where each is of one stage and gives the types that the If has.
  func branch(_ entry: PlanBuilder.Entry, _ node: Node) throws -> (BranchKernel, [ExecutionPlan])? {
    guard case .graph(let then) = node["then_branch"], case .graph(let otherwise) = node["else_branch"],
      let condition = try operand(entry.inputs[0]), condition.type == .bool, condition.count == 1
    else { return nil }
    var sides: [BranchKernel.Side] = []
    for region in [then, otherwise] {
      let stage = try PlanBuilder(
        builder.facts, deferred: core.graph.nodes(in: region), inputs: entry.captures,
        wanted: core.graph[region].outputs
      ).build()
      guard stage.isFinal, stage.plan.inputs.allSatisfy({ $0.operand != nil }),
        stage.plan.outputs.allSatisfy({ $0.operand != nil })
      else { return nil }
      var sources: [BranchKernel.Source] = []
      for (index, result) in stage.results.enumerated() {
        guard index < entry.outputs.count else { return nil }
        let value = entry.outputs[index]
        let expected = try operand(value)
        let bytes = expected?.byteCount ?? 0
        switch result {
        case .port(let port):
          // A result that nobody reads would need a place all the same.
          guard expected != nil, let made = stage.plan.outputs[port].operand else { return nil }
          if let expected, made.type != expected.type || made.shape != expected.shape { return nil }
          sources.append(.port(port, bytes, isUsed: expected != nil))
        case .constant(let constant):
          guard let tensor = constant.tensor, tensor.dataType != .string else { return nil }
          if let expected, tensor.dataType != expected.type || tensor.shape != expected.shape { return nil }
          sources.append(.constant(tensor, bytes, isUsed: expected != nil))
        case .environment(let outer):
          guard let index = entry.captures.firstIndex(of: outer), let made = try operand(outer) else { return nil }
          if let expected, made.type != expected.type || made.shape != expected.shape { return nil }
          sources.append(.capture(index, bytes, isUsed: expected != nil))
        }
      }
      sides.append(BranchKernel.Side(plan: stage.plan, sources: sources))
    }
    return (BranchKernel(sides), sides.map(\.plan))
  }
}
