public import GraphIR
public import Tensors

/// RandomNormal, RandomUniform and their Like forms. Numbers come from `RandomStream`: MT19937 seeded by the attribute
/// `seed`, or by the run where it is left out.
public struct RandomOperator: Operator {
  public let name: OperatorName
  public let traits: OperatorTraits = .random
  private let isNormal: Bool
  /// Shape (and type, unless `dtype` says it) come from input 0.
  private let isLike: Bool

  public init(_ name: String, isNormal: Bool, isLike: Bool) {
    self.name = OperatorName(name)
    self.isNormal = isNormal
    self.isLike = isLike
  }

  public func infer(_ context: inout InferenceContext) throws {
    let type = try context.attributes.dataType("dtype")
    if isLike { return context.set(0, type ?? context.dataType(0), context.shape(0)) }
    let shape = try context.attributes.ints("shape")
    if let bad = shape.first(where: { $0 < 0 }) { throw CameoError.badInput("attribute shape holds \(bad)") }
    context.set(0, type ?? .float, shape.map { Dim($0) })
  }

  public func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let given = try context.attributes.dataType("dtype")
    let type = try given ?? (isLike ? context.tensor(0).dataType : .float)
    let shape = try isLike ? context.tensor(0).shape : context.attributes.ints("shape")
    guard type.isFloatingPoint else { throw CameoError.unsupported("\(name) of \(type)") }
    var stream = RandomStream(seed: try context.attributes.optionalFloat("seed"), fallback: context.seed)
    let count = try Tensor.elementCount(shape)
    let tensor = try Tensor.make(type, shape, as: Double.self) { out in
      if isNormal {
        let mean = Double(try context.attributes.float("mean", default: 0))
        let scale = Double(try context.attributes.float("scale", default: 1))
        for i in 0..<count { out[i] = mean + scale * stream.normal() }
      } else {
        let low = Double(try context.attributes.float("low", default: 0))
        let high = Double(try context.attributes.float("high", default: 1))
        for i in 0..<count { out[i] = low + (high - low) * stream.uniform() }
      }
    }
    return [.tensor(tensor)]
  }
}
