import GraphIR
import Tensors

/// Every operator signature, by (domain, name, since_version): the onnx package's table, and what operators of other
/// domains state themselves (`Operator.signature`), plugins' operators included.
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
    find(domain, name) { catalog, versions in
      versions.last { $0.since <= opset }.map { catalog.read($0.entry) }
    } ?? nil
  }

  /// The record of exactly this since_version.
  public static func schema(_ key: Key) -> OperatorSchema? {
    find(key.domain, key.name) { catalog, versions in
      versions.first { $0.since == key.sinceVersion }.map { catalog.read($0.entry) }
    } ?? nil
  }

  /// The newest signature of an operator.
  public static func newest(domain: String, name: String) -> OperatorSchema? {
    schema(domain: domain, name: name, opset: .max)
  }

  /// The since_versions of an operator, ascending; empty where it is unknown. Reads no record.
  public static func versions(domain: String, name: String) -> [Int] {
    find(domain, name) { _, versions in versions.map(\.since) } ?? []
  }

  /// The since_version that holds at `opset`. Reads no record.
  public static func sinceVersion(domain: String, name: String, opset: Int) -> Int? {
    find(domain, name) { _, versions in versions.last { $0.since <= opset }?.since } ?? nil
  }

  /// Every record's key, by domain, name and version.
  public static var allKeys: [Key] {
    catalogs.flatMap { catalog in
      catalog.index.operators.flatMap { op, versions in
        versions.map { Key(domain: op.domain, name: op.name, sinceVersion: $0.since) }
      }
    }.sorted { ($0.domain, $0.name, $0.sinceVersion) < ($1.domain, $1.name, $1.sinceVersion) }
  }

  /// Every record, in the order of `allKeys`. Reads the whole table.
  public static var all: [OperatorSchema] {
    allKeys.compactMap(schema)
  }

  /// The newest opset of a domain; nil where no signature belongs to it.
  public static func latestOpset(of domain: String) -> Int? {
    let domain = canonicalDomain(domain)
    return catalogs.compactMap { $0.index.latestOpset[domain] }.max()
  }

  /// Adds the signatures of plugins' operators, all or none. Throws where a text is malformed or an operator has one already.
  static func add(_ signatures: [(SchemaSource, OperatorName)]) throws {
    let catalogs = try signatures.map { signature, name in
      let index = try readIndex(of: signature, for: name)
      guard Array(index.operators.keys) == [Operator(domain: canonicalDomain(name.domain), name: name.name)]
      else { throw CameoError.badInput("operator \(name): its signature is not of this operator alone") }
      guard versions(domain: name.domain, name: name.name).isEmpty else {
        throw CameoError.badInput("operator \(name) has a signature already")
      }
      return Catalog(index)
    }
    added.withLock { $0 += catalogs }
  }

  private static func readIndex(of signature: SchemaSource, for name: OperatorName) throws -> Index {
    func reason() -> any Error { CameoError.badInput("operator \(name): its signature is malformed") }
    guard let index = try? Index([signature]) else { throw reason() }
    for table in index.tables {
      for record in table.records where (try? table.schema(record)) == nil { throw reason() }
    }
    return index
  }

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

    init(_ texts: [SchemaSource]) throws(SchemaText.Malformed) {
      operators.reserveCapacity(512)
      for (number, text) in texts.enumerated() {
        let table = try SchemaText(text)
        tables.append(table)
        for domain in table.domains {
          latestOpset[domain.name] = max(domain.latestOpset, latestOpset[domain.name] ?? 0)
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

  /// Tables with the records that were read from them.
  private final class Catalog: Sendable {
    let index: Index
    private let cache: Mutex<[OperatorSchema?]>

    init(_ index: Index) {
      self.index = index
      cache = Mutex(Array(repeating: nil, count: index.count))
    }

    /// The record, from the cache or read now. Two threads may read one record at once; the first to finish is kept.
    func read(_ entry: Entry) -> OperatorSchema {
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
        // Built-in tables: a test reads every record. A plugin's is read once when it is added.
        fatalError("\(error)")
      }
    }
  }

  private static let builtIn: Catalog = {
    do {
      return Catalog(try Index(([onnxSchemaTable] + OperatorRegistry.builtInSignatures).map { SchemaSource($0) }))
    } catch {
      fatalError("\(error)")
    }
  }()

  private static let added = Mutex<[Catalog]>([])

  private static var catalogs: [Catalog] { [builtIn] + added.withLock { $0 } }

  private static func find<R>(
    _ domain: String, _ name: String, _ body: (Catalog, [(since: Int, entry: Entry)]) -> R
  ) -> R? {
    let op = Operator(domain: canonicalDomain(domain), name: name)
    if let versions = builtIn.index.operators[op] { return body(builtIn, versions) }
    for catalog in added.withLock({ $0 }) {
      if let versions = catalog.index.operators[op] { return body(catalog, versions) }
    }
    return nil
  }
}
