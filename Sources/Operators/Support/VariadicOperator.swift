public import GraphIR
public import Tensors

/// Element-wise operators of one or more tensors of one type, broadcast to each other (Sum, Max, ...).
public struct VariadicOperator: Operator {
  public let name: OperatorName
  public let traits: OperatorTraits = [.elementwise, .commutative]
  private let functions: ElementFunctions
  /// Divides the result by the number of inputs.
  private let averages: Bool
  private let symbols: (@Sendable (Dim, Dim) -> Dim?)?

  public init(
    _ name: String, averages: Bool = false, symbols: (@Sendable (Dim, Dim) -> Dim?)? = nil,
    _ functions: ElementFunctions
  ) {
    self.name = OperatorName(name)
    self.functions = functions
    self.averages = averages
    self.symbols = symbols
  }

  public func infer(_ context: inout InferenceContext) throws {
    guard !context.inputs.isEmpty else { throw CameoError.badInput("at least one input is needed") }
    let type = try context.commonType(Array(context.inputs.indices))
    var contents: [Dim]?
    if let type, type.isInteger, let symbols {
      if context.inputs.count == 1 {
        contents = context.symbols(0)
      } else if context.inputs.count == 2 {
        contents = SymbolicContents.map(context, symbols)
      }
    }
    context.set(0, type, try context.broadcastInputs(), symbols: contents)
  }

  public func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let tensors = try context.inputs.indices.map { try context.tensor($0) }
    guard let first = tensors.first else { throw CameoError.badInput("at least one input is needed") }
    var shape = first.shape
    for tensor in tensors.dropFirst() {
      guard tensor.dataType == first.dataType else {
        throw CameoError.badInput("the inputs must agree in type, \(first.dataType) and \(tensor.dataType) are there")
      }
      shape = try Broadcast.shape(shape, tensor.shape)
    }
    let type = first.dataType
    let count = tensors.count
    if type == .double, let f = functions.double {
      return [.tensor(try fold(tensors, shape, f, averages ? { $0 / Double(count) } : nil))]
    }
    if type.isFloatingPoint, type != .double, let f = functions.float {
      return [.tensor(try fold(tensors, shape, f, averages ? { $0 / Float(count) } : nil))]
    }
    if type == .uint64, let f = functions.unsigned { return [.tensor(try fold(tensors, shape, f, nil))] }
    if type.isInteger, type != .uint64, let f = functions.signed { return [.tensor(try fold(tensors, shape, f, nil))] }
    throw CameoError.unsupported("\(name) of \(type)")
  }

  private func fold<T: ComputeElement>(
    _ tensors: [Tensor], _ shape: [Int], _ f: (T, T) -> T, _ finish: ((T) -> T)?
  ) throws -> Tensor {
    try Tensor.make(tensors[0].dataType, shape, as: T.self) { out in
      try ElementwiseMaps.accumulate(tensors[0], into: out, shape) { $1 }
      for tensor in tensors.dropFirst() { try ElementwiseMaps.accumulate(tensor, into: out, shape, f) }
      if let finish { for i in 0..<(try Tensor.elementCount(shape)) { out[i] = finish(out[i]) } }
    }
  }

  public func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    graph.dropConsumedInputs(node)
  }

  public func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 8 else { return }
    let shapes = graph[node].inputs.map { graph.shape($0) }
    guard let first = shapes.first, first != nil, shapes.allSatisfy({ $0 == first }) else {
      throw CameoError.unsupported("before opset 8 the inputs must have one known shape")
    }
  }
}
