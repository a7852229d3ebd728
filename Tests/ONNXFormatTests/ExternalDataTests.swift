import Foundation
import GraphIR
import Tensors
import Testing

@testable import ONNXFormat

@Suite struct ExternalDataTests {
  private func model(_ entries: [(String, String)], elements: Int64 = 4) -> [UInt8] {
    let tensor = Proto { tensor in
      tensor.int(1, elements)
      tensor.int(2, 1)
      tensor.text(8, "y")
      for (key, value) in entries {
        tensor.message(13) { entry in
          entry.text(1, key)
          entry.text(2, value)
        }
      }
      tensor.int(14, 1)
    }
    return Proto.model(Proto.graph(nodes: [], inputs: []) { $0.message(5, tensor) })
  }

  private func load(_ folder: TemporaryFolder, _ entries: [(String, String)], elements: Int64 = 4) throws -> Model {
    try folder.write(model(entries, elements: elements), "m.onnx")
    return try ONNXImporter.load(path: folder.file("m.onnx"))
  }

  @Test func offsetsAndLengths() throws {
    let folder = TemporaryFolder()
    try folder.write(
      [UInt8](repeating: 9, count: 64) + [0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64, 0, 0, 128, 64], "w.bin")
    let model = try load(folder, [("location", "w.bin"), ("offset", "64"), ("length", "16"), ("checksum", "x")])
    let tensor = try #require(model.graph.constant(model.graph.outputs[0]))
    #expect(try tensor.elements(as: Float.self) == [1, 2, 3, 4])
    #expect(tensor.storage.mappedFile != nil)
  }

  @Test func filesOutsideAreRefused() throws {
    let outer = TemporaryFolder()
    try outer.write([UInt8](repeating: 0, count: 16), "secret.bin")
    let folder = TemporaryFolder()
    try folder.write([UInt8](repeating: 0, count: 16), "w.bin")
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("link"), withDestinationPath: outer.file("secret.bin"))
    try FileManager.default.createSymbolicLink(atPath: folder.file("dir"), withDestinationPath: outer.path)
    try FileManager.default.createSymbolicLink(atPath: folder.file("inside"), withDestinationPath: folder.file("w.bin"))
    let name = (outer.path as NSString).lastPathComponent
    for location in [
      outer.file("secret.bin"), "../\(name)/secret.bin", "a/../../\(name)/secret.bin", "link", "dir/secret.bin",
      "missing.bin", "",
      ".", "dir",
    ] {
      let error = failure { _ = try load(folder, [("location", location)]) }
      #expect(error != nil, "\(location)")
      #expect(error?.description.contains("tensor y") == true)
    }
    #expect(failure { _ = try load(folder, [("offset", "0")]) } != nil)
    // A link that stays inside is fine.
    _ = try load(folder, [("location", "inside")])
  }

  @Test func shortFilesAndOddNumbersAreRefused() throws {
    let folder = TemporaryFolder()
    try folder.write([UInt8](repeating: 0, count: 20), "w.bin")
    _ = try load(folder, [("location", "w.bin"), ("offset", "4")])
    for (key, value) in [
      ("offset", "5"), ("offset", "-4"), ("offset", "9223372036854775807"), ("offset", "x"), ("length", "12"),
      ("length", "99999999999999999999"),
    ] {
      #expect(failure { _ = try load(folder, [("location", "w.bin"), (key, value)]) } != nil, "\(key) \(value)")
    }
    #expect(failure { _ = try load(folder, [("location", "w.bin")], elements: 1 << 50) } != nil)
  }

  @Test func modelsInMemoryHaveNoFolder() {
    #expect(failure { _ = try ONNXImporter.load(bytes: model([("location", "w.bin")])) }?.kind == .badInput)
  }

  @Test func exportBeside() throws {
    let folder = TemporaryFolder()
    var graph = Graph(name: "g")
    let large = try floats(1 << 19)
    let small = try floats(300)
    let tiny = try floats(3)
    graph.setOutputs(
      [
        graph.addConstant(small, name: "s"), graph.addConstant(large, name: "l"), graph.addConstant(tiny, name: "t"),
        graph.addConstant(large, name: "again"),
      ])
    var model = Model(graph: graph)
    model.opsets = ["": 17]
    var options = ExportOptions()
    options.externalData = .beside
    let summary = try ONNXExporter.save(model, to: folder.file("m.onnx"), options: options)
    #expect(folder.contents == ["m.onnx", "m.onnx.data"])
    // Shared bytes are written once, the large ones at a page.
    #expect(summary.externalByteCount == 4096 + large.byteCount)
    let loaded = try ONNXImporter.load(path: folder.file("m.onnx"))
    for (output, tensor) in zip(loaded.graph.outputs, [small, large, tiny, large]) {
      #expect(loaded.graph.constant(output)?.isIdentical(to: tensor) == true)
    }
    // Over its own files, and inline again.
    try ONNXExporter.save(loaded, to: folder.file("m.onnx"), options: options)
    try ONNXExporter.save(loaded, to: folder.file("inline.onnx"))
    let inline = try ONNXImporter.load(path: folder.file("inline.onnx"))
    #expect(inline.graph.constant(inline.graph.outputs[1])?.isIdentical(to: large) == true)
    #expect(folder.contents == ["inline.onnx", "m.onnx", "m.onnx.data"])
  }
}
