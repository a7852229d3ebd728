import GraphIR
import Tensors

/// One step of an optimizer over groups of tensors: R, T, then all values, all gradients, then each kind of state. The results are
/// the new values, then each kind of state.
///
/// Computed in double and rounded once. A group's tensors are broadcast to each other, as the standard's pseudo code is.
struct TrainingOptimizer: Operator {
  /// One element: the value and its states in place, from the gradient.
  typealias Step = (_ x: inout Double, _ gradient: Double, _ states: UnsafeMutablePointer<Double>) -> Void

  let name: OperatorName
  /// Kinds of state beside the value.
  private let stateCount: Int
  private let step: @Sendable (_ attributes: AttributeReader, _ rate: Double, _ updates: Int64) throws -> Step

  /// `step` is asked once a node for the learning rate R and the update count T.
  init(
    _ name: String, states: Int,
    step: @escaping @Sendable (_ attributes: AttributeReader, _ rate: Double, _ updates: Int64) throws -> Step
  ) {
    self.name = OperatorName(name, domain: "ai.onnx.preview.training")
    stateCount = states
    self.step = step
  }

  /// The number of tensors that are optimized.
  private func groups(_ inputs: Int) throws -> Int {
    let kinds = 2 + stateCount
    guard inputs > 2, (inputs - 2) % kinds == 0 else {
      throw CameoError.badInput("\(inputs) inputs: R, T and then \(kinds) for each optimized tensor were expected")
    }
    return (inputs - 2) / kinds
  }

  func infer(_ context: inout InferenceContext) throws {
    let groups = try groups(context.inputs.count)
    for index in 0..<groups {
      let members = (0..<2 + stateCount).map { 2 + $0 * groups + index }
      let type = try context.commonType(members)
      var shape: [Dim]? = []
      for member in members {
        guard let other = context.shape(member) else { shape = nil; break }
        shape = try shape.map { try context.broadcast($0, other) }
      }
      context.set(index, type, shape)
      for state in 0..<stateCount { context.set((1 + state) * groups + index, type, shape) }
    }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let groups = try groups(context.inputs.count)
    let rate = try context.tensor(0).scalar(as: Double.self)
    let updates = try context.tensor(1).scalar(as: Int64.self)
    let step = try step(context.attributes, rate, updates)
    var results = [Value?](repeating: nil, count: groups * (1 + stateCount))
    for index in 0..<groups {
      let members = try (0..<2 + stateCount).map { try context.tensor(2 + $0 * groups + index) }
      for (place, tensor) in try updated(members, step).enumerated() {
        results[place * groups + index] = .tensor(tensor)
      }
    }
    return results
  }

  /// The new value and states of one tensor: `members` are value, gradient and states.
  private func updated(_ members: [Tensor], _ step: Step) throws -> [Tensor] {
    let type = members[0].dataType
    var shape = members[0].shape
    for member in members {
      guard member.dataType == type else {
        throw CameoError.badInput("a value of \(type) beside a gradient or state of \(member.dataType)")
      }
      shape = try Broadcast.shape(shape, member.shape)
    }
    let views = try members.map { member in
      let strides = Broadcast.strides(of: member.shape, to: shape)
      return try ElementView<Double>(
        member.shape == shape ? member : DataMovement.strided(member, shape, strides: strides))
    }
    let count = try Tensor.elementCount(shape)
    // Values, then each kind of state, in double.
    let work = try NNScratch(max(1, count * (1 + stateCount)), Double.self)
    withUnsafeTemporaryAllocation(of: Double.self, capacity: stateCount) { states in
      guard let states = states.baseAddress else { return }
      for i in 0..<count {
        var x = views[0][i]
        for s in 0..<stateCount { states[s] = views[2 + s][i] }
        step(&x, views[1][i], states)
        work.base[i] = x
        for s in 0..<stateCount { work.base[(1 + s) * count + i] = states[s] }
      }
    }
    return try (0...stateCount).map { place in
      try Tensor.make(type, shape, as: Double.self) { $0.update(from: work.base + place * count, count: count) }
    }
  }
}
