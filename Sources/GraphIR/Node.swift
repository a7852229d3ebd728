import Tensors

/// One call of an operator or function. Read it freely; only `Graph`'s editing methods change it.
public struct Node: Sendable {
  public internal(set) var operatorName: OperatorName
  /// Which of several functions of one name is meant; "" for operators.
  public var overload: String
  /// A label for people. Nothing depends on it.
  public var name: String
  public var documentation: String
  /// nil where an optional input is left out.
  public internal(set) var inputs: [ValueID?]
  /// nil where an optional output is left out.
  public internal(set) var outputs: [ValueID?]
  public internal(set) var attributes: [NamedAttribute]
  public internal(set) var region: RegionID
  public var metadata: [MetadataEntry]
  public var origins: Origins
  /// How the node stood in its file, where import changed it and no pass has touched it since.
  public internal(set) var sourceForm: SourceForm?
  /// Protobuf fields of the node that this version of Cameo does not know, as bytes.
  public var unknownFields: [UInt8]
  var useSlots: [Int32] = []
  public internal(set) var isAlive = true

  public var domain: String { operatorName.domain }
  public var type: String { operatorName.name }

  /// The attribute of that name.
  public subscript(attribute: String) -> Attribute? {
    for entry in attributes where entry.name == attribute { return entry.value }
    return nil
  }

  /// Input `index`, or nil where it is left out or beyond the end.
  public func input(_ index: Int) -> ValueID? { index < inputs.count ? inputs[index] : nil }
  public func output(_ index: Int) -> ValueID? { index < outputs.count ? outputs[index] : nil }

  public func `is`(_ type: String, domain: String = "") -> Bool {
    operatorName.name == type && operatorName.domain == domain
  }

  /// A copy, outside any graph, whose attribute of that name has another value.
  public func with(_ name: String, _ value: Attribute) -> Node {
    var copy = self
    for index in copy.attributes.indices where copy.attributes[index].name == name {
      copy.attributes[index].value = value
    }
    return copy
  }

  /// The regions of its attributes, in order.
  public var regions: [RegionID] {
    ownsRegions ? attributes.flatMap { $0.value.regions } : []
  }

  /// True where an attribute is a graph.
  public var ownsRegions: Bool {
    for index in attributes.indices where attributes[index].value.ownsRegions { return true }
    return false
  }
}

/// A node as its file wrote it: valid while the node is untouched and the output opset is the source's.
public struct SourceForm: Sendable {
  public let operatorName: OperatorName
  public let attributes: [NamedAttribute]
  public let inputs: [ValueID?]
  public let outputs: [ValueID?]
  /// The opset of the node's domain that this form belongs to.
  public let opset: Int

  public init(
    operatorName: OperatorName, attributes: [NamedAttribute], inputs: [ValueID?], outputs: [ValueID?], opset: Int
  ) {
    self.operatorName = operatorName
    self.attributes = attributes
    self.inputs = inputs
    self.outputs = outputs
    self.opset = opset
  }
}

/// An edge: a region's input, a node's output or a constant. One producer, any number of uses.
public struct ValueInfo: Sendable {
  public enum Producer: Hashable, Sendable {
    case none
    case node(NodeID, Int)
    case regionInput(RegionID, Int)
  }

  /// Where a constant stood in the file.
  public enum ConstantForm: Sendable {
    case initializer
    /// A Constant node: its name, the attribute that held the value ("value", "value_int", ...) and its labels.
    case node(name: String, attribute: String, labels: AttributeLabels? = nil)
  }

  /// A label; unique in its scope again at export.
  public var name: String
  public var type: ValueType?
  public internal(set) var producer: Producer
  public internal(set) var region: RegionID
  /// The value where it is fixed: an initializer or a folded Constant. A region input may carry one as its default.
  public internal(set) var constant: Value?
  public var constantForm: ConstantForm = .initializer
  public var documentation: String = ""
  public var metadata: [MetadataEntry] = []
  /// Nodes folded into this constant. Empty for others.
  public var origins = Origins()
  public internal(set) var uses: [Use] = []
  public var unknownFields: [UInt8] = []
  public internal(set) var isAlive = true

  /// True where the value is the same in every run.
  public var isConstant: Bool { constant != nil && producer == .none }
  public var constantTensor: Tensor? { isConstant ? constant?.tensor : nil }
}

/// The main graph or a control-flow body: inputs, outputs, nodes in a topological order.
///
/// All regions of a graph share its arenas, so a body names outer values directly and their use lists see it.
public struct Region: Sendable {
  public var name: String
  public internal(set) var inputs: [ValueID]
  public internal(set) var outputs: [ValueID]
  /// In order; may hold dead ids between edits: read `Graph.nodes(in:)`.
  var nodes: [NodeID]
  /// The node whose attribute holds this region; nil for the main one.
  public internal(set) var parent: NodeID?
  public var documentation: String = ""
  public var metadata: [MetadataEntry] = []
  public var unknownFields: [UInt8] = []
  var outputSlots: [Int32] = []
  var deadNodes = 0
  public internal(set) var isAlive = true
}
