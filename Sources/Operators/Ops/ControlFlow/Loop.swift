import GraphIR
import Tensors

/// Loop: a body run while its condition holds and at most M times; values carried from one run to the next, others collected.
struct Loop: Operator {
  let name = OperatorName("Loop")
  let traits: OperatorTraits = .controlFlow

  func infer(_ context: inout InferenceContext) throws {
    let body = try context.attributes.region("body")
    let count = max(0, context.node.inputs.count - 2)
    let isTrue = ValueFacts(constant: .tensor(try .scalar(1.0, .bool)))
    let (carried, outputs) = try context.inferIterated(
      body: body, leading: [ValueFacts(type: .tensor(.int64, [])), isTrue],
      carried: (0..<count).map { context.type($0 + 2) }, trailing: [], firstCarriedOutput: 1)
    for (index, type) in carried.enumerated() { context.set(index, ValueFacts(type: type)) }
    // The number of runs is M where the condition never ends it.
    let starts = !context.hasInput(1) || (try? context.tensor(1)?.scalar(as: Double.self)) == 1
    let stays = (try? outputs.first?.tensor?.scalar(as: Double.self)) == 1
    let runs: Dim =
      if starts, stays, let m = context.symbols(0), m.count == 1, m[0].isNonNegative { m[0] } else {
        context.unknownDim()
      }
    for index in count + 1..<max(count + 1, outputs.count) {
      let type = outputs[index].type
      context.set(index - 1, type?.dataType, type?.shape.map { [runs] + $0 })
    }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let body = try context.attributes.region("body")
    let limit = try context.optionalScalar(0, as: Int64.self)
    var goesOn = try context.optionalScalar(1, as: Double.self) != 0
    let count = max(0, context.inputs.count - 2)
    var carried = Array(context.inputs.dropFirst(2))
    var collected = [[Tensor]](repeating: [], count: max(0, context.node.outputs.count - count))
    var iteration: Int64 = 0
    func step(_ carried: [Value?]) throws -> [Value] {
      let counter = Value.tensor(try .scalar(iteration, .int64))
      let results = try context.run(body: body, inputs: [counter, .tensor(try .scalar(1.0, .bool))] + carried)
      guard results.count >= 1 + count, results.count - 1 - count >= collected.count else {
        throw CameoError.badInput("the body has \(results.count) outputs")
      }
      return results
    }
    while goesOn && iteration < limit ?? .max {
      let results = try step(carried)
      guard let next = results[0].tensor else { throw CameoError.badInput("the body's condition is no tensor") }
      goesOn = try next.scalar(as: Double.self) != 0
      carried = results[1..<1 + count].map { $0 }
      for index in collected.indices {
        guard let item = results[1 + count + index].tensor else {
          throw CameoError.badInput("a scan output is no tensor")
        }
        collected[index].append(item)
      }
      iteration += 1
    }
    var outputs = carried
    if iteration == 0 && !collected.isEmpty {
      // The items' type and shape: those of a run that does not count.
      let results = try step(carried)
      for index in collected.indices {
        guard let item = results[1 + count + index].tensor else {
          throw CameoError.badInput("a scan output is no tensor")
        }
        outputs.append(.tensor(try NNStack.slice(NNStack.stack([item]), axis: 0, 0..<0)))
      }
      return outputs
    }
    for items in collected { outputs.append(.tensor(try NNStack.stack(items))) }
    return outputs
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Loop(), to: $0) })
