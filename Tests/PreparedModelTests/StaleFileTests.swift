import Foundation
import TestSupport
import Testing

@testable import Cameo
@testable import InferenceRuntime

/// A file of packed weights that does not belong to model, machine or build is told in one line; results are those of the model.
@Suite struct StaleFileTests {
  /// Prepares the product, lets `change` work on the folder, and expects the model to run without the file.
  private func expectUnused(
    _ reason: String, sourceLocation: SourceLocation = #_sourceLocation, _ change: (_ path: String) throws -> Void
  ) throws {
    try withFolder { folder in
      let path = try Sample.prepare(Sample.product, in: folder)
      try change(path)
      let file = try PreparedFile(contentsOf: path)
      #expect(!file.isReady && file.packs == nil, sourceLocation: sourceLocation)
      let note = try #require(file.note, sourceLocation: sourceLocation)
      #expect(note.contains(reason), "\(note)", sourceLocation: sourceLocation)
      #expect(!note.contains("\n") && note.contains("m.onnx.packed"), "\(note)", sourceLocation: sourceLocation)
      // The model as it stands in the file now, by the portable evaluation.
      let model = try Model(contentsOf: path)
      let inputs = try Sample.inputs(model)
      let expected = try Session(model, providers: [ReferenceProvider()]).run(values: inputs)
      let found = try Session(path: path).run(values: inputs)
      for (name, value) in found {
        #expect(
          Closeness.between(try #require(expected[name]), value).maxRel < 1e-4, sourceLocation: sourceLocation)
      }
    }
  }

  private func edit(_ path: String, _ change: (inout PackHead) -> Void) throws {
    var bytes = try Sample.read(path + ".packed")
    var head = try bytes.withUnsafeBytes { try PackHead($0) }
    let size = head.encoded().count
    change(&head)
    let fresh = head.encoded()
    #expect(fresh.count == size)
    bytes.replaceSubrange(0..<size, with: fresh)
    try Sample.write(bytes, path + ".packed")
  }

  @Test func aMissingFileIsTold() throws {
    try expectUnused("cannot open") { try FileManager.default.removeItem(atPath: $0 + ".packed") }
  }

  @Test func changedWeightsAreTold() throws {
    // The first bytes, the last, and some in the middle of the largest weight.
    for place in [0, 0.5, 1.0] {
      try expectUnused("the model has changed") { path in
        let model = try Model(contentsOf: path)
        let file = try #require(model.sourceFile)
        let weight = try #require(
          model.graph.allValues.compactMap { model.graph[$0].constantTensor }.max { $0.byteCount < $1.byteCount })
        let start = weight.baseAddress - file.base
        let index = start + min(weight.byteCount - 1, Int(place * Double(weight.byteCount)) & ~3)
        var bytes = try Sample.read(path)
        bytes[index] ^= 0x40
        try Sample.write(bytes, path)
      }
    }
  }

  @Test func aChangedGraphIsTold() throws {
    try expectUnused("the model has changed") { path in
      var model = try Model(contentsOf: path)
      model.producerName = "someone else"
      try model.write(to: path)
    }
    // The same bytes at other places.
    try expectUnused("the model has changed") { path in
      var model = try Model(contentsOf: path)
      model.documentation = "longer"
      try model.write(to: path)
    }
  }

  @Test func anotherModelsWeightsAreTold() throws {
    try expectUnused("the model has changed") { path in
      try withFolder { folder in
        let text = Sample.product.replacingOccurrences(of: "Sigmoid", with: "Tanh")
        let other = try Sample.prepare(text, in: folder)
        try Sample.write(try Sample.read(other + ".packed"), path + ".packed")
      }
    }
  }

  @Test func anotherVersionAndAnotherMachineAreTold() throws {
    try expectUnused("made by version 9.9.9") { try edit($0) { $0.version = "9.9.9" } }
    try expectUnused("it was made for") { path in
      try edit(path) { head in
        let packing = head.providers[0].packing
        head.providers[0].packing = String(packing.reversed())
      }
    }
  }

  @Test func optimizingAgainForgetsThatItWasPrepared() throws {
    try withFolder { folder in
      let path = try Sample.prepare(Sample.product, in: folder)
      let model = try Model(contentsOf: path).optimized(level: 1).model
      try model.write(to: path)
      let file = try PreparedFile(contentsOf: path)
      #expect(!file.isReady && file.note == nil)
    }
  }
}
