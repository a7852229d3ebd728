public import GraphIR
public import Tensors

/// One function of two elements, in the types that portable evaluation computes in. A missing one is not supported.
public struct ElementFunctions: Sendable {
  /// float32, and the narrower floats, rounded once to their own type.
  public var float: (@Sendable (Float, Float) -> Float)?
  public var double: (@Sendable (Double, Double) -> Double)?
  /// Every integer type but uint64; the result wraps at the type's width.
  public var signed: (@Sendable (Int64, Int64) -> Int64)?
  public var unsigned: (@Sendable (UInt64, UInt64) -> UInt64)?

  public init(
    float: (@Sendable (Float, Float) -> Float)? = nil, double: (@Sendable (Double, Double) -> Double)? = nil,
    signed: (@Sendable (Int64, Int64) -> Int64)? = nil, unsigned: (@Sendable (UInt64, UInt64) -> UInt64)? = nil
  ) {
    self.float = float
    self.double = double
    self.signed = signed
    self.unsigned = unsigned
  }

  /// The result for two tensors of one type, broadcast to `shape`.
  public func callAsFunction(_ a: Tensor, _ b: Tensor, _ shape: [Int], name: OperatorName) throws -> Tensor {
    guard a.dataType == b.dataType else {
      throw CameoError.badInput("inputs 0 and 1 must agree in type, \(a.dataType) and \(b.dataType) are there")
    }
    let type = a.dataType
    if type == .double, let double { return try ElementwiseMaps.map(a, b, to: type, shape, double) }
    if type.isFloatingPoint, type != .double, let float { return try ElementwiseMaps.map(a, b, to: type, shape, float) }
    if type == .uint64, let unsigned { return try ElementwiseMaps.map(a, b, to: type, shape, unsigned) }
    if type.isInteger, type != .uint64, let signed { return try ElementwiseMaps.map(a, b, to: type, shape, signed) }
    throw CameoError.unsupported("\(name) of \(type)")
  }
}

/// Element-wise operators of two tensors of one type, broadcast to each other: the result has that type.
public struct BinaryOperator: Operator {
  public let name: OperatorName
  public let traits: OperatorTraits
  private let functions: @Sendable (AttributeReader) throws -> ElementFunctions
  private let symbols: (@Sendable (AttributeReader, Dim, Dim) -> Dim?)?

  /// `functions` gets the node's attributes once. `symbols` is the function on integer contents during inference, nil where
  /// it is not known.
  public init(
    _ name: String, domain: String = "", traits: OperatorTraits = [],
    symbols: (@Sendable (AttributeReader, Dim, Dim) -> Dim?)? = nil,
    _ functions: @escaping @Sendable (AttributeReader) throws -> ElementFunctions
  ) {
    self.name = OperatorName(name, domain: domain)
    self.traits = traits.union(.elementwise)
    self.functions = functions
    self.symbols = symbols
  }

  public func infer(_ context: inout InferenceContext) throws {
    let type = try context.commonType([0, 1])
    var contents: [Dim]?
    if let symbols, let type, type.isInteger {
      let attributes = context.attributes
      contents = SymbolicContents.map(context) { symbols(attributes, $0, $1) }
    }
    context.set(0, type, try context.broadcastInputs(), symbols: contents)
  }

  public func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (a, b) = (try context.tensor(0), try context.tensor(1))
    let shape = try Broadcast.shape(a.shape, b.shape)
    return [.tensor(try functions(context.attributes)(a, b, shape, name: name))]
  }

  public func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 7 { try graph.upgradeLegacyBroadcast(node) }
  }

  public func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 7 { try graph.lowerLegacyBroadcast(node, commutes: traits.contains(.commutative)) }
  }
}
