public import GraphIR
public import Tensors

/// Typed access to a node's attributes; an absent one has the newest schema's default.
public struct AttributeReader: Sendable {
  public let node: Node

  public init(_ node: Node) { self.node = node }

  private func published(_ name: String) -> AttributeDefault {
    SchemaRegistry.newest(domain: node.domain, name: node.type)?.defaultValue(name) ?? .none
  }

  private func wrong(_ name: String, _ expected: String) -> CameoError {
    if let value = node[name] {
      return .badInput("attribute \(name) is of kind \(value.kind), \(expected) was expected")
    }
    return .badInput("attribute \(name) is missing")
  }

  public func has(_ name: String) -> Bool { node[name] != nil }

  /// nil where the attribute is absent and has no default.
  public func optionalInt(_ name: String) throws -> Int? {
    switch node[name] {
    case .int(let value): return Int(value)
    case nil:
      if case .int(let value) = published(name) { return Int(value) }
      return nil
    default: throw wrong(name, "an int")
    }
  }

  public func int(_ name: String, default value: Int? = nil) throws -> Int {
    guard let found = try optionalInt(name) ?? value else { throw wrong(name, "an int") }
    return found
  }

  public func bool(_ name: String) throws -> Bool { try int(name, default: 0) != 0 }

  public func optionalFloat(_ name: String) throws -> Float? {
    switch node[name] {
    case .float(let value): return value
    case nil:
      if case .float(let value) = published(name) { return value }
      return nil
    default: throw wrong(name, "a float")
    }
  }

  public func float(_ name: String, default value: Float? = nil) throws -> Float {
    guard let found = try optionalFloat(name) ?? value else { throw wrong(name, "a float") }
    return found
  }

  public func optionalString(_ name: String) throws -> String? {
    switch node[name] {
    case .string(let value): return value
    case .bytes(let bytes): return String(decoding: bytes, as: UTF8.self)
    case nil:
      if case .string(let value) = published(name) { return value }
      return nil
    default: throw wrong(name, "a string")
    }
  }

  public func string(_ name: String, default value: String? = nil) throws -> String {
    guard let found = try optionalString(name) ?? value else { throw wrong(name, "a string") }
    return found
  }

  public func optionalInts(_ name: String) throws -> [Int]? {
    switch node[name] {
    case .ints(let values): return values.map { Int($0) }
    case .floats(let values) where values.isEmpty: return []
    case nil:
      if case .ints(let values) = published(name) { return values.map { Int($0) } }
      return nil
    default: throw wrong(name, "a list of ints")
    }
  }

  public func ints(_ name: String, default value: [Int]? = nil) throws -> [Int] {
    guard let found = try optionalInts(name) ?? value else { throw wrong(name, "a list of ints") }
    return found
  }

  public func optionalFloats(_ name: String) throws -> [Float]? {
    switch node[name] {
    case .floats(let values): return values
    case .ints(let values) where values.isEmpty: return []
    case nil:
      if case .floats(let values) = published(name) { return values }
      return nil
    default: throw wrong(name, "a list of floats")
    }
  }

  public func optionalStrings(_ name: String) throws -> [String]? {
    switch node[name] {
    case .strings(let values): return values
    case .ints(let values) where values.isEmpty: return []
    case nil:
      if case .strings(let values) = published(name) { return values }
      return nil
    default: throw wrong(name, "a list of strings")
    }
  }

  public func tensor(_ name: String) throws -> Tensor? {
    switch node[name] {
    case .tensor(let value): return value
    case nil: return nil
    default: throw wrong(name, "a tensor")
    }
  }

  /// An attribute that holds an element type by its `TensorProto.DataType` number; nil where absent or 0.
  public func dataType(_ name: String) throws -> DataType? {
    guard let raw = try optionalInt(name), raw != 0 else { return nil }
    guard let number = UInt8(exactly: raw), let type = DataType(rawValue: number) else {
      throw CameoError.badInput("attribute \(name) is \(raw), which is the number of no element type")
    }
    return type
  }

  public func region(_ name: String) throws -> RegionID {
    guard case .graph(let region) = node[name] else { throw wrong(name, "a graph") }
    return region
  }
}
