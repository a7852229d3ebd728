import GraphIR
import Tensors

/// The messages of onnx.proto (onnx 1.23, IR 14) between the wire and the graph: names are not resolved yet. Fields that are
/// not listed are kept as bytes in `unknown`.

struct ModelMessage {
  var irVersion: Int64?
  var opsets: [(domain: String, version: Int64)] = []
  var producerName = ""
  var producerVersion = ""
  var domain = ""
  var modelVersion: Int64 = 0
  var documentation = ""
  var graph: GraphMessage?
  var metadata: [MetadataEntry] = []
  var functions: [FunctionMessage] = []
  var unknown: [UInt8] = []
}

struct GraphMessage {
  var name = ""
  var nodes: [NodeMessage] = []
  var initializers: [InitializerMessage] = []
  var documentation = ""
  var inputs: [ValueMessage] = []
  var outputs: [ValueMessage] = []
  var values: [ValueMessage] = []
  var metadata: [MetadataEntry] = []
  var unknown: [UInt8] = []
}

struct InitializerMessage {
  var name: String
  var value: Value
  var documentation: String
  var metadata: [MetadataEntry]
  var unknown: [UInt8]
}

struct NodeMessage {
  var inputs: [String] = []
  var outputs: [String] = []
  var name = ""
  var type = ""
  var domain = ""
  var overload = ""
  var attributes: [AttributeMessage] = []
  var documentation = ""
  var metadata: [MetadataEntry] = []
  var unknown: [UInt8] = []

  /// How messages name it.
  var description: String {
    let operatorName = OperatorName(type, domain: domain)
    if !name.isEmpty { return "node \(name) (\(operatorName))" }
    return "node with output \(outputs.first ?? "?") (\(operatorName))"
  }
}

struct AttributeMessage {
  enum Content {
    case plain(Attribute)
    case graph(GraphMessage)
    case graphs([GraphMessage])
  }

  var name: String
  var documentation: String
  var content: Content
  var labels: AttributeLabels?
}

struct ValueMessage {
  var name = ""
  var type: ValueType?
  var documentation = ""
  var metadata: [MetadataEntry] = []
  var unknown: [UInt8] = []
}

struct FunctionMessage {
  var name = ""
  var domain = ""
  var overload = ""
  var inputs: [String] = []
  var outputs: [String] = []
  var attributeNames: [String] = []
  var attributeDefaults: [AttributeMessage] = []
  var opsets: [(domain: String, version: Int64)] = []
  var nodes: [NodeMessage] = []
  var values: [ValueMessage] = []
  var documentation = ""
  var metadata: [MetadataEntry] = []
  var unknown: [UInt8] = []
}

/// Keys of `ValueInfo.metadata` that hold what `TypeProto` says beyond `ValueType`; written back to their own fields.
enum DenotationKey {
  static let prefix = "cameo.denotation"
  static let type = "cameo.denotation"
  static func dimension(_ index: Int) -> String { "cameo.denotation.\(index)" }
  static func dimension(of key: String) -> Int? {
    guard key.hasPrefix(prefix + ".") else { return nil }
    return Int(key.dropFirst(prefix.count + 1))
  }
}

/// Names of dimensions that a file leaves open: `d0_u3`. Written back as unnamed; the spelling is one that shape inference
/// takes for generated.
enum UnnamedDimension {
  static func symbol(_ number: Int) -> Dim { .symbol("d0_u\(number)") }

  /// True for these and for the names that shape inference makes up (`d12_1`).
  static func isGenerated(_ name: String) -> Bool {
    guard name.utf8.first == UInt8(ascii: "d"), let underscore = name.utf8.firstIndex(of: UInt8(ascii: "_")) else {
      return false
    }
    let digits = name.utf8[name.utf8.index(after: name.utf8.startIndex)..<underscore]
    return !digits.isEmpty && digits.allSatisfy { $0 >= 48 && $0 <= 57 }
  }
}
