import Foundation
import TestSupport
import Testing

/// The plugins that the tests load, compiled beside the test bundle as docs/plugins.md says; kept while nothing they depend on
/// is newer.
enum Libraries {
  /// Where the build puts all products: `cameo`, the tests and Modules/.
  static let products = Repository.products.path
  static let examples = Repository.root.path + "/Passes/Examples"
  static let fixtures = Repository.root.path + "/Tests/PluginTests/Fixtures"
  private static let tool = Repository.root.path + "/Tools/build-plugin"
  private static let folder = products + "/plugin-tests"

  static let fuseClip = Result { try library("FuseClip", examples + "/FuseClip.swift") }
  static let softThreshold = Result { try library("SoftThreshold", examples + "/SoftThreshold.swift") }
  static let reluFromMax = Result { try library("relu_from_max", examples + "/relu_from_max.c") }
  static let hypot = Result { try library("hypot", examples + "/hypot.c") }
  static let faulty = Result { try library("Faulty", fixtures + "/Faulty.swift") }
  static let checks = Result { try library("checks", fixtures + "/checks.c") }

  /// The first Swift code of docs/plugins.md.
  static let tutorial = Result {
    let text = try String(contentsOfFile: Repository.root.path + "/docs/plugins.md", encoding: .utf8)
    let code = text.components(separatedBy: "```swift\n").dropFirst().first?.components(separatedBy: "```").first ?? ""
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let source = folder + "/Tutorial.swift"
    if (try? String(contentsOfFile: source, encoding: .utf8)) != code {
      try code.write(toFile: source, atomically: true, encoding: .utf8)
    }
    return try library("Tutorial", source)
  }

  private static func library(_ name: String, _ source: String) throws -> String {
    let path = "\(folder)/lib\(name).so"
    let modules = products + "/Modules/PassKit.swiftmodule"
    let header = Repository.root.path + "/Sources/CPlugin/include/cameo_plugin.h"
    if let built = date(path), [source, modules, header, tool].allSatisfy({ date($0).map { $0 < built } ?? true }) {
      return path
    }
    let result = try Command.run(tool, source, "-o", path, "--build", products)
    guard result.status == 0 else { throw Failure(text: "\(source): \(result.error)\(result.output)") }
    return path
  }

  private static func date(_ path: String) -> Date? {
    (try? FileManager.default.attributesOfItem(atPath: path))?[.modificationDate] as? Date
  }

  /// A variant of Fixtures/entries.c in `folder`.
  static func entry(_ variant: String, in folder: String) throws -> String {
    let path = "\(folder)/lib\(variant).so"
    let result = try Command.run(
      "/usr/bin/env", "CFLAGS=-DVARIANT=\(variant)", tool, fixtures + "/entries.c", "-o", path)
    guard result.status == 0 else { throw Failure(text: result.error) }
    return path
  }
}

struct Failure: Error, CustomStringConvertible {
  let text: String
  var description: String { text }
}
