public import GraphIR
public import Tensors

/// Element-wise operators of one tensor: same shape out. One generic implementation, the function as parameter.
public struct UnaryOperator: Operator {
  public let name: OperatorName
  public let traits: OperatorTraits = .elementwise
  private let output: DataType?
  private let float: (@Sendable (AttributeReader) throws -> (Double) -> Double)?
  private let integer: (@Sendable (AttributeReader) throws -> (Int64) -> Int64)?

  /// `float` and `integer` get the node's attributes once and return the function of one element; a missing one means that
  /// the other computes. Floats of 32 bits and less are computed in double and rounded once. `output` fixes the result's
  /// type (bool for IsNaN); nil keeps the input's.
  public init(
    _ name: String, domain: String = "", output: DataType? = nil,
    float: (@Sendable (AttributeReader) throws -> (Double) -> Double)? = nil,
    integer: (@Sendable (AttributeReader) throws -> (Int64) -> Int64)? = nil
  ) {
    self.name = OperatorName(name, domain: domain)
    self.output = output
    self.float = float
    self.integer = integer
  }

  public func infer(_ context: inout InferenceContext) throws {
    let type = output ?? context.dataType(0)
    context.set(0, type, context.shape(0), symbols: symbols(context))
  }

  private func symbols(_ context: InferenceContext) -> [Dim]? {
    guard name.domain.isEmpty, let symbols = context.symbols(0) else { return nil }
    switch name.name {
    case "Neg": return symbols.map { -$0 }
    case "Identity": return symbols
    default: return nil
    }
  }

  public func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let input = try context.tensor(0)
    let type = output ?? input.dataType
    if let integer, !input.dataType.isFloatingPoint || float == nil {
      let f = try integer(context.attributes)
      let view = try ElementView<Int64>(input)
      return [
        .tensor(
          try Tensor.make(type, input.shape, as: Int64.self) { out in
            for i in 0..<view.count { out[i] = f(view[i]) }
          })
      ]
    }
    guard let float else { throw CameoError.unsupported("\(name) of \(input.dataType)") }
    let f = try float(context.attributes)
    if input.dataType == .float && type == .float {
      let view = try ElementView<Float>(input)
      return [
        .tensor(
          try Tensor.make(type, input.shape, as: Float.self) { out in
            for i in 0..<view.count { out[i] = Float(f(Double(view[i]))) }
          })
      ]
    }
    let view = try ElementView<Double>(input)
    return [
      .tensor(
        try Tensor.make(type, input.shape, as: Double.self) { out in
          for i in 0..<view.count { out[i] = f(view[i]) }
        })
    ]
  }

  public func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    graph.dropConsumedInputs(node)
  }
}
