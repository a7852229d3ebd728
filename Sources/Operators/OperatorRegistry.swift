internal import CRegistry
public import GraphIR
import Tensors

/// What a file under Ops/ leaves in the section `cameo_operators` (see CRegistry.h).
public typealias RegistryRecord = (UInt64, @convention(c) (UnsafeMutableRawPointer) -> Void)

/// Every operator that this image defines, and those that plugins add.
public enum OperatorRegistry {
  private final class Collector {
    var operators: [any Operator] = []
  }

  private static let builtIn: [OperatorName: any Operator] = {
    let collector = Collector()
    withExtendedLifetime(collector) {
      cameo_registry_walk(0, Unmanaged.passUnretained(collector).toOpaque())
    }
    var table: [OperatorName: any Operator] = [:]
    for op in collector.operators {
      precondition(table.updateValue(op, forKey: op.name) == nil, "operator \(op.name) is registered twice")
    }
    return table
  }()

  private static let added = Mutex<[OperatorName: any Operator]>([:])

  /// Called by registrations during the walk.
  public static func submit(_ op: any Operator, to context: UnsafeMutableRawPointer) {
    Unmanaged<Collector>.fromOpaque(context).takeUnretainedValue().operators.append(op)
  }

  /// The operator of that name, if it is defined.
  public static subscript(name: OperatorName) -> (any Operator)? {
    if let op = builtIn[name] { return op }
    return added.withLock { $0[name] }
  }

  /// The signatures that built-in operators state themselves.
  static var builtInSignatures: [StaticString] {
    builtIn.values.compactMap(\.signature)
  }

  /// Adds a plugin's operator, and its signature. Throws where the name is taken or the signature is malformed.
  public static func add(_ op: any Operator) throws { try add([Addition(op)]) }

  /// An operator that a plugin adds, with the signature that it states itself or that was made at run time.
  public struct Addition: Sendable {
    public let op: any Operator
    let signature: SchemaSource?

    public init(_ op: any Operator) {
      self.op = op
      signature = op.signature.map { SchemaSource($0) }
    }

    /// The signature's bytes are kept for the rest of the process.
    public init(_ op: any Operator, signature: String?) {
      self.op = op
      self.signature = signature.map { SchemaSource(keeping: $0) }
    }
  }

  /// Adds all of them or, where one of the names is taken or a signature is malformed, throws and adds none.
  public static func add(_ additions: [Addition]) throws {
    try added.withLock { table in
      var extended = table
      for addition in additions {
        let name = addition.op.name
        guard builtIn[name] == nil else { throw CameoError.badInput("operator \(name) is built in") }
        guard extended.updateValue(addition.op, forKey: name) == nil else {
          throw CameoError.badInput("operator \(name) is already registered")
        }
      }
      try SchemaRegistry.add(additions.compactMap { addition in addition.signature.map { ($0, addition.op.name) } })
      table = extended
    }
  }

  /// All of them, sorted by domain and name.
  public static var all: [any Operator] {
    let extra = added.withLock { Array($0.values) }
    return (Array(builtIn.values) + extra).sorted {
      ($0.name.domain, $0.name.name) < ($1.name.domain, $1.name.name)
    }
  }
}
