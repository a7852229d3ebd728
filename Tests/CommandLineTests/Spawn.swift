import TestSupport

/// The built `cameo` run as a process of its own.
enum Cameo {
  typealias Result = Command.Result

  static func model(_ name: String) -> String { Repository.models.appending(path: name).path }

  /// A fresh folder; the test removes it.
  static func folder() throws -> String { try temporaryFolder() }

  @discardableResult
  static func run(_ arguments: String...) throws -> Result { try Command.cameo(arguments) }

  @discardableResult
  static func run(_ arguments: [String]) throws -> Result { try Command.cameo(arguments) }
}
