/// What went wrong, and where: file, pass, rule, node, reason. Reaches the user as one line.
public struct CameoError: Error, Sendable, CustomStringConvertible {
  public enum Kind: Sendable, Hashable {
    /// The input breaks the format or the standard.
    case badInput
    /// Valid, but not supported here; the message names operator, domain and version.
    case unsupported
    /// A size passes the memory budget or the address space.
    case limit
    /// A file or library cannot be read, written or loaded.
    case system
    /// The graph invariants do not hold after a pass.
    case invariant
    /// The caller asked for it to stop.
    case cancelled
  }

  public let kind: Kind
  public let reason: String
  /// Outermost first: "file x.onnx", "pass FuseGelu", "node Add_12 (Add)".
  public private(set) var path: [String]

  public init(_ kind: Kind, _ reason: String, path: [String] = []) {
    self.kind = kind
    self.reason = reason
    self.path = path
  }

  /// The same error seen from one level further out. Entries already there are not repeated.
  public func within(_ place: String) -> CameoError {
    var copy = self
    if copy.path.first != place { copy.path.insert(place, at: 0) }
    return copy
  }

  public var description: String {
    let text = path.isEmpty ? reason : path.joined(separator: ": ") + ": " + reason
    // One line whatever a file's own names hold.
    return String(text.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? " " : Character($0) })
  }

  public static func badInput(_ reason: String) -> CameoError { CameoError(.badInput, reason) }
  public static func unsupported(_ reason: String) -> CameoError { CameoError(.unsupported, reason) }
  public static func limit(_ reason: String) -> CameoError { CameoError(.limit, reason) }
  public static func system(_ reason: String) -> CameoError { CameoError(.system, reason) }
}

/// Runs `body`; an error that leaves it says that it happened at `place`.
@inlinable public func within<T>(_ place: @autoclosure () -> String, _ body: () throws -> T) throws -> T {
  do { return try body() } catch let error as CameoError { throw error.within(place()) }
}
