import Foundation
import GraphIR
import Operators
import Testing

/// Registered operators, files under Ops/ and published signatures are one set.
@Suite struct RegistryTests {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../Sources/Operators/Ops").standardizedFileURL

  /// The files' names, and how many operators each registers.
  private static func files() throws -> [String: Int] {
    var result: [String: Int] = [:]
    let paths = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
    for case let url as URL in paths where url.pathExtension == "swift" {
      let text = try String(contentsOf: url, encoding: .utf8)
      result[url.deletingPathExtension().lastPathComponent] = text.components(separatedBy: ": RegistryRecord").count - 1
    }
    return result
  }

  /// Files of a target need names of their own: an operator that two domains have says which one it is.
  private static func fileNames(of name: OperatorName) -> [String] {
    [name.name, "Microsoft" + name.name]
  }

  @Test func everyOperatorHasItsFile() throws {
    let files = try Self.files()
    for op in OperatorRegistry.all {
      #expect(Self.fileNames(of: op.name).contains { files[$0] != nil }, "no file for \(op.name)")
    }
  }

  @Test func everyFileHoldsOneOperator() throws {
    let known = Set(OperatorRegistry.all.flatMap { Self.fileNames(of: $0.name) })
    for (file, count) in try Self.files() {
      #expect(known.contains(file), "\(file).swift names no operator")
      // Under its standard and its own domain, where runtimes write both.
      #expect(count == 1 || file == "MicrosoftSimplifiedLayerNormalization" && count == 2, "\(file).swift: \(count)")
    }
  }

  @Test func everySignatureIsImplemented() {
    for key in SchemaRegistry.allKeys {
      let name = OperatorName(key.name, domain: key.domain)
      #expect(OperatorRegistry[name] != nil, "no operator for the signature of \(name)")
    }
  }

  @Test func everyOperatorHasASignature() {
    for op in OperatorRegistry.all {
      #expect(!SchemaRegistry.versions(domain: op.name.domain, name: op.name.name).isEmpty, "\(op.name)")
    }
  }
}
