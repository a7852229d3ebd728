import Tensors

/// A model in Cameo's one dialect: every node of a standard domain is in the newest version of its operator.
public struct Model: Sendable {
  public var graph: Graph
  public var functions: [Function] = []
  public var irVersion = 10
  /// The source's opsets by domain ("" is the standard domain).
  public var opsets: [String: Int] = [:]
  public var producerName = ""
  public var producerVersion = ""
  public var domain = ""
  public var modelVersion: Int64 = 0
  public var documentation = ""
  public var metadata: [MetadataEntry] = []
  /// The nodes that the file held, in file order; `Origins` index it.
  public var sourceNodes: [SourceNode] = []
  /// Fields that this version does not interpret (training_info, configuration, ...), as protobuf bytes.
  public var unknownFields: [UInt8] = []
  /// The path it was read from, for messages; "" where it was built in memory.
  public var sourcePath = ""
  /// The file itself, which its large tensors point into; nil where it was built in memory.
  public var sourceFile: MappedFile?

  public init(graph: Graph) { self.graph = graph }

  /// The name of a source node; `Add#7` where it has none.
  public func sourceLabel(_ index: UInt32) -> String {
    guard Int(index) < sourceNodes.count else { return "#\(index)" }
    let source = sourceNodes[Int(index)]
    return source.name.isEmpty ? "\(source.operatorName)#\(index)" : source.name
  }

  public func function(_ name: OperatorName, overload: String = "") -> Function? {
    functions.first { $0.operatorName == name && $0.overload == overload }
  }
}

/// One node of the source file, as reports name it.
public struct SourceNode: Hashable, Sendable {
  public let name: String
  public let operatorName: OperatorName

  public init(name: String, operatorName: OperatorName) {
    self.name = name
    self.operatorName = operatorName
  }
}

/// A model-local function. Its body is a graph of its own; formal parameters are the body's inputs and outputs.
public struct Function: Sendable {
  public var operatorName: OperatorName
  public var overload: String
  public var body: Graph
  /// Attribute parameters without default.
  public var attributeNames: [String]
  /// Attribute parameters with their defaults.
  public var attributeDefaults: [NamedAttribute]
  public var opsets: [String: Int]
  public var documentation: String = ""
  public var metadata: [MetadataEntry] = []
  public var unknownFields: [UInt8] = []

  public init(
    _ operatorName: OperatorName, overload: String = "", body: Graph, attributeNames: [String] = [],
    attributeDefaults: [NamedAttribute] = [], opsets: [String: Int] = [:]
  ) {
    self.operatorName = operatorName
    self.overload = overload
    self.body = body
    self.attributeNames = attributeNames
    self.attributeDefaults = attributeDefaults
    self.opsets = opsets
  }
}
