import GraphIR
import Tensors

/// What an operator worked out from its attributes, kept from run to run: ensembles and vocabularies are large, and the
/// attributes of a node do not change under it.
///
/// A node is known again by the memory of its attributes' arrays. An entry keeps those arrays alive, so an address stands for
/// one content only. The few entries that were used last are kept.
final class MLPlanCache<Plan: Sendable>: Sendable {
  private struct Entry {
    let attributes: [NamedAttribute]
    let variant: DataType
    let plan: Plan
  }

  private static var limit: Int { 4 }
  private let entries = Mutex<[Entry]>([])

  /// The plan of a node whose attributes stand in the same memory, for the same `variant` (an element type); else the one
  /// that `make` gives. O(attributes) where it is known. Safe on many threads.
  func plan(for node: Node, variant: DataType = .float, make: () throws -> Plan) rethrows -> Plan {
    let known = entries.withLock { entries -> Plan? in
      guard
        let index = entries.firstIndex(where: { $0.variant == variant && Self.isSame($0.attributes, node.attributes) })
      else { return nil }
      if index > 0 { entries.insert(entries.remove(at: index), at: 0) }
      return entries[0].plan
    }
    if let known { return known }
    let plan = try make()
    entries.withLock { entries in
      if entries.count >= Self.limit { entries.removeLast() }
      entries.insert(Entry(attributes: node.attributes, variant: variant, plan: plan), at: 0)
    }
    return plan
  }

  private static func isSame(_ a: [NamedAttribute], _ b: [NamedAttribute]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0.name == $1.name && isSame($0.value, $1.value) }
  }

  private static func isSame(_ a: Attribute, _ b: Attribute) -> Bool {
    switch (a, b) {
    case (.int(let a), .int(let b)): a == b
    case (.float(let a), .float(let b)): a.bitPattern == b.bitPattern
    case (.string(let a), .string(let b)): a == b
    case (.ints(let a), .ints(let b)): isSame(a, b)
    case (.floats(let a), .floats(let b)): isSame(a, b)
    case (.strings(let a), .strings(let b)): isSame(a, b)
    case (.tensor(let a), .tensor(let b)):
      a.dataType == b.dataType && a.shape == b.shape && a.byteOffset == b.byteOffset && a.storage === b.storage
        && isSame(a.strings, b.strings)
    default: false
    }
  }

  private static func isSame<T>(_ a: [T], _ b: [T]) -> Bool {
    a.count == b.count
      && (a.isEmpty || a.withUnsafeBufferPointer { $0.baseAddress } == b.withUnsafeBufferPointer { $0.baseAddress })
  }
}
