import Synchronization

/// Every published operator signature, by (domain, name, since_version): the onnx table and the contributed one.
///
/// The tables are text in the binary. The first use walks them once to find the records; a record is read when it is
/// first asked for and kept. All of it may be used on many threads at once. "ai.onnx" and "" are one domain, spelled "".
public enum SchemaRegistry {
  /// What names one record.
  public struct Key: Sendable, Hashable {
    public var domain: String
    public var name: String
    public var sinceVersion: Int
  }

  /// "" for "ai.onnx", any other domain as it is.
  public static func canonicalDomain(_ domain: String) -> String {
    domain == "ai.onnx" ? "" : domain
  }

  /// The signature that holds at `opset`: the newest whose since_version is not above it.
  ///
  /// nil where the operator is unknown or came later. A withdrawn operator gives its deprecated record.
  /// Amortized O(1).
  public static func schema(domain: String, name: String, opset: Int) -> OperatorSchema? {
    guard let versions = index.operators[Operator(domain: canonicalDomain(domain), name: name)],
      let found = versions.last(where: { $0.since <= opset })
    else { return nil }
    return read(found.entry)
  }

  /// The record of exactly this since_version.
  public static func schema(_ key: Key) -> OperatorSchema? {
    guard let versions = index.operators[Operator(domain: canonicalDomain(key.domain), name: key.name)],
      let found = versions.first(where: { $0.since == key.sinceVersion })
    else { return nil }
    return read(found.entry)
  }

  /// The newest signature of an operator.
  public static func newest(domain: String, name: String) -> OperatorSchema? {
    schema(domain: domain, name: name, opset: .max)
  }

  /// The since_versions of an operator, ascending; empty where it is unknown. Reads no record.
  public static func versions(domain: String, name: String) -> [Int] {
    index.operators[Operator(domain: canonicalDomain(domain), name: name)]?.map(\.since) ?? []
  }

  /// The since_version that holds at `opset`. Reads no record.
  public static func sinceVersion(domain: String, name: String, opset: Int) -> Int? {
    index.operators[Operator(domain: canonicalDomain(domain), name: name)]?.last { $0.since <= opset }?.since
  }

  /// Every record's key, by domain, name and version.
  public static var allKeys: [Key] {
    index.operators
      .flatMap { op, versions in versions.map { Key(domain: op.domain, name: op.name, sinceVersion: $0.since) } }
      .sorted { ($0.domain, $0.name, $0.sinceVersion) < ($1.domain, $1.name, $1.sinceVersion) }
  }

  /// Every record, in the order of `allKeys`. Reads the whole table.
  public static var all: [OperatorSchema] {
    allKeys.compactMap(schema)
  }

  /// The newest opset of each domain that the tables describe.
  public static let latestOpset: [String: Int] = index.latestOpset

  private struct Operator: Hashable {
    var domain: String
    var name: String
  }

  /// Where a record lies: in which table, at which place of its record list.
  private struct Entry {
    var table: Int
    var record: Int
    /// The place in the cache.
    var slot: Int
  }

  private struct Index: Sendable {
    var tables: [SchemaText] = []
    /// Versions ascend.
    var operators: [Operator: [(since: Int, entry: Entry)]] = [:]
    var latestOpset: [String: Int] = [:]
    var count = 0

    init(_ texts: [StaticString]) throws(SchemaText.Malformed) {
      operators.reserveCapacity(512)
      for (number, text) in texts.enumerated() {
        let table = try SchemaText(text)
        tables.append(table)
        for domain in table.domains {
          guard latestOpset.updateValue(domain.latestOpset, forKey: domain.name) == nil else {
            throw SchemaText.Malformed(line: "D \(domain.name)", reason: "a second line of this domain")
          }
        }
        try add(table, number)
      }
    }

    /// Records of one operator that follow each other are entered together: a hash an operator, not one a record.
    private mutating func add(_ table: SchemaText, _ number: Int) throws(SchemaText.Malformed) {
      var place = 0
      while place < table.records.count {
        let first = table.records[place]
        let op = Operator(domain: table.domains[first.domain].name, name: table.string(first.name))
        var versions = operators.removeValue(forKey: op) ?? []
        while place < table.records.count, table.sameOperator(table.records[place], first) {
          let record = table.records[place]
          if versions.contains(where: { $0.since == record.since }) {
            throw table.malformed(record.span, "a second record of this version")
          }
          let entry = Entry(table: number, record: place, slot: count)
          let position = versions.firstIndex { $0.since > record.since } ?? versions.endIndex
          versions.insert((since: record.since, entry: entry), at: position)
          count += 1
          place += 1
        }
        operators[op] = versions
      }
    }
  }

  private static let index: Index = {
    do {
      return try Index([onnxSchemaTable, contribSchemaTable])
    } catch {
      fatalError("\(error)")
    }
  }()

  private static let cache = Mutex<[OperatorSchema?]>(Array(repeating: nil, count: index.count))

  /// The record, from the cache or read now. Two threads may read one record at once; the first to finish is kept.
  private static func read(_ entry: Entry) -> OperatorSchema {
    if let known = cache.withLock({ $0[entry.slot] }) { return known }
    let table = index.tables[entry.table]
    do {
      let schema = try table.schema(table.records[entry.record])
      return cache.withLock { slots in
        if let first = slots[entry.slot] { return first }
        slots[entry.slot] = schema
        return schema
      }
    } catch {
      // The tables are part of the build, and a test reads every record.
      fatalError("\(error)")
    }
  }
}
