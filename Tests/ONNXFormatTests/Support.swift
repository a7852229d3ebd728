import Foundation
import GraphIR
import Tensors

@testable import ONNXFormat

/// Builds protobuf messages field by field, valid or not.
struct Proto {
  var writer = WireWriter()

  init(_ build: (inout Proto) -> Void = { _ in }) { build(&self) }

  mutating func text(_ field: Int, _ value: String) { writer.string(field, value) }
  mutating func int(_ field: Int, _ value: Int64) { writer.int64(field, value) }
  mutating func message(_ field: Int, _ build: (inout Proto) -> Void) { writer.message(field, Proto(build).writer) }
  mutating func message(_ field: Int, _ inner: Proto) { writer.message(field, inner.writer) }

  var bytes: [UInt8] {
    writer.all.flatMap { piece -> [UInt8] in
      switch piece {
      case .bytes(let bytes): bytes
      case .tensor(let tensor): tensor.withUnsafeBytes { Array($0) }
      }
    }
  }

  static func node(
    _ type: String, _ inputs: [String], _ outputs: [String], name: String = "", _ more: (inout Proto) -> Void = { _ in }
  ) -> Proto {
    Proto { node in
      for input in inputs { node.text(1, input) }
      for output in outputs { node.text(2, output) }
      node.text(3, name)
      node.text(4, type)
      more(&node)
    }
  }

  /// A float tensor; a name that starts with `c` is a condition.
  static func value(_ name: String) -> Proto {
    Proto { value in
      value.text(1, name)
      value.message(2) { type in type.message(1) { $0.int(1, name.hasPrefix("c") ? 9 : 1) } }
    }
  }

  static func graph(
    nodes: [Proto], inputs: [String] = ["x"], outputs: [String] = ["y"], _ more: (inout Proto) -> Void = { _ in }
  ) -> Proto {
    Proto { graph in
      for node in nodes { graph.message(1, node) }
      graph.text(2, "g")
      for input in inputs { graph.message(11, value(input)) }
      for output in outputs { graph.message(12, value(output)) }
      more(&graph)
    }
  }

  static func model(_ graph: Proto, ir: Int64 = 8, opset: Int64 = 17, _ more: (inout Proto) -> Void = { _ in })
    -> [UInt8]
  {
    Proto { model in
      model.int(1, ir)
      model.message(7, graph)
      model.message(8) { $0.int(2, opset) }
      more(&model)
    }.bytes
  }
}

/// A folder that goes with the value.
final class TemporaryFolder {
  let path: String

  init() {
    path = NSTemporaryDirectory() + "cameo-\(UUID().uuidString)"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  func file(_ name: String) -> String { path + "/" + name }
  func write(_ bytes: [UInt8], _ name: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: file(name))) }
  func read(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: file(name)))) }
  var contents: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A generator whose sequence is fixed by its seed.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}

/// The error that `body` throws, as its one line; nil where it throws none.
func failure(_ body: () throws -> Void) -> CameoError? {
  do {
    try body()
    return nil
  } catch { return error as? CameoError }
}

func floats(_ count: Int) throws -> Tensor { try Tensor.of((0..<count).map { Float($0) * 0.5 }, .float) }

extension Model {
  /// The operators of the main graph in order.
  var operators: [String] { graph.nodes.map { graph[$0].operatorName.description } }
}
