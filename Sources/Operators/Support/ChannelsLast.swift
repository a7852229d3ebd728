import GraphIR
import Tensors

/// What the operators over [N, spatial.., C] share: they mean their standard counterpart between two Transposes.
enum ChannelsLast {
  /// The permutation of [N, spatial.., C] to [N, C, spatial..].
  static func toFirst(_ rank: Int) -> [Int] { [0, rank - 1] + Array(1..<max(1, rank - 1)) }
  /// The permutation of [N, C, spatial..] to [N, spatial.., C].
  static func toLast(_ rank: Int) -> [Int] { [0] + Array(2..<max(2, rank)) + [1] }

  /// A shape [N, C, spatial..] as [N, spatial.., C].
  static func moved(_ shape: [Dim]) -> [Dim] { shape.count < 3 ? shape : toLast(shape.count).map { shape[$0] } }

  static func toFirst(_ tensor: Tensor, _ index: Int) throws -> Tensor {
    guard tensor.rank >= 3 else {
      throw CameoError.badInput("input \(index) is \(tensor), [N, spatial.., C] was expected")
    }
    return try DataMovement.transpose(tensor, toFirst(tensor.rank))
  }

  static func toLast(_ tensor: Tensor) throws -> Tensor { try DataMovement.transpose(tensor, toLast(tensor.rank)) }

  static func toFirst<C: Composer>(_ c: inout C, _ x: C.Ref, rank: Int) throws -> C.Ref {
    try c.transpose(x, toFirst(rank))
  }

  static func fromFirst<C: Composer>(_ c: inout C, _ x: C.Ref, rank: Int) throws -> C.Ref {
    try c.transpose(x, toLast(rank))
  }

  /// The context of the standard operator: input 0 with its channels first.
  static func first(_ context: EvaluationContext) throws -> EvaluationContext {
    var inputs = context.inputs
    inputs[0] = .tensor(try toFirst(context.tensor(0), 0))
    return EvaluationContext(
      node: context.node, inputs: inputs, accumulatesInDouble: context.accumulatesInDouble, seed: context.seed,
      runBody: context.runBody)
  }

  /// The shape of a window's positions over input 0, the kernel in attribute `kernel_shape`.
  static func pooledShape(_ context: InferenceContext) throws -> [Dim]? {
    let window = try NNWindow(context.attributes, kernel: nil)
    guard let x = context.shape(0) else { return nil }
    guard x.count >= 3 else { throw CameoError.badInput("input 0 (X) has rank \(x.count), [N, .., C] was expected") }
    return [x[0]] + (try window.outputs(Array(x[1..<x.count - 1]))) + [x[x.count - 1]]
  }

  /// What `standard` gives for input 0 with its channels first, channels last again.
  static func evaluate(_ standard: some Operator, _ context: EvaluationContext) throws -> [Value?] {
    guard case .tensor(let result)? = try standard.evaluate(first(context)).first ?? nil else { return [nil] }
    return [.tensor(try toLast(result))]
  }

  /// Writes a body: the standard operator between two Transposes.
  static func write(
    _ call: inout CallBuilder, _ type: String, inputs: String = "", attributes: [NamedAttribute]
  ) throws {
    let rank = try call.rank(0)
    try call.write("first = Transpose <perm = \(toFirst(rank))> (X)")
    try call.write("result = \(type) (first\(inputs.isEmpty ? "" : ", " + inputs))", attributes: attributes)
    try call.write("Y = Transpose <perm = \(toLast(rank))> (result)")
  }
}
