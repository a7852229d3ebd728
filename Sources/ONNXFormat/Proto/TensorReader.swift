import GraphIR
import Tensors

/// A TensorProto with what `Tensor` has no place for.
struct TensorMessage {
  var tensor: Tensor
  var name: String
  var documentation: String
  var metadata: [MetadataEntry]
  var unknown: [UInt8]

  var label: AttributeLabels.TensorLabel {
    var label = AttributeLabels.TensorLabel()
    (label.name, label.documentation, label.metadata, label.unknownFields) = (name, documentation, metadata, unknown)
    return label
  }
}

extension MessageReader {
  /// Tensors smaller than this are copied out of the file, which aligns them.
  private static var copyLimit: Int { 1024 }

  func tensor(_ source: WireReader) throws -> TensorMessage {
    var reader = source
    var dims: [Int64] = []
    var type: DataType?
    var name = ""
    var documentation = ""
    var metadata: [MetadataEntry] = []
    var unknown: [UInt8] = []
    var raw: Range<Int>?
    var isExternal = false
    var external: [MetadataEntry] = []
    // Typed fields are decoded once the type is known.
    var typed = TypedFields()
    let start = reader.position
    while let field = try reader.next() {
      switch field.number {
      case 1: try reader.varints(field, into: &dims)
      case 2: type = try dataType(reader.int32(field))
      case 3: throw CameoError.unsupported("a tensor in segments at byte \(field.tagOffset)")
      case 4: typed.floats.append(try reader.fixedRun(field, width: 4))
      case 5: try reader.varints(field, into: &typed.int32)
      case 6: typed.strings.append(try reader.range(field))
      case 7: try reader.varints(field, into: &typed.int64)
      case 8: name = try reader.string(field)
      case 9: raw = try reader.range(field)
      case 10: typed.doubles.append(try reader.fixedRun(field, width: 8))
      case 11: try reader.varints(field, into: &typed.uint64)
      case 12: documentation = try reader.string(field)
      case 13: external.append(try entry(reader.message(field)))
      case 14: isExternal = try reader.int32(field) == 1
      case 16: metadata.append(try entry(reader.message(field)))
      default: try reader.keep(field, in: &unknown)
      }
    }
    func place() -> String { name.isEmpty ? "tensor at byte \(start)" : "tensor \(name)" }
    let tensor = try within(place()) {
      guard let type else { throw CameoError.badInput("its element type is undefined") }
      guard dims.count <= 1024 else { throw CameoError.limit("it has \(dims.count) dimensions") }
      let shape = dims.map { Int($0) }
      let count = try Tensor.elementCount(shape)
      if isExternal { return try externalTensor(external, type, shape, count) }
      if type == .string {
        guard raw == nil else { throw CameoError.badInput("strings cannot stand in raw_data") }
        return try Tensor(strings: typed.strings.map { reader.text($0) }, shape: shape)
      }
      guard let bytes = type.byteCount(elements: count) else { throw CameoError.limit("its size overflows") }
      if let raw {
        guard raw.count == bytes else {
          throw CameoError.badInput("\(type)\(shape) takes \(bytes) bytes, raw_data has \(raw.count)")
        }
        if bytes < Self.copyLimit {
          return try Tensor.makeRaw(type, shape) { out in out.copyMemory(from: reader.buffer(raw)) }
        }
        return try Tensor(dataType: type, shape: shape, storage: bytesOwner.slice(raw))
      }
      return try typed.tensor(type, shape, count, reader)
    }
    return TensorMessage(tensor: tensor, name: name, documentation: documentation, metadata: metadata, unknown: unknown)
  }

  private func externalTensor(_ entries: [MetadataEntry], _ type: DataType, _ shape: [Int], _ count: Int) throws
    -> Tensor
  {
    guard type != .string, let bytes = type.byteCount(elements: count) else {
      throw CameoError.badInput("a tensor \(type)\(shape) cannot be stored outside")
    }
    func value(_ key: String) -> String? { entries.last { $0.key == key }?.value }
    func number(_ key: String) throws -> Int? {
      guard let text = value(key), !text.isEmpty else { return nil }
      guard let number = Int(text), number >= 0 else {
        throw CameoError.badInput("external data: \(key) \(text) is no byte count")
      }
      return number
    }
    guard let location = value("location"), !location.isEmpty else {
      throw CameoError.badInput("external data without a location")
    }
    let offset = try number("offset") ?? 0
    if let length = try number("length"), length != bytes {
      throw CameoError.badInput("\(type)\(shape) takes \(bytes) bytes, the external data has \(length)")
    }
    let storage = try external.storage(location: location, offset: offset, length: bytes)
    return try Tensor(dataType: type, shape: shape, storage: storage)
  }

  func sparse(_ source: WireReader) throws -> (SparseTensor, TensorMessage) {
    var reader = source
    var values: TensorMessage?
    var indices: Tensor?
    var dims: [Int64] = []
    let start = reader.position
    while let field = try reader.next() {
      switch field.number {
      case 1: values = try tensor(reader.message(field))
      case 2: indices = try tensor(reader.message(field)).tensor
      case 3: try reader.varints(field, into: &dims)
      default: try reader.skip(field)
      }
    }
    let place = values.map { $0.name.isEmpty ? nil : "sparse tensor \($0.name)" } ?? nil
    return try within(place ?? "sparse tensor at byte \(start)") {
      guard let values, let indices else { throw CameoError.badInput("its values or indices are missing") }
      let shape = dims.map { Int($0) }
      let count = try Tensor.elementCount(shape)
      let entries = values.tensor.count
      guard values.tensor.rank == 1, indices.dataType == .int64,
        indices.shape == [entries] || indices.shape == [entries, shape.count]
      else { throw CameoError.badInput("values \(values.tensor) and indices \(indices) do not fit \(shape)") }
      let isLinear = indices.rank == 1
      for (position, index) in try indices.elements(as: Int64.self).enumerated() {
        let bound = isLinear ? count : shape[position % shape.count]
        guard index >= 0, index < bound else { throw CameoError.badInput("index \(index) lies outside \(shape)") }
      }
      return (SparseTensor(values: values.tensor, indices: indices, shape: shape), values)
    }
  }
}

/// The typed data fields of a TensorProto.
struct TypedFields {
  var floats: [Range<Int>] = []
  var doubles: [Range<Int>] = []
  var int32: [Int64] = []
  var int64: [Int64] = []
  var uint64: [Int64] = []
  var strings: [Range<Int>] = []

  func tensor(_ type: DataType, _ shape: [Int], _ count: Int, _ reader: WireReader) throws -> Tensor {
    func check(_ found: Int, _ needed: Int) throws {
      guard found == needed else {
        throw CameoError.badInput("\(type)\(shape) takes \(needed) entries, \(found) are there")
      }
    }
    func runs(_ list: [Range<Int>], width: Int, perElement: Int = 1) throws -> Tensor {
      try check(list.reduce(0) { $0 + $1.count / width }, count * perElement)
      return try Tensor.makeRaw(type, shape) { out in
        var place = 0
        for run in list where !run.isEmpty {
          UnsafeMutableRawBufferPointer(rebasing: out[place..<place + run.count]).copyMemory(from: reader.buffer(run))
          place += run.count
        }
      }
    }
    func integers<T: FixedWidthInteger>(_ list: [Int64], _: T.Type, entries: Int) throws -> Tensor {
      try check(list.count, entries)
      return try Tensor.makeRaw(type, shape) { out in
        for (index, value) in list.enumerated() {
          out.storeBytes(of: T(truncatingIfNeeded: value), toByteOffset: index * MemoryLayout<T>.size, as: T.self)
        }
      }
    }
    switch type {
    case .float: return try runs(floats, width: 4)
    case .complex64: return try runs(floats, width: 4, perElement: 2)
    case .double: return try runs(doubles, width: 8)
    case .complex128: return try runs(doubles, width: 8, perElement: 2)
    case .int64: return try integers(int64, Int64.self, entries: count)
    case .uint64: return try integers(uint64, UInt64.self, entries: count)
    case .uint32: return try integers(uint64, UInt32.self, entries: count)
    case .int32: return try integers(int32, Int32.self, entries: count)
    case .string: throw CameoError.badInput("strings have no numeric field")
    case .float6e2m3, .float6e3m2:
      try check(int32.count, count)
      return try Tensor.makeRaw(type, shape) { out in
        for (index, value) in int32.enumerated() {
          let code = UInt16(truncatingIfNeeded: value) & 0x3f
          let bits = code << UInt16(index * 6 % 8)
          out[index * 6 / 8] |= UInt8(truncatingIfNeeded: bits)
          if bits > 0xff { out[index * 6 / 8 + 1] |= UInt8(bits >> 8) }
        }
      }
    default:
      if type.bitWidth == 16 { return try integers(int32, UInt16.self, entries: count) }
      return try integers(int32, UInt8.self, entries: type.byteCount(elements: count) ?? 0)
    }
  }
}
