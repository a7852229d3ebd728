import GraphIR
import Operators
import Tensors

extension PlanAssembler {
  /// The body of a Loop as one plan in the step's scratch: where all shapes are known, what is carried keeps its type and shape,
  /// and the plan has no later stage. nil: iterations are run one by one as programs of their own.
  func loop(_ entry: PlanBuilder.Entry, _ node: Node) throws -> (LoopKernel, ExecutionPlan)? {
    guard case .graph(let region) = node["body"], entry.inputs.count >= 2 else { return nil }
    let formals = core.graph[region].inputs
    // Programs of their own show their inputs; a plan in a step's scratch has no word for them.
    if formals.contains(where: { core.options.taps.contains($0) }) { return nil }
    let count = entry.inputs.count - 2
    guard formals.count == 2 + count, entry.outputs.count >= count,
      core.graph[region].outputs.count == 1 + entry.outputs.count
    else { return nil }
    for (index, type) in [(0, DataType.int64), (1, .bool)] where entry.inputs[index] != nil {
      guard let input = try operand(entry.inputs[index]), input.type == type, input.count == 1 else { return nil }
    }
    var facts = builder.facts
    facts.note(formals[0], ValueFacts(type: .tensor(.int64, [])))
    // A body that runs is told that the condition holds.
    facts.note(formals[1], ValueFacts(constant: .tensor(try .scalar(1.0, .bool))))
    var states: [Operand] = []
    for index in 0..<count {
      guard let state = try operand(entry.inputs[2 + index]) else { return nil }
      facts.note(formals[2 + index], ValueFacts(type: .tensor(state.type, state.shape.map { Dim($0) })))
      states.append(state)
    }
    let reads = entry.captures + [formals[0]] + formals.dropFirst(2)
    let stage = try PlanBuilder(
      facts, deferred: core.graph.nodes(in: region), inputs: reads, wanted: core.graph[region].outputs
    ).build()
    guard stage.isFinal, stage.plan.inputs.allSatisfy({ $0.operand != nil }),
      stage.plan.outputs.allSatisfy({ $0.operand != nil }), stage.plan.boxedCount == 0
    else { return nil }

    func source(_ result: StagePlan.Result, _ type: DataType, _ shape: [Int]?) throws -> LoopKernel.Source? {
      switch result {
      case .port(let port):
        guard let made = stage.plan.outputs[port].operand, made.type == type, shape == nil || made.shape == shape
        else { return nil }
        return .port(port)
      case .constant(let value):
        guard let tensor = value.tensor, tensor.dataType == type, shape == nil || tensor.shape == shape else {
          return nil
        }
        return .constant(tensor)
      case .environment(let value):
        guard let port = reads.firstIndex(of: value), let given = stage.plan.inputs[port].operand, given.type == type,
          shape == nil || given.shape == shape
        else { return nil }
        return .input(port)
      }
    }
    guard let condition = try source(stage.results[0], .bool, nil) else { return nil }
    var carried: [LoopKernel.Result] = []
    for (index, state) in states.enumerated() {
      guard let from = try source(stage.results[1 + index], state.type, state.shape) else { return nil }
      if index < entry.outputs.count, let output = try operand(entry.outputs[index]) {
        guard output.type == state.type, output.shape == state.shape else { return nil }
      }
      carried.append(LoopKernel.Result(source: from, bytes: state.byteCount))
    }
    var scans: [LoopKernel.Result] = []
    var runs: Int?
    for index in count..<max(count, entry.outputs.count) {
      // A scan that nobody reads would need a place as well.
      guard let output = try operand(entry.outputs[index]), let extent = output.shape.first,
        runs == nil || runs == extent,
        output.type.bitWidth >= 8,
        let from = try source(stage.results[1 + index], output.type, Array(output.shape.dropFirst()))
      else { return nil }
      runs = extent
      let item = extent > 0 ? output.byteCount / extent : 0
      scans.append(LoopKernel.Result(source: from, bytes: item))
    }
    let kernel = LoopKernel(
      ownInputs: entry.inputs.count, captures: entry.captures.count, condition: condition, carried: carried,
      scans: scans, runs: runs, arena: stage.plan.memory.peakBytes)
    return (kernel, stage.plan)
  }
}
