/// The published signature of one operator at one version: what the table says, and nothing that it means.
///
/// A schema is found by (domain, name, since_version) in `SchemaRegistry`. Names and order are the specification's;
/// attributes are sorted by name.
public struct OperatorSchema: Sendable {
  /// "" for the default domain.
  public var domain: String
  public var name: String
  /// The first opset of `domain` in which this signature holds.
  public var sinceVersion: Int
  /// The operator is withdrawn from `sinceVersion` on; such a record may have no parameters at all.
  public var isDeprecated: Bool
  public var isExperimental: Bool
  public var determinism: Determinism
  public var function: FunctionBody
  /// How many inputs and outputs a node may list; an upper bound of `Int.max` means without limit.
  public var inputCount: ClosedRange<Int>
  public var outputCount: ClosedRange<Int>
  public var attributes: [Attribute]
  public var inputs: [FormalParameter]
  public var outputs: [FormalParameter]
  public var typeConstraints: [TypeConstraint]

  /// Whether two runs on equal inputs give equal outputs.
  public enum Determinism: Sendable, Hashable {
    case deterministic
    case nondeterministic
    /// It depends on the node: its function body or its subgraphs decide.
    case unknown
  }

  /// Whether the specification gives a function body, and written for which opsets.
  public enum FunctionBody: Sendable, Hashable {
    case none
    /// One body for every node, for each of the opsets.
    case fixed(opsets: [Int])
    /// A body that depends on the node's attributes and input types.
    case contextDependent(opsets: [Int])
  }

  /// `AttributeProto.AttributeType`; the raw value is its number in the format.
  public enum AttributeType: Int, Sendable, Hashable, CaseIterable {
    case float = 1
    case int = 2
    case string = 3
    case tensor = 4
    case graph = 5
    case floats = 6
    case ints = 7
    case strings = 8
    case tensors = 9
    case graphs = 10
    case sparseTensor = 11
    case sparseTensors = 12
    case typeProto = 13
    case typeProtos = 14

    /// The name as the specification writes it, in lower case ("sparse_tensor").
    public var name: String {
      switch self {
      case .float: "float"
      case .int: "int"
      case .string: "string"
      case .tensor: "tensor"
      case .graph: "graph"
      case .floats: "floats"
      case .ints: "ints"
      case .strings: "strings"
      case .tensors: "tensors"
      case .graphs: "graphs"
      case .sparseTensor: "sparse_tensor"
      case .sparseTensors: "sparse_tensors"
      case .typeProto: "type_proto"
      case .typeProtos: "type_protos"
      }
    }
  }

  /// A formal attribute.
  public struct Attribute: Sendable, Hashable {
    public var name: String
    public var type: AttributeType
    public var isRequired: Bool
    /// `.none` where an absent attribute has no published value.
    public var defaultValue: AttributeDefault
  }

  /// A formal input or output.
  public struct FormalParameter: Sendable, Hashable {
    public enum Option: Sendable, Hashable {
      case single
      case optional
      /// The last parameter, any number of times from `minArity` on; homogeneous: all of one type.
      case variadic(isHomogeneous: Bool, minArity: Int)
    }

    public var name: String
    /// A type parameter's name ("T") or a type string ("tensor(int64)").
    public var type: String
    /// Index in `typeConstraints` where `type` is a type parameter.
    public var constraint: Int?
    public var option: Option
    /// The types allowed here, those outside `TypeSet` left out.
    public var types: TypeSet

    public var isOptional: Bool { option == .optional }

    public var isVariadic: Bool {
      if case .variadic = option { true } else { false }
    }
  }

  /// A type parameter and what it may stand for.
  public struct TypeConstraint: Sendable, Hashable {
    public var name: String
    public var types: TypeSet
    /// Allowed types that a `TypeSet` cannot hold, as type strings.
    public var otherTypes: [String]

    /// Every allowed type string.
    public var allowedTypes: [String] { types.typeStrings + otherTypes }
  }

  /// The attribute of this name. Linear in the number of attributes.
  public func attribute(_ name: String) -> Attribute? {
    attributes.first { $0.name == name }
  }

  /// The published default; `.none` for an unknown attribute and for one without a default.
  public func defaultValue(_ attribute: String) -> AttributeDefault {
    self.attribute(attribute)?.defaultValue ?? .none
  }

  public func typeConstraint(_ name: String) -> TypeConstraint? {
    typeConstraints.first { $0.name == name }
  }

  /// The formal parameter behind a node's input `index`, a variadic one included; nil past the end.
  public func input(at index: Int) -> FormalParameter? {
    OperatorSchema.parameter(in: inputs, at: index)
  }

  /// The formal parameter behind a node's output `index`, a variadic one included; nil past the end.
  public func output(at index: Int) -> FormalParameter? {
    OperatorSchema.parameter(in: outputs, at: index)
  }

  /// The position of the formal input of this name.
  public func inputIndex(_ name: String) -> Int? {
    inputs.firstIndex { $0.name == name }
  }

  /// The position of the formal output of this name.
  public func outputIndex(_ name: String) -> Int? {
    outputs.firstIndex { $0.name == name }
  }

  private static func parameter(in list: [FormalParameter], at index: Int) -> FormalParameter? {
    if list.indices.contains(index) { return list[index] }
    guard index >= 0, let last = list.last, last.isVariadic else { return nil }
    return last
  }
}

/// The value that an absent attribute stands for.
public enum AttributeDefault: Sendable, Hashable {
  case none
  case int(Int64)
  case float(Float)
  case string(String)
  case ints([Int64])
  case floats([Float])
  case strings([String])
}
