public import GraphIR
public import Tensors

/// One node's view during portable evaluation: concrete values in, concrete values out.
public struct EvaluationContext {
  public let node: Node
  public let attributes: AttributeReader
  /// By input position; nil where the input is left out.
  public let inputs: [Value?]
  /// Accumulate contractions in double: the reference that others are held against.
  public let accumulatesInDouble: Bool
  let runBody: ((RegionID, [Value?]) throws -> [Value])?
  /// Seeds random operators that carry no `seed` attribute.
  public let seed: UInt64

  public init(
    node: Node, inputs: [Value?], accumulatesInDouble: Bool = false, seed: UInt64 = 0,
    runBody: ((RegionID, [Value?]) throws -> [Value])? = nil
  ) {
    self.node = node
    attributes = AttributeReader(node)
    self.inputs = inputs
    self.accumulatesInDouble = accumulatesInDouble
    self.seed = seed
    self.runBody = runBody
  }

  public func hasInput(_ index: Int) -> Bool { index < inputs.count && inputs[index] != nil }
  public func hasOutput(_ index: Int) -> Bool { node.output(index) != nil }

  /// The input tensor. Throws where it is absent or no tensor.
  public func tensor(_ index: Int) throws -> Tensor {
    guard let tensor = try optionalTensor(index) else {
      throw CameoError.badInput("\(node.label(input: index)) is missing")
    }
    return tensor
  }

  public func optionalTensor(_ index: Int) throws -> Tensor? {
    guard index < inputs.count, let value = inputs[index] else { return nil }
    switch value {
    case .tensor(let tensor): return tensor
    case .optional(.some(.tensor(let tensor))): return tensor
    case .sparse(let sparse): return try sparse.dense()
    default: throw CameoError.badInput("\(node.label(input: index)) is no tensor")
    }
  }

  /// The only number of an input. Throws where the input is absent or holds several.
  public func scalar<T: ComputeElement>(_ index: Int, as type: T.Type) throws -> T {
    guard let number = try optionalScalar(index, as: type) else {
      throw CameoError.badInput("\(node.label(input: index)) is missing")
    }
    return number
  }

  public func optionalScalar<T: ComputeElement>(_ index: Int, as type: T.Type) throws -> T? {
    guard let tensor = try optionalTensor(index) else { return nil }
    guard tensor.count == 1, tensor.dataType != .string else {
      throw CameoError.badInput("\(node.label(input: index)) is \(tensor), one number was expected")
    }
    return try tensor.scalar(as: type)
  }

  public func value(_ index: Int) throws -> Value {
    guard index < inputs.count, let value = inputs[index] else {
      throw CameoError.badInput("\(node.label(input: index)) is missing")
    }
    return value
  }

  /// The output types that inference gives for these very inputs: the one place where shapes are computed.
  public func inferredOutputs(by op: some Operator) throws -> [ValueType?] {
    var inference = InferenceContext(
      node: node, inputs: inputs.map { value in value.map { ValueFacts(constant: $0) } }, symbolPrefix: "run")
    try op.infer(&inference)
    return inference.outputs.map(\.type)
  }

  /// Element type and shape of output `index` for these inputs. Throws where inference leaves them open.
  public func outputType(_ index: Int = 0, by op: some Operator) throws -> (type: DataType, shape: [Int]) {
    let types = try inferredOutputs(by: op)
    guard index < types.count, let type = types[index]?.dataType, let shape = types[index]?.concreteShape else {
      throw CameoError.badInput("the shape of output \(index) cannot be known from the inputs")
    }
    for dim in shape where dim < 0 { throw CameoError.badInput("output \(index) would have the shape \(shape)") }
    return (type, shape)
  }

  /// Runs a body on its inputs; its outputs.
  public func run(body: RegionID, inputs: [Value?]) throws -> [Value] {
    guard let runBody else { throw CameoError.unsupported("bodies cannot run here") }
    return try runBody(body, inputs)
  }
}
