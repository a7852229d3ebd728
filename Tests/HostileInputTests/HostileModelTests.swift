import CPUProvider
import Cameo
import Foundation
import InferenceRuntime
import ONNXFormat
import PassKit
import Tensors
import TestSupport
import Testing

/// One way in which a file can be bad.
struct Hostile: CustomTestStringConvertible, Sendable {
  let name: String
  let bytes: [UInt8]
  /// What the message must name.
  var names: [String] = []
  /// Loads and optimizes; only running it fails.
  var onlyRunning = false
  var testDescription: String { name }

  static let all: [Hostile] = {
    let x = [Wire.value("x")]
    let y = [Wire.value("y")]
    let relu = Wire.node("Relu", ["x"], ["y"], name: "act")
    let good = Wire.model(Wire.graph(nodes: [relu], inputs: x, outputs: y))
    func model(_ nodes: [Wire], _ initializers: [Wire] = []) -> [UInt8] {
      Wire.model(Wire.graph(nodes: nodes, inputs: x, outputs: y, initializers: initializers))
    }
    let add = Wire.node("Add", ["x", "w"], ["y"], name: "sum")
    var deep = Wire.graph(nodes: [relu], outputs: y)
    for _ in 0..<400 {
      deep = Wire.graph(
        nodes: [
          Wire.node(
            "If", ["c"], ["y"], name: "branch",
            attributes: [
              Wire {
                $0.text(1, "then_branch"); $0.message(6, deep); $0.int(20, 5)
              }
            ])
        ], outputs: y)
    }
    var random: UInt64 = 7
    let noise = (0..<4096).map { _ -> UInt8 in
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: random >> 33)
    }
    let reshape = Wire.node("Reshape", ["x", "s"], ["y"], name: "bend")
    let expand = Wire.node("Expand", ["x", "s"], ["y"], name: "grow")
    let fill = Wire.node("ConstantOfShape", ["s"], ["y"], name: "fill")
    func shape(_ values: [Int64]) -> [Wire] { [Wire.tensor("s", 7, [Int64(values.count)], raw: Wire.int64s(values))] }
    return [
      Hostile(name: "empty", bytes: []),
      Hostile(name: "random", bytes: noise, names: ["byte"]),
      Hostile(name: "truncated", bytes: Array(good.dropLast(9)), names: ["byte"]),
      Hostile(name: "text", bytes: Array("this is no model\n".utf8)),
      Hostile(
        name: "cycle",
        bytes: model([
          Wire.node("Add", ["x", "b"], ["a"], name: "one"), Wire.node("Relu", ["a"], ["b"], name: "two"),
          Wire.node("Relu", ["b"], ["y"]),
        ]),
        names: ["cycle"]),
      Hostile(name: "own input", bytes: model([Wire.node("Add", ["x", "y"], ["y"], name: "self")]), names: ["self"]),
      Hostile(name: "missing initializer", bytes: model([add]), names: ["sum", "w"]),
      Hostile(name: "missing output", bytes: model([Wire.node("Relu", ["x"], ["z"])]), names: ["y"]),
      Hostile(
        name: "wrong type", bytes: model([add], [Wire.tensor("w", 7, [2], raw: Wire.int64s([1, 2]))]), names: ["sum"]),
      Hostile(
        name: "unknown type", bytes: model([add], [Wire.tensor("w", 99, [2], raw: [0, 0])]), names: ["w", "99"]),
      Hostile(name: "too few bytes", bytes: model([add], [Wire.tensor("w", 1, [2], raw: [0, 0, 0, 0])]), names: ["w"]),
      Hostile(name: "negative dimension", bytes: model([add], [Wire.tensor("w", 1, [-2], raw: [])]), names: ["w"]),
      Hostile(
        name: "overflowing shape", bytes: model([add], [Wire.tensor("w", 1, [1 << 40, 1 << 40], raw: [])]), names: ["w"]
      ),
      Hostile(
        name: "duplicate names", bytes: model([relu, Wire.node("Abs", ["x"], ["y"], name: "again")]), names: ["y"]),
      Hostile(
        name: "duplicate initializers",
        bytes: model(
          [add], [Wire.tensor("w", 1, [1], raw: [0, 0, 0, 0]), Wire.tensor("w", 1, [1], raw: [0, 0, 0, 0])]),
        names: ["w"]),
      Hostile(
        name: "more outputs than the operator has",
        bytes: Wire.model(
          opset: 11,
          Wire.graph(
            nodes: [Wire.node("Softmax", ["x"], ["a", "b"], name: "soft"), Wire.node("Add", ["a", "b"], ["y"])],
            inputs: [Wire.value("x", 1, [2, 3, 4])], outputs: y)), names: ["soft"]),
      Hostile(name: "deep nesting", bytes: Wire.model(deep), names: ["deep"]),
      Hostile(
        name: "newer IR", bytes: Wire.model(ir: 99, Wire.graph(nodes: [relu], inputs: x, outputs: y)), names: ["99"]),
      Hostile(
        name: "newer opset", bytes: Wire.model(opset: 99, Wire.graph(nodes: [relu], inputs: x, outputs: y)),
        names: ["99"]),
      Hostile(
        name: "line break in a name", bytes: model([Wire.node("Add", ["x", "w\nv"], ["y"], name: "two\nlines")]),
        names: ["two"]),
      Hostile(
        name: "external data missing", bytes: model([add], [Wire.external("w", "nowhere.bin")]), names: ["nowhere.bin"]),
      Hostile(
        name: "external data short", bytes: model([add], [Wire.external("w", "short.bin")]), names: ["short.bin"]),
      Hostile(
        name: "external data above", bytes: model([add], [Wire.external("w", "../outside.bin")]), names: ["outside.bin"]
      ),
      Hostile(
        name: "external data absolute", bytes: model([add], [Wire.external("w", "/etc/passwd")]), names: ["/etc/passwd"]
      ),
      Hostile(
        name: "external data by symlink", bytes: model([add], [Wire.external("w", "link.bin")]), names: ["link.bin"]),
      Hostile(
        name: "external offset overflows",
        bytes: model([add], [Wire.external("w", "short.bin", offset: "9223372036854775807")]),
        names: ["short.bin"]),
      Hostile(
        name: "unknown operator", bytes: model([Wire.node("Mystery", ["x"], ["y"], name: "what", domain: "nobody")]),
        names: ["what", "Mystery"], onlyRunning: true),
      Hostile(
        name: "reshape to nothing fitting", bytes: model([reshape], shape([3, 5])), names: ["bend"], onlyRunning: true),
      Hostile(
        name: "reshape overflows", bytes: model([reshape], shape([.max, .max])), names: ["bend"], onlyRunning: true),
      Hostile(
        name: "past the memory budget", bytes: model([fill], shape([1 << 40])), names: ["fill"], onlyRunning: true),
      Hostile(
        name: "expand overflows", bytes: model([expand], shape([1 << 62, 4, 2])), names: ["grow"], onlyRunning: true),
    ]
  }()
}

@Suite struct HostileModelTests {
  /// A folder of its own with what the external-data cases point at.
  private func folder(_ body: (URL) throws -> Void) throws {
    let top = FileManager.default.temporaryDirectory.appending(path: "cameo-hostile-\(UUID().uuidString)")
    let folder = top.appending(path: "model")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: top) }
    try Data(count: 64).write(to: top.appending(path: "outside.bin"))
    try Data(count: 4).write(to: folder.appending(path: "short.bin"))
    try FileManager.default.createSymbolicLink(
      at: folder.appending(path: "link.bin"), withDestinationURL: top.appending(path: "outside.bin"))
    try body(folder)
  }

  @Test(arguments: Hostile.all) func throwsOneLine(_ hostile: Hostile) throws {
    try folder { folder in
      let path = folder.appending(path: "bad.onnx").path
      try Data(hostile.bytes).write(to: URL(fileURLWithPath: path))
      do {
        let source = try ONNXImporter.load(path: path)
        var model = source
        do {
          var options = OptimizationOptions()
          options.level = 2
          model = try Optimizer(options: options, verification: nil).optimize(source).model
        } catch let error as CameoError where !hostile.onlyRunning { throw error }
        _ = try Session(model, providers: [CPUProvider()]).run(["x": try .of([Float(1), 2], .float)])
        Issue.record("\(hostile.name) ran")
      } catch let error as CameoError {
        let text = error.description
        print("\(hostile.name): \(text)")
        #expect(!text.contains("\n") && !text.isEmpty)
        for name in hostile.names { #expect(text.contains(name), "\(text)") }
      }
    }
  }

  @Test(arguments: Hostile.all) func commandRefuses(_ hostile: Hostile) throws {
    try folder { folder in
      let model = folder.appending(path: "bad.onnx")
      let output = folder.appending(path: "out.onnx")
      try Data(hostile.bytes).write(to: model)
      try Data("before".utf8).write(to: output)
      let arguments =
        hostile.onlyRunning ? ["run", model.path, "--input", "x=ones:2"] : ["optimize", model.path, "-o", output.path]
      let result = try Command.cameo(arguments)
      let text = result.error
      #expect(result.status == 2, "\(arguments): \(result.status) \(text)")
      let lines = text.split(separator: "\n")
      #expect(lines.last?.hasPrefix("cameo: error: ") == true, "\(text)")
      #expect(lines.last?.contains("bad.onnx") == true, "\(text)")
      for name in hostile.names { #expect(text.contains(name), "\(text)") }
      #expect(try Data(contentsOf: output) == Data("before".utf8))
      let left = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
      #expect(left == ["bad.onnx", "link.bin", "out.onnx", "short.bin"])
    }
  }
}
