/// Index of a node in its graph's arena. Stable until `Graph.compact()`.
public struct NodeID: Hashable, Sendable, Comparable {
  public let index: Int32
  public init(_ index: Int) { self.index = Int32(truncatingIfNeeded: index) }
  public static func < (a: NodeID, b: NodeID) -> Bool { a.index < b.index }
}

/// Index of a value (an edge: graph input, initializer or node output) in its graph's arena.
public struct ValueID: Hashable, Sendable, Comparable {
  public let index: Int32
  public init(_ index: Int) { self.index = Int32(truncatingIfNeeded: index) }
  public static func < (a: ValueID, b: ValueID) -> Bool { a.index < b.index }
}

/// Index of a region: the main graph (0) or the body of a control-flow attribute.
public struct RegionID: Hashable, Sendable {
  public let index: Int32
  public init(_ index: Int) { self.index = Int32(truncatingIfNeeded: index) }
  public static let main = RegionID(0)
}

extension NodeID: CustomStringConvertible { public var description: String { "n\(index)" } }
extension ValueID: CustomStringConvertible { public var description: String { "v\(index)" } }

/// Domain and name of an operator. The standard domain is spelled "".
public struct OperatorName: Hashable, Sendable, CustomStringConvertible {
  public let domain: String
  public let name: String
  /// A checksum of both, the same for equal names: passes look names up for every node.
  public let key: UInt64

  public init(_ name: String, domain: String = "") {
    self.domain = domain == "ai.onnx" ? "" : domain
    self.name = name
    // FNV-1a.
    var key: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { key = (key ^ UInt64(byte)) &* 0x100_0000_01b3 }
    for byte in self.domain.utf8 { key = (key ^ UInt64(byte | 0x80)) &* 0x100_0000_01b3 }
    self.key = key
  }

  public static func == (a: OperatorName, b: OperatorName) -> Bool {
    a.key == b.key && a.name == b.name && a.domain == b.domain
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(key) }

  public var description: String { domain.isEmpty ? name : "\(domain).\(name)" }
}

/// Who reads a value.
public enum Use: Hashable, Sendable {
  /// Input `index` of a node.
  case node(NodeID, Int)
  /// Output `index` of a region.
  case output(RegionID, Int)
}

/// The source nodes that a node stands for: sorted indices into `Model.sourceNodes`.
public struct Origins: Hashable, Sendable {
  public private(set) var indices: [UInt32]
  public init(_ indices: [UInt32] = []) { self.indices = indices.sorted() }

  public mutating func formUnion(_ other: Origins) {
    if other.indices.isEmpty || other == self { return }
    if indices.isEmpty { self = other; return }
    indices = Array(Set(indices).union(other.indices)).sorted()
  }

  public func union(_ other: Origins) -> Origins {
    var copy = self
    copy.formUnion(other)
    return copy
  }

  public var isEmpty: Bool { indices.isEmpty }
}
