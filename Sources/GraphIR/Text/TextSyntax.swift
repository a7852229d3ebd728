import Tensors

// The syntax tree of ONNX text: what was written, names unresolved. `TextParser` makes it, `TextBuilder` gives it meaning;
// PassKit's rule language reads the same pieces. Offsets are bytes in the text: `TextScanner.location(of:)`.

/// One dimension in a type.
public enum DimSyntax: Hashable, Sendable {
  case integer(Int)
  /// An identifier or a quoted expression such as `"N + 1"`.
  case name(String)
  /// `?`
  case unknown
}

/// A type. Shape nil is unknown rank (`float[]`), an empty one a scalar (`float`).
public indirect enum TypeSyntax: Hashable, Sendable {
  case tensor(DataType?, [DimSyntax]?)
  case sparse(DataType?, [DimSyntax]?)
  case sequence(TypeSyntax)
  case optional(TypeSyntax)
  case map(DataType, TypeSyntax)
  case opaque(domain: String, name: String)
}

/// An element of a tensor, or a plain operand.
public enum LiteralSyntax: Hashable, Sendable {
  case number(NumberSyntax)
  case string(String, offset: Int)
}

/// `float[2] {1, 2}`; `int64[] {1, 2, 3}` takes its length from its elements.
public struct TensorSyntax: Hashable, Sendable {
  public var type: TypeSyntax
  public var elements: [LiteralSyntax]
  public var offset: Int

  public init(type: TypeSyntax, elements: [LiteralSyntax], offset: Int = 0) {
    self.type = type
    self.elements = elements
    self.offset = offset
  }
}

/// `sparse_tensor(float[3, 3]) {float[2] {1, 2}, int64[2] {0, 4}}`: values, then indices. Not in the standard's text.
public struct SparseSyntax: Hashable, Sendable {
  public var type: TypeSyntax
  public var values: TensorSyntax
  public var indices: TensorSyntax
  public var offset: Int

  public init(type: TypeSyntax, values: TensorSyntax, indices: TensorSyntax, offset: Int = 0) {
    self.type = type
    self.values = values
    self.indices = indices
    self.offset = offset
  }
}

/// The value of an attribute.
public indirect enum AttributeValueSyntax: Hashable, Sendable {
  case number(NumberSyntax)
  case string(String)
  /// `hex "80ff"`: a string that is not UTF-8. Not in the standard's text.
  case bytes([UInt8])
  case tensor(TensorSyntax)
  case sparse(SparseSyntax)
  case type(TypeSyntax)
  case graph(GraphSyntax)
  case list([AttributeValueSyntax])
  /// `@name`: an attribute of the function around it.
  case reference(String)
  /// `$name`: for rules.
  case variable(String)
  /// A bare word: for rules.
  case identifier(String)
}

/// `name = value` or `name: kind = value`.
public struct AttributeSyntax: Hashable, Sendable {
  public var name: String
  public var annotation: AttributeKind?
  public var value: AttributeValueSyntax
  public var offset: Int

  public init(_ name: String, annotation: AttributeKind? = nil, _ value: AttributeValueSyntax, offset: Int = 0) {
    self.name = name
    self.annotation = annotation
    self.value = value
    self.offset = offset
  }
}

/// An operand of a call.
public indirect enum OperandSyntax: Hashable, Sendable {
  /// Left out: `""`, or nothing before a comma.
  case omitted(offset: Int)
  case name(String, offset: Int)
  /// `$name`: for rules.
  case variable(String, offset: Int)
  /// A number or string: for rules.
  case literal(LiteralSyntax)
  /// `float[2] {1, 2}`: for rules.
  case tensor(TensorSyntax)
  /// `Add(Mul(a, b), c)`: for rules.
  case call(CallSyntax)
}

/// `com.microsoft.Op:overload <attributes> (operands)`.
public struct CallSyntax: Hashable, Sendable {
  public var operatorName: OperatorName
  public var overload: String
  public var attributes: [AttributeSyntax]
  public var inputs: [OperandSyntax]
  public var offset: Int

  public init(
    _ operatorName: OperatorName, overload: String = "", attributes: [AttributeSyntax] = [], inputs: [OperandSyntax],
    offset: Int = 0
  ) {
    self.operatorName = operatorName
    self.overload = overload
    self.attributes = attributes
    self.inputs = inputs
    self.offset = offset
  }
}

/// A value's name where it is defined; "" is an output left out.
public struct NameSyntax: Hashable, Sendable {
  public var text: String
  public var offset: Int

  public init(_ text: String, offset: Int = 0) {
    self.text = text
    self.offset = offset
  }
}

/// `[label] y, z = Op(x)`.
public struct StatementSyntax: Hashable, Sendable {
  public var label: String
  public var outputs: [NameSyntax]
  public var call: CallSyntax
  public var offset: Int

  public init(label: String = "", outputs: [NameSyntax], call: CallSyntax, offset: Int = 0) {
    self.label = label
    self.outputs = outputs
    self.call = call
    self.offset = offset
  }
}

/// `float[N] x`, `float[2] w = {1, 2}` or `x`: an input, an output, an initializer or a value's type.
public struct ParameterSyntax: Hashable, Sendable {
  public var type: TypeSyntax?
  public var name: String
  public var value: TensorSyntax?
  public var offset: Int

  public init(type: TypeSyntax?, name: String, value: TensorSyntax? = nil, offset: Int = 0) {
    self.type = type
    self.name = name
    self.value = value
    self.offset = offset
  }
}

/// `name (inputs) => (outputs) <declarations> {statements}`.
public struct GraphSyntax: Hashable, Sendable {
  public var name: String
  public var inputs: [ParameterSyntax]
  public var outputs: [ParameterSyntax]
  public var declarations: [ParameterSyntax]
  public var statements: [StatementSyntax]
  public var offset: Int
}

/// An entry of a header: `opset_import: ["" : 24]`.
public enum HeaderValueSyntax: Hashable, Sendable {
  case integer(Int64)
  case string(String)
  case opsets([String: Int])
  case metadata([MetadataEntry])
}

/// The part between `<` and `>` before a model or function.
public struct HeaderSyntax: Hashable, Sendable {
  public var entries: [String: HeaderValueSyntax] = [:]

  func string(_ key: String) -> String? {
    if case .string(let text)? = entries[key] { return text }
    return nil
  }

  func integer(_ key: String) -> Int64? {
    if case .integer(let value)? = entries[key] { return value }
    return nil
  }

  var opsets: [String: Int]? {
    if case .opsets(let opsets)? = entries["opset_import"] { return opsets }
    return nil
  }

  var metadata: [MetadataEntry] {
    if case .metadata(let entries)? = entries["metadata_props"] { return entries }
    return []
  }
}

/// `<header> name <attributes> (inputs) => (outputs) <types> {statements}`.
public struct FunctionSyntax: Hashable, Sendable {
  public var header: HeaderSyntax
  /// Attribute parameters without default.
  public var attributeNames: [String]
  public var attributeDefaults: [AttributeSyntax]
  public var body: GraphSyntax
}

/// `<header> graph function ...`.
public struct ModelSyntax: Hashable, Sendable {
  public var header: HeaderSyntax
  public var graph: GraphSyntax
  public var functions: [FunctionSyntax]
}
