import Tensors

/// The value of a node's attribute.
public indirect enum Attribute: Sendable {
  case int(Int64)
  case float(Float)
  case string(String)
  /// A string attribute that is not UTF-8.
  case bytes([UInt8])
  case tensor(Tensor)
  case sparse(SparseTensor)
  case graph(RegionID)
  case type(ValueType)
  case ints([Int64])
  case floats([Float])
  case strings([String])
  case tensors([Tensor])
  case sparses([SparseTensor])
  case graphs([RegionID])
  case types([ValueType])
  /// Inside a function body: the attribute of the call named so.
  case reference(String, AttributeKind)

  public var kind: AttributeKind {
    switch self {
    case .int: .int
    case .float: .float
    case .string, .bytes: .string
    case .tensor: .tensor
    case .sparse: .sparse
    case .graph: .graph
    case .type: .type
    case .ints: .ints
    case .floats: .floats
    case .strings: .strings
    case .tensors: .tensors
    case .sparses: .sparses
    case .graphs: .graphs
    case .types: .types
    case .reference(_, let kind): kind
    }
  }

  /// True where the attribute owns a region.
  public var ownsRegions: Bool {
    switch self {
    case .graph: true
    case .graphs(let regions): !regions.isEmpty
    default: false
    }
  }

  /// The regions that this attribute owns.
  public var regions: [RegionID] {
    switch self {
    case .graph(let region): [region]
    case .graphs(let regions): regions
    default: []
    }
  }

  /// Equality by value; graphs are equal only to themselves. Floats compare by bits.
  public func isIdentical(to other: Attribute) -> Bool {
    switch (self, other) {
    case (.int(let a), .int(let b)): a == b
    case (.float(let a), .float(let b)): a.bitPattern == b.bitPattern
    case (.string(let a), .string(let b)): a == b
    case (.bytes(let a), .bytes(let b)): a == b
    case (.tensor(let a), .tensor(let b)): a.isIdentical(to: b)
    case (.graph(let a), .graph(let b)): a == b
    case (.type(let a), .type(let b)): a == b
    case (.ints(let a), .ints(let b)): a == b
    case (.floats(let a), .floats(let b)): a.map(\.bitPattern) == b.map(\.bitPattern)
    case (.strings(let a), .strings(let b)): a == b
    case (.types(let a), .types(let b)): a == b
    case (.tensors(let a), .tensors(let b)): a.count == b.count && zip(a, b).allSatisfy { $0.isIdentical(to: $1) }
    case (.reference(let a, let x), .reference(let b, let y)): a == b && x == y
    default: false
    }
  }
}

/// Raw values are those of `AttributeProto.AttributeType`.
public enum AttributeKind: UInt8, Sendable {
  case float = 1
  case int, string, tensor, graph, floats, ints, strings, tensors, graphs, sparse, sparses, type, types
}

/// An attribute with its name.
public struct NamedAttribute: Sendable {
  public var name: String
  public var value: Attribute
  public var documentation: String
  /// What the file says beside the value; nil where it says nothing.
  public var labels: AttributeLabels?

  public init(_ name: String, _ value: Attribute, documentation: String = "", labels: AttributeLabels? = nil) {
    self.name = name
    self.value = value
    self.documentation = documentation
    self.labels = labels
  }
}

/// What stands beside an attribute's value in its file and does not change what it means. It lives as long as the value.
public struct AttributeLabels: Sendable, Equatable {
  /// A tensor's name, text and metadata.
  public struct TensorLabel: Sendable, Equatable {
    public var name = ""
    public var documentation = ""
    public var metadata: [MetadataEntry] = []
    /// Protobuf fields that this version of Cameo does not know, as bytes.
    public var unknownFields: [UInt8] = []

    public init() {}
    public var isEmpty: Bool { self == TensorLabel() }
  }

  /// One an element of the tensors or sparse tensors (a sparse one's label is that of its values), in order; or none.
  public var tensors: [TensorLabel] = []
  /// Protobuf fields of the attribute that this version of Cameo does not know, as bytes.
  public var unknownFields: [UInt8] = []

  public init() {}
}

/// A key and a text, as in `metadata_props`.
public struct MetadataEntry: Hashable, Sendable {
  public var key: String
  public var value: String
  public init(key: String, value: String) {
    self.key = key
    self.value = value
  }
}
