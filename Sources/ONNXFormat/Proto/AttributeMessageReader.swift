import GraphIR
import Tensors

extension MessageReader {
  func attribute(_ source: WireReader) throws -> AttributeMessage {
    var reader = source
    var name = ""
    var documentation = ""
    var reference: String?
    var kind: AttributeKind?
    var presentKind: AttributeKind?
    var float: Float = 0
    var int: Int64 = 0
    var text: Range<Int>?
    var tensor: Tensor?
    var graph: GraphMessage?
    var sparse: SparseTensor?
    var type: ValueType?
    var floats: [Float] = []
    var ints: [Int64] = []
    var strings: [Range<Int>] = []
    var tensors: [Tensor] = []
    var graphs: [GraphMessage] = []
    var sparses: [SparseTensor] = []
    var types: [ValueType] = []
    var denotations: [MetadataEntry] = []
    var labels = AttributeLabels()
    func read(_ field: WireField, _ reader: inout WireReader) throws {
      switch field.number {
      case 1: name = try reader.string(field)
      case 21: reference = try reader.string(field)
      case 13: documentation = try reader.string(field)
      case 20:
        let number = try reader.int32(field)
        if number != 0 {
          guard let raw = UInt8(exactly: number), let known = AttributeKind(rawValue: raw) else {
            throw CameoError.badInput("attribute type \(number) is unknown")
          }
          kind = known
        }
      case 2: (float, presentKind) = (try reader.float(field), .float)
      case 3: (int, presentKind) = (try reader.int64(field), .int)
      case 4: (text, presentKind) = (try reader.range(field), .string)
      case 5:
        let message = try self.tensor(reader.message(field))
        (tensor, presentKind) = (message.tensor, .tensor)
        labels.tensors = [message.label]
      case 6: (graph, presentKind) = (try self.graph(reader.message(field)), .graph)
      case 22:
        let (value, label) = try self.sparse(reader.message(field))
        (sparse, presentKind) = (value, .sparse)
        labels.tensors = [label.label]
      case 14: (type, presentKind) = (try self.type(reader.message(field), metadata: &denotations), .type)
      case 7:
        try reader.floats(field, into: &floats)
        presentKind = .floats
      case 8:
        try reader.varints(field, into: &ints)
        presentKind = .ints
      case 9:
        strings.append(try reader.range(field))
        presentKind = .strings
      case 10:
        let message = try self.tensor(reader.message(field))
        tensors.append(message.tensor)
        labels.tensors.append(message.label)
        presentKind = .tensors
      case 11:
        graphs.append(try self.graph(reader.message(field)))
        presentKind = .graphs
      case 23:
        let (value, label) = try self.sparse(reader.message(field))
        sparses.append(value)
        labels.tensors.append(label.label)
        presentKind = .sparses
      case 15:
        types.append(try self.type(reader.message(field), metadata: &denotations) ?? .tensor(nil, nil))
        presentKind = .types
      default: try reader.keep(field, in: &labels.unknownFields)
      }
    }
    while let field = try reader.next() {
      try within(name.isEmpty ? "an attribute" : "attribute \(name)") { try read(field, &reader) }
    }
    guard !name.isEmpty else { throw source.malformed("an attribute without a name", at: source.position) }
    if labels.tensors.allSatisfy(\.isEmpty) { labels.tensors = [] }
    let stated = labels == AttributeLabels() ? nil : labels
    func message(_ content: AttributeMessage.Content) -> AttributeMessage {
      AttributeMessage(name: name, documentation: documentation, content: content, labels: stated)
    }
    func message(_ value: Attribute) -> AttributeMessage { message(.plain(value)) }
    guard let kind = kind ?? presentKind else { throw CameoError.badInput("attribute \(name) has no type") }
    if let reference, !reference.isEmpty { return message(.reference(reference, kind)) }
    func missing() -> CameoError { CameoError.badInput("attribute \(name) has no value") }
    switch kind {
    case .float: return message(.float(float))
    case .int: return message(.int(int))
    case .string:
      guard let text else { return message(.string("")) }
      return message(string(reader.buffer(text)))
    case .tensor:
      guard let tensor else { throw missing() }
      return message(.tensor(tensor))
    case .graph:
      guard let graph else { throw missing() }
      return message(AttributeMessage.Content.graph(graph))
    case .sparse:
      guard let sparse else { throw missing() }
      return message(.sparse(sparse))
    case .type:
      guard let type else { throw missing() }
      return message(.type(type))
    case .floats: return message(.floats(floats))
    case .ints: return message(.ints(ints))
    case .strings: return message(.strings(strings.map { reader.text($0) }))
    case .tensors: return message(.tensors(tensors))
    case .graphs: return message(AttributeMessage.Content.graphs(graphs))
    case .sparses: return message(.sparses(sparses))
    case .types: return message(.types(types))
    }
  }

  private func string(_ bytes: UnsafeRawBufferPointer) -> Attribute {
    if let text = String(validating: bytes, as: UTF8.self) { return .string(text) }
    return .bytes(Array(bytes))
  }
}
