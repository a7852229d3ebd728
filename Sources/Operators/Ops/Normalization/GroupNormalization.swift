import GraphIR
import Tensors

/// InstanceNormalization and GroupNormalization: statistics over groups of channels of each item, scale and bias per channel.
struct GroupNormalization: Operator {
  let name: OperatorName
  private let isInstance: Bool

  init(isInstance: Bool) {
    name = OperatorName(isInstance ? "InstanceNormalization" : "GroupNormalization")
    self.isInstance = isInstance
  }

  func infer(_ context: inout InferenceContext) throws {
    let x = context.shape(0)
    if let x, x.count < 2 { throw CameoError.badInput("input 0 has rank \(x.count), [N, C, ..] was expected") }
    for index in 1...2 {
      if let x, let shape = context.shape(index), shape.count == 1 {
        _ = try context.unify(x[1], shape[0], "channels of the input and of input \(index)")
      }
    }
    context.set(0, context.dataType(0), x)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    guard x.rank >= 2 else { throw CameoError.badInput("input 0 is \(x), [N, C, ..] was expected") }
    let channels = x.shape[1]
    let groups = isInstance ? channels : try context.attributes.int("num_groups")
    guard groups > 0 || channels == 0, groups == 0 || channels % groups == 0 else {
      throw CameoError.badInput("\(channels) channels cannot be parted into \(groups) groups (num_groups)")
    }
    let scale = try context.tensor(1).elements(as: Double.self)
    let bias = try context.tensor(2).elements(as: Double.self)
    guard scale.count == channels, bias.count == channels else {
      throw CameoError.badInput(
        "scale has \(scale.count) elements and bias \(bias.count); \(channels), one a channel, were expected")
    }
    let epsilon = Double(try context.attributes.float("epsilon", default: 1e-5))
    let plane = x.shape[2...].reduce(1, *)
    let size = groups == 0 ? 0 : channels / groups * plane
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(x.dataType, x.shape, as: Double.self) { out in
          NNParallel.ranges(x.shape[0] * groups, grain: max(1, 8192 / max(1, size))) { range in
            for item in range {
              let start = item * size
              var mean = 0.0
              for i in start..<start + size { mean += view.base[i] }
              mean /= Double(size)
              var variance = 0.0
              for i in start..<start + size { variance += (view.base[i] - mean) * (view.base[i] - mean) }
              let inverse = 1 / (variance / Double(size) + epsilon).squareRoot()
              for i in 0..<size {
                let channel = item % groups * (channels / groups) + i / plane
                out[start + i] = (view.base[start + i] - mean) * inverse * scale[channel] + bias[channel]
              }
            }
          }
        })
    ]
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if isInstance {
      graph.setAttribute("consumed_inputs", of: node, to: nil)
      return
    }
    guard version < 21, case .int(let groups) = graph[node]["num_groups"], groups > 0 else { return }
    // Scale and bias were per group: each is repeated for the channels of its group.
    for index in 1...2 {
      guard let input = graph[node].input(index), let x = graph[node].input(0) else { continue }
      let known = graph[x].type?.shape.flatMap { $0.count > 1 ? $0[1].value : nil }
      if let constant = graph.constant(input), let channels = known, constant.count == Int(groups),
        channels % Int(groups) == 0
      {
        let values = try constant.elements(as: Double.self)
        let repeated = (0..<channels).map { values[$0 / (channels / Int(groups))] }
        graph.setInput(index, of: node, to: graph.emitConstant(try Tensor.of(repeated, constant.dataType), like: node))
        continue
      }
      let shape = graph.emit(
        "Shape", [x], [NamedAttribute("start", .int(1)), NamedAttribute("end", .int(2))], like: node)
      let count = graph.emitConstant(try Tensor.of([groups], .int64), like: node)
      let each = graph.emit("Div", [shape, count], like: node)
      let target = graph.emit("Concat", [count, each], [NamedAttribute("axis", .int(0))], like: node)
      let axis = graph.emitConstant(try Tensor.of([Int64(1)], .int64), like: node)
      let column = graph.emit("Unsqueeze", [input, axis], like: node)
      let wide = graph.emit("Expand", [column, target], like: node)
      let flat = graph.emitConstant(try Tensor.of([Int64(-1)], .int64), like: node)
      graph.setInput(index, of: node, to: graph.emit("Reshape", [wide, flat], like: node))
    }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard !isInstance, version < 21 else { return }
    guard case .int(let groups) = graph[node]["num_groups"], groups > 0 else { return }
    for index in 1...2 {
      guard let constant = graph.constant(graph[node].input(index)), constant.count % Int(groups) == 0 else {
        throw CameoError.unsupported("computed scale or bias per channel before opset 21")
      }
      let values = try constant.elements(as: Double.self)
      let each = values.count / Int(groups)
      let perGroup = (0..<Int(groups)).map { values[$0 * each] }
      guard values.indices.allSatisfy({ values[$0] == perGroup[$0 / max(1, each)] }) else {
        throw CameoError.unsupported("scale or bias that differs within a group before opset 21")
      }
      graph.setInput(index, of: node, to: graph.emitConstant(try Tensor.of(perGroup, constant.dataType), like: node))
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0, { OperatorRegistry.submit(GroupNormalization(isInstance: false), to: $0) }
)
