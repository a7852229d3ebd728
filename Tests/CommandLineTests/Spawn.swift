import Foundation

/// The built `cameo` run as a process of its own.
enum Cameo {
  struct Result {
    let status: Int32
    let output: String
    let error: String

    /// The one JSON document on standard output.
    func json() throws -> [String: Any] {
      try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any] ?? [:]
    }
  }

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static func model(_ name: String) -> String { "\(root)/Models/\(name)" }

  /// Beside the test bundle, where the build puts all products.
  static let binary: String = {
    var folder =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    while folder.count > 1 {
      folder = (folder as NSString).deletingLastPathComponent
      if FileManager.default.isExecutableFile(atPath: folder + "/cameo") { return folder + "/cameo" }
    }
    return "\(root)/.build/debug/cameo"
  }()

  /// A fresh folder; the test removes it.
  static func folder() throws -> String {
    let path = NSTemporaryDirectory() + "cameo-test-\(UInt64.random(in: 0...UInt64.max))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  @discardableResult
  static func run(_ arguments: String...) throws -> Result { try run(arguments) }

  @discardableResult
  static func run(_ arguments: [String]) throws -> Result {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: binary)
    process.arguments = arguments
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    // Files, not pipes: a long output cannot block the process.
    func handle(_ name: String) throws -> FileHandle {
      _ = FileManager.default.createFile(atPath: "\(folder)/\(name)", contents: nil)
      return try FileHandle(forWritingTo: URL(fileURLWithPath: "\(folder)/\(name)"))
    }
    process.standardOutput = try handle("out")
    process.standardError = try handle("err")
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    func text(_ name: String) throws -> String {
      String(decoding: try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")), as: UTF8.self)
    }
    return Result(status: process.terminationStatus, output: try text("out"), error: try text("err"))
  }
}
