import Foundation

/// A process run to its end.
public enum Command {
  public struct Result: Sendable {
    /// The exit code; 128 and the signal's number where a signal ended it.
    public let status: Int32
    public let output: String
    public let error: String

    /// The one JSON document on standard output.
    public func json() throws -> [String: Any] {
      try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any] ?? [:]
    }
  }

  /// The built `cameo`.
  @discardableResult
  public static func cameo(_ arguments: String...) throws -> Result { try cameo(arguments) }

  @discardableResult
  public static func cameo(_ arguments: [String]) throws -> Result {
    try run([try Repository.product("cameo").path] + arguments)
  }

  @discardableResult
  public static func run(_ arguments: String...) throws -> Result { try run(arguments) }

  /// Runs the program at the path `arguments[0]` with the others; nothing to read on its standard input.
  @discardableResult
  public static func run(_ arguments: [String]) throws -> Result {
    try withFolder { folder in
      let process = Process()
      process.executableURL = URL(fileURLWithPath: arguments[0])
      process.arguments = Array(arguments.dropFirst())
      // Files, not pipes: a long output cannot block the process.
      func file(_ name: String) throws -> FileHandle {
        _ = FileManager.default.createFile(atPath: "\(folder)/\(name)", contents: nil)
        return try FileHandle(forWritingTo: URL(fileURLWithPath: "\(folder)/\(name)"))
      }
      process.standardOutput = try file("out")
      process.standardError = try file("err")
      process.standardInput = FileHandle.nullDevice
      try process.run()
      process.waitUntilExit()
      func text(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")), as: UTF8.self)
      }
      let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
      return Result(status: status, output: try text("out"), error: try text("err"))
    }
  }
}

/// A fresh folder for the time of `body`.
public func withFolder<R>(_ body: (String) throws -> R) throws -> R {
  let path = try temporaryFolder()
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try body(path)
}

/// A fresh folder; who asks for it removes it.
public func temporaryFolder() throws -> String {
  let path = NSTemporaryDirectory() + "cameo-test-\(UInt64.random(in: 0...UInt64.max))"
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  return path
}
