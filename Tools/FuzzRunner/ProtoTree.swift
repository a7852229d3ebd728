/// A parsed protobuf message of ONNX, to change and write again.
struct Message {
  var kind: Kind
  var fields: [Field] = []

  struct Field {
    var number: UInt64
    var content: Content
  }

  enum Content {
    case varint(UInt64)
    case fixed32(UInt32)
    case fixed64(UInt64)
    case text([UInt8])
    /// Tensor contents: never changed where they are weights.
    case data([UInt8])
    case message(Message)
  }

  /// The ONNX messages whose insides are changed; other ones are kept as text.
  enum Kind: Int, CaseIterable {
    case model, graph, node, attribute, tensor, sparse, valueInfo, type, typeTensor, typeSequence, typeMap, shape,
      dimension
    case opset, entry, function

    func inner(_ field: UInt64) -> Kind? {
      switch (self, field) {
      case (.model, 7), (.attribute, 6), (.attribute, 11): .graph
      case (.model, 8), (.function, 9): .opset
      case (.model, 14), (.graph, 16), (.node, 9), (.tensor, 13), (.function, 14), (.valueInfo, 4): .entry
      case (.model, 25): .function
      case (.graph, 1), (.function, 7): .node
      case (.graph, 5), (.attribute, 5), (.attribute, 10), (.sparse, 1), (.sparse, 2): .tensor
      case (.graph, 15), (.attribute, 22): .sparse
      case (.graph, 11), (.graph, 12), (.graph, 13), (.function, 12): .valueInfo
      case (.node, 5), (.function, 11): .attribute
      case (.valueInfo, 2), (.attribute, 14), (.attribute, 15), (.typeSequence, 1), (.typeMap, 2): .type
      case (.type, 1), (.type, 8): .typeTensor
      case (.type, 4), (.type, 9): .typeSequence
      case (.type, 5): .typeMap
      case (.typeTensor, 2): .shape
      case (.shape, 1): .dimension
      default: nil
      }
    }

    func isData(_ field: UInt64) -> Bool { self == .tensor && [4, 5, 6, 7, 9, 10, 11].contains(field) }
  }

  init(_ kind: Kind) { self.kind = kind }

  /// Only for well-formed files: nil elsewhere.
  init?(_ kind: Kind, _ bytes: ArraySlice<UInt8>) {
    self.kind = kind
    var at = bytes.startIndex
    func varint() -> UInt64? {
      var result: UInt64 = 0
      var shift: UInt64 = 0
      while at < bytes.endIndex, shift < 70 {
        let byte = bytes[at]
        at += 1
        result |= UInt64(byte & 0x7f) << shift
        if byte < 0x80 { return result }
        shift += 7
      }
      return nil
    }
    func fixed(_ width: Int) -> UInt64? {
      guard bytes.endIndex - at >= width else { return nil }
      defer { at += width }
      return (0..<width).reduce(0) { $0 | UInt64(bytes[at + $1]) << UInt64(8 * $1) }
    }
    while at < bytes.endIndex {
      guard let tag = varint() else { return nil }
      let number = tag >> 3
      switch tag & 7 {
      case 0:
        guard let value = varint() else { return nil }
        fields.append(Field(number: number, content: .varint(value)))
      case 1:
        guard let value = fixed(8) else { return nil }
        fields.append(Field(number: number, content: .fixed64(value)))
      case 5:
        guard let value = fixed(4) else { return nil }
        fields.append(Field(number: number, content: .fixed32(UInt32(value))))
      case 2:
        guard let length = varint(), length <= UInt64(bytes.endIndex - at) else { return nil }
        let part = bytes[at..<at + Int(length)]
        at += Int(length)
        if let inner = kind.inner(number) {
          guard let message = Message(inner, part) else { return nil }
          fields.append(Field(number: number, content: .message(message)))
        } else {
          fields.append(Field(number: number, content: kind.isData(number) ? .data(Array(part)) : .text(Array(part))))
        }
      default: return nil
      }
    }
  }

  func write(to out: inout [UInt8], weights: inout [Range<Int>]) {
    func varint(_ value: UInt64) {
      var rest = value
      while rest >= 0x80 {
        out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
      }
      out.append(UInt8(rest))
    }
    for field in fields {
      switch field.content {
      case .varint(let value):
        varint(field.number << 3)
        varint(value)
      case .fixed64(let value):
        varint(field.number << 3 | 1)
        for shift in 0..<8 { out.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * shift))) }
      case .fixed32(let value):
        varint(field.number << 3 | 5)
        for shift in 0..<4 { out.append(UInt8(truncatingIfNeeded: value >> UInt32(8 * shift))) }
      case .text(let bytes), .data(let bytes):
        varint(field.number << 3 | 2)
        varint(UInt64(bytes.count))
        if case .data = field.content, bytes.count > Message.weightLimit {
          weights.append(out.count..<out.count + bytes.count)
        }
        out += bytes
      case .message(let inner):
        var part: [UInt8] = []
        var ranges: [Range<Int>] = []
        inner.write(to: &part, weights: &ranges)
        varint(field.number << 3 | 2)
        varint(UInt64(part.count))
        weights += ranges.map { $0.lowerBound + out.count..<$0.upperBound + out.count }
        out += part
      }
    }
  }

  /// Tensor contents above this are weights; below it they are shapes, axes and the like.
  static let weightLimit = 64

  /// Gives `body` every message with those inside it, so that it can change one.
  mutating func visit(_ body: (inout Message) -> Void) {
    body(&self)
    for index in fields.indices {
      if case .message(var inner) = fields[index].content {
        fields[index].content = .varint(0)
        inner.visit(body)
        fields[index].content = .message(inner)
      }
    }
  }

  func count() -> Int {
    fields.reduce(1) { sum, field in
      if case .message(let inner) = field.content { sum + inner.count() } else { sum }
    }
  }
}
