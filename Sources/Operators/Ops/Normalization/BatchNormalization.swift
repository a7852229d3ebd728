internal import CKernels
import GraphIR
import Tensors

/// BatchNormalization: per-channel affine map by given statistics, or by those of the batch in training mode.
struct BatchNormalization: Operator {
  let name = OperatorName("BatchNormalization")

  func infer(_ context: inout InferenceContext) throws {
    let x = context.shape(0)
    if let x, x.count < 1 { throw CameoError.badInput("input 0 (X) is a scalar, rank 2 or more was expected") }
    context.set(0, context.dataType(0), x)
    var channels = x.map { $0.count > 1 ? $0[1] : 1 }
    for index in 1...4 {
      guard let shape = context.shape(index) else { continue }
      guard shape.count == 1 else {
        throw CameoError.badInput("input \(index) has rank \(shape.count), 1 was expected")
      }
      channels =
        try channels.map { try context.unify($0, shape[0], "channels of the input and of input \(index)") } ?? shape[0]
    }
    for index in 1...2 { context.set(index, context.dataType(index + 2), channels.map { [$0] }) }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    guard x.rank >= 1 else { throw CameoError.badInput("input 0 (X) is a scalar, rank 2 or more was expected") }
    let batch = x.shape[0]
    let channels = x.rank > 1 ? x.shape[1] : 1
    let plane = x.shape.dropFirst(2).reduce(1, *)
    let epsilon = Double(try context.attributes.float("epsilon", default: 1e-5))
    func perChannel(_ index: Int) throws -> [Double] {
      let values = try context.tensor(index).elements(as: Double.self)
      guard values.count == channels else {
        throw CameoError.badInput("input \(index) has \(values.count) elements for \(channels) channels")
      }
      return values
    }
    let scale = try perChannel(1)
    let bias = try perChannel(2)
    var mean = try perChannel(3)
    var variance = try perChannel(4)
    var running: [Value?] = []
    if try context.attributes.bool("training_mode") {
      let momentum = Double(try context.attributes.float("momentum", default: 0.9))
      let given = (mean, variance)
      (mean, variance) = try statistics(ElementView<Double>(x), batch, channels, plane)
      func blend(_ old: [Double], _ new: [Double], _ index: Int) throws -> Value? {
        guard context.hasOutput(index - 2) else { return nil }
        return .tensor(
          try Tensor.of(zip(old, new).map { $0 * momentum + $1 * (1 - momentum) }, context.tensor(index).dataType))
      }
      running = [try blend(given.0, mean, 3), try blend(given.1, variance, 4)]
    }
    let factor = (0..<channels).map { scale[$0] / (variance[$0] + epsilon).squareRoot() }
    if x.dataType != .double && !context.accumulatesInDouble {
      let view = try ElementView<Float>(x)
      let multiplier = factor.map { Float($0) }
      let shift = (0..<channels).map { Float(bias[$0] - mean[$0] * factor[$0]) }
      let y = try Tensor.make(x.dataType, x.shape, as: Float.self) { out in
        NNParallel.ranges(batch * channels, grain: max(1, 16384 / max(1, plane))) { range in
          ck_channel_affine_f32(
            out, view.base, multiplier, shift, channels, plane, range.lowerBound, range.upperBound, nil)
        }
      }
      return [.tensor(y)] + running
    }
    let view = try ElementView<Double>(x)
    let y = try Tensor.make(x.dataType, x.shape, as: Double.self) { out in
      NNParallel.ranges(batch * channels, grain: max(1, 16384 / max(1, plane))) { range in
        for row in range {
          let channel = row % channels
          for i in row * plane..<(row + 1) * plane {
            out[i] = (view.base[i] - mean[channel]) * factor[channel] + bias[channel]
          }
        }
      }
    }
    return [.tensor(y)] + running
  }

  /// Mean and population variance of each channel.
  private func statistics(
    _ x: ElementView<Double>, _ batch: Int, _ channels: Int, _ plane: Int
  ) -> (mean: [Double], variance: [Double]) {
    var mean = [Double](repeating: 0, count: channels)
    var variance = mean
    let count = Double(batch * plane)
    for channel in 0..<channels {
      var sum = 0.0
      for item in 0..<batch { for i in 0..<plane { sum += x[(item * channels + channel) * plane + i] } }
      mean[channel] = sum / count
      sum = 0
      for item in 0..<batch {
        for i in 0..<plane {
          let difference = x[(item * channels + channel) * plane + i] - mean[channel]
          sum += difference * difference
        }
      }
      variance[channel] = sum / count
    }
    return (mean, variance)
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    guard version < 14 else { return }
    let source = graph[node]
    func int(_ name: String, _ fallback: Int64) -> Int64 {
      if case .int(let value) = source[name] { return value }
      return fallback
    }
    for name in ["consumed_inputs", "is_test", "spatial"] { graph.setAttribute(name, of: node, to: nil) }
    // What an older file calls mean and var are training's updated statistics; saved ones were only ever internal.
    for index in stride(from: source.outputs.count - 1, through: 1, by: -1) {
      guard let output = source.output(index) else { continue }
      if graph[output].uses.isEmpty {
        graph.dropOutput(index, of: node)
      } else if index > 2 {
        throw CameoError.unsupported(
          "the output \(index == 3 ? "saved_mean" : "saved_var") exists before opset 14 only")
      }
    }
    let isTest = version < 7 ? int("is_test", 0) != 0 : false
    if !isTest && graph[node].outputs.count > 1 { graph.setAttribute("training_mode", of: node, to: .int(1)) }
    if version < 9 && int("spatial", 1) == 0 { try decompose(&graph, node) }
  }

  /// spatial=0: statistics per element of [C, D1, ..]; only inference can be said with element-wise operators.
  private func decompose(_ graph: inout Graph, _ node: NodeID) throws {
    let source = graph[node]
    guard source.outputs.count == 1 else {
      throw CameoError.unsupported("BatchNormalization with spatial=0 in training")
    }
    let type = source.input(0).flatMap { graph[$0].type?.dataType } ?? .float
    var epsilon: Float = 1e-5
    if case .float(let value) = source["epsilon"] { epsilon = value }
    let small = graph.emitConstant(try Tensor.of([epsilon], type, shape: []), like: node)
    let centred = graph.emit("Sub", [source.input(0), source.input(3)], like: node)
    let shifted = graph.emit("Add", [source.input(4), small], like: node)
    let deviation = graph.emit("Sqrt", [shifted], like: node)
    let normal = graph.emit("Div", [centred, deviation], like: node)
    let scaled = graph.emit("Mul", [normal, source.input(1)], like: node)
    let result = graph.emit("Add", [scaled, source.input(2)], like: node)
    graph.replaceNode(node, by: result)
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 14 else { return }
    if case .int(let mode) = graph[node]["training_mode"], mode != 0 {
      throw CameoError.unsupported("training_mode of BatchNormalization before opset 14")
    }
    graph.setAttribute("training_mode", of: node, to: nil)
    if version < 7 { graph.setAttribute("is_test", of: node, to: .int(1)) }
    if version < 6 { graph.setAttribute("consumed_inputs", of: node, to: .ints([0, 0, 0, 1, 1])) }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(BatchNormalization(), to: $0) })
