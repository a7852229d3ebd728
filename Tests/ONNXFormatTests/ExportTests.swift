import Foundation
import GraphIR
import Tensors
import Testing

@testable import ONNXFormat

@Suite struct ExportTests {
  private func chain(_ opset: Int = 17) throws -> Model {
    var graph = Graph(name: "g")
    let x = graph.addValue(name: "x", type: .tensor(.float, [2, 3]))
    graph.addInput(x)
    let w = graph.addConstant(try floats(3), name: "w")
    let h = graph.addValue(name: "h")
    let y = graph.addValue(name: "y", type: .tensor(.float, [2, 3]))
    graph.addNode(OperatorName("Add"), name: "add", inputs: [x, w], outputs: [h])
    graph.addNode(OperatorName("Neg"), name: "neg", inputs: [h], outputs: [y])
    graph.setOutputs([y])
    var model = Model(graph: graph)
    model.opsets = ["": opset]
    return model
  }

  private func reload(_ model: Model, _ options: ExportOptions = ExportOptions()) throws -> Model {
    try ONNXImporter.load(bytes: ONNXExporter.serialize(model, options: options))
  }

  @Test func namesAreMadeUnique() throws {
    var model = try chain()
    for id in model.graph.allValues where !model.graph.inputs.contains(id) && !model.graph.outputs.contains(id) {
      model.graph.setName("x", of: id)
    }
    let loaded = try reload(model)
    #expect(loaded.operators == ["Add", "Neg"])
    #expect(loaded.graph[loaded.graph.inputs[0]].name == "x" && loaded.graph[loaded.graph.outputs[0]].name == "y")
    try loaded.graph.verify()
  }

  @Test func emptyNamesGetOne() throws {
    var model = try chain()
    for id in model.graph.allValues { model.graph.setName("", of: id) }
    try reload(model).graph.verify()
  }

  @Test func irVersionIsTheLowestThatServes() throws {
    func version(_ model: Model, _ opset: Int? = nil) throws -> Int {
      try reload(model, ExportOptions(opset: opset)).irVersion
    }
    var model = try chain(17)
    model.irVersion = 3
    #expect(try version(model) == 4)
    model.irVersion = 9
    #expect(try version(model) == 9)
    #expect(try version(model, 13) == 7)
    #expect(try version(model, 24) == 12)
    let int4 = model.graph.addConstant(try Tensor.makeRaw(.int4, [2]) { _ in }, name: "q")
    model.graph.setOutputs(model.graph.outputs + [int4])
    #expect(try version(model) == 10)
  }

  @Test func versionsThatAreUnknownAreRefused() throws {
    let model = try chain()
    for opset in [0, 29, -1] {
      #expect(
        failure { _ = try ONNXExporter.serialize(model, options: ExportOptions(opset: opset)) }?.kind == .unsupported)
    }
  }

  private func appending(_ type: String, to model: Model) -> Model {
    var model = model
    let z = model.graph.addValue(name: "z")
    _ = model.graph.addNode(OperatorName(type), name: "g", inputs: [model.graph.outputs[0]], outputs: [z])
    model.graph.setOutputs([z])
    return model
  }

  @Test func anOperatorThatCameLaterRaisesTheOpset() throws {
    #expect(try reload(appending("Gelu", to: chain(17))).opsets[""] == 20)
    let model = appending("BitCast", to: try chain(17))
    let error = failure { _ = try ONNXExporter.serialize(model, options: ExportOptions(opset: 19)) }
    #expect(error?.kind == .unsupported)
    for part in ["node g", "BitCast", "19"] { #expect(error?.description.contains(part) == true) }
  }

  @Test func anOperatorThatTheAskedOpsetLacksBecomesItsFunctionBody() throws {
    let model = appending("Gelu", to: try chain(17))
    let lowered = try ONNXExporter.lowered(model, options: ExportOptions(opset: 19))
    let types = Set(lowered.graph.allNodes.map { lowered.graph[$0].type })
    #expect(types.contains("Erf") && !types.contains("Gelu"))
  }

  /// SwiGLU came with opset 28, further than the opset rises unasked; the Swish in its body with 24.
  @Test func anOperatorBeyondTheLimitBecomesItsFunctionBody() throws {
    var model = try chain(17)
    let z = model.graph.addValue(name: "z")
    let x = model.graph.outputs[0]
    _ = model.graph.addNode(OperatorName("SwiGLU"), name: "g", inputs: [x, x], outputs: [z])
    model.graph.setOutputs([z])
    let written = try reload(model)
    #expect(written.opsets[""] == ONNXExporter.defaultOpsetLimit)
    let types = Set(written.graph.allNodes.map { written.graph[$0].type })
    #expect(types.isSuperset(of: ["Swish", "Mul"]) && !types.contains("SwiGLU"))
    var options = ExportOptions()
    options.opsetLimit = 28
    #expect(try reload(model, options).operators.contains("SwiGLU"))
  }

  /// ONNX Runtime refuses a file in which two nodes have one name.
  @Test func nodeNamesAreUniqueInTheFile() throws {
    var model = appending("Neg", to: appending("Abs", to: try chain(17)))
    for id in model.graph.allNodes { model.graph.modify(id) { $0.name = "same" } }
    let names = try reload(model).graph
    #expect(Set(names.allNodes.map { names[$0].name }).count == names.allNodes.count)
    #expect(names[names.nodes[0]].name == "same")
  }

  @Test func untouchedNodesKeepTheirSourceForm() throws {
    // ReduceSum of opset 11 has its axes as an attribute, Softmax flattens.
    let reduce = Proto.node("ReduceSum", ["x"], ["h"]) { node in
      node.message(5) { attribute in
        attribute.text(1, "axes")
        attribute.int(8, 1)
        attribute.int(20, 7)
      }
      node.message(5) { attribute in
        attribute.text(1, "keepdims")
        attribute.int(3, 0)
        attribute.int(20, 2)
      }
    }
    let bytes = Proto.model(Proto.graph(nodes: [reduce, .node("Softmax", ["h"], ["y"])]), ir: 6, opset: 11)
    let model = try ONNXImporter.load(bytes: bytes)
    #expect(model.graph[model.graph.nodes[0]].inputs.count == 2)
    let once = try ONNXExporter.serialize(model)
    let raw = try ONNXImporter.load(bytes: once, options: ImportOptions.asIs)
    #expect(raw.operators == ["ReduceSum", "Softmax"])
    #expect(raw.graph[raw.graph.nodes[0]].attributes.map(\.name) == ["axes", "keepdims"])
    #expect(raw.graph.allValues.count == 3)
    #expect(raw.opsets[""] == 11 && raw.irVersion == 6)
    // At a newer opset the axes are an input.
    let newer = try ONNXImporter.load(
      bytes: ONNXExporter.serialize(model, options: ExportOptions(opset: 13)), options: ImportOptions.asIs)
    #expect(newer.graph[newer.graph.nodes[0]].inputs.count == 2)
    // From the dialect back down, the form is the same.
    var options = ExportOptions()
    options.discardSourceForms = true
    let lowered = try ONNXImporter.load(
      bytes: ONNXExporter.serialize(model, options: options), options: ImportOptions.asIs)
    #expect(Set(lowered.graph[lowered.graph.nodes[0]].attributes.map(\.name)) == ["axes", "keepdims"])
  }

  @Test func constantNodesStayNodes() throws {
    let constant = Proto.node("Constant", [], ["k"], name: "const") { node in
      node.message(5) { attribute in
        attribute.text(1, "value_ints")
        attribute.writer.int64s(8, [1, 2])
        attribute.int(20, 7)
      }
    }
    let bytes = Proto.model(Proto.graph(nodes: [constant, .node("Mystery", ["x", "k"], ["y"]) { $0.text(7, "t") }]))
    let model = try ONNXImporter.load(bytes: bytes)
    let k = try #require(model.graph[model.graph.nodes[0]].input(1))
    #expect(try model.graph.constant(k)?.ints() == [1, 2])
    #expect(model.graph[k].origins.indices == [0])
    let again = try reload(model)
    let node = try #require(again.graph[again.graph.nodes[0]].input(1))
    guard case .node("const", "value_ints", _) = again.graph[node].constantForm else {
      Issue.record("the Constant node is gone")
      return
    }
  }

  @Test func unreadConstantsOfTheSourceStay() throws {
    var model = try chain()
    _ = model.graph.addConstant(try floats(2), name: "unread")
    #expect(try reload(model).graph.allValues.count == 5)
  }

  @Test func provenance() throws {
    var model = try chain(21)
    model.irVersion = 10
    model.sourceNodes = [
      SourceNode(name: "a", operatorName: OperatorName("Mul")), SourceNode(name: "", operatorName: OperatorName("Add")),
      SourceNode(name: "neg", operatorName: OperatorName("Neg")),
    ]
    let (add, neg) = (model.graph.nodes[0], model.graph.nodes[1])
    model.graph.modify(add) { $0.origins = Origins([0, 1]) }
    model.graph.modify(neg) { $0.origins = Origins([2]) }
    let loaded = try reload(model)
    #expect(loaded.graph[loaded.graph.nodes[0]].metadata == [MetadataEntry(key: "cameo.origins", value: "a\nAdd#1")])
    #expect(loaded.graph[loaded.graph.nodes[1]].metadata == [])
    var options = ExportOptions()
    options.writeProvenance = false
    #expect(try reload(model, options).graph.nodes.allSatisfy { _ in true })
    let without = try reload(model, options)
    #expect(without.graph[without.graph.nodes[0]].metadata == [])
    model.irVersion = 8
    model.opsets = ["": 17]
    let old = try reload(model)
    #expect(old.graph[old.graph.nodes[0]].metadata == [])
  }

  // MARK: Files

  @Test func overTheMappedSource() throws {
    let folder = TemporaryFolder()
    var model = try chain()
    let large = model.graph.addConstant(try floats(5000), name: "large")
    model.graph.setOutputs(model.graph.outputs + [large])
    try ONNXExporter.save(model, to: folder.file("m.onnx"))
    let first = try folder.read("m.onnx")
    let loaded = try ONNXImporter.load(path: folder.file("m.onnx"))
    try ONNXExporter.save(loaded, to: folder.file("m.onnx"))
    #expect(try folder.read("m.onnx") == first)
    #expect(loaded.graph.constant(loaded.graph.outputs[1])?.isIdentical(to: try floats(5000)) == true)
    #expect(folder.contents == ["m.onnx"])
  }

  @Test func errorsLeaveNothingBehind() throws {
    let folder = TemporaryFolder()
    try folder.write([1, 2, 3], "m.onnx")
    var options = ExportOptions(opset: 29)
    #expect(failure { try ONNXExporter.save(try chain(), to: folder.file("m.onnx"), options: options) } != nil)
    options = ExportOptions()
    #expect(failure { try ONNXExporter.save(try chain(), to: folder.path, options: options) } != nil)
    #expect(failure { try ONNXExporter.save(try chain(), to: folder.file("no/m.onnx"), options: options) } != nil)
    #expect(try folder.read("m.onnx") == [1, 2, 3])
    #expect(folder.contents == ["m.onnx"])
    let output = try FileOutput(path: folder.file("half"))
    try output.write([1])
    #expect(folder.contents.count == 2)
    withExtendedLifetime(output) {}
  }

  @Test func devicesAreWrittenDirectly() throws {
    try ONNXExporter.save(try chain(), to: "/dev/null")
    var status = stat()
    #expect(stat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
  }

  @Test func tensorProtoFiles() throws {
    let folder = TemporaryFolder()
    for tensor in [try floats(3), try floats(4000), try Tensor(strings: ["a", "b"], shape: [2, 1])] {
      try TensorFile.writeProto(tensor, name: "t", to: folder.file("t.pb"))
      let (name, read) = try TensorFile.readProto(path: folder.file("t.pb"))
      #expect(name == "t" && read.isIdentical(to: tensor))
    }
  }
}

extension ImportOptions {
  static var asIs: ImportOptions {
    var options = ImportOptions()
    options.upgrade = false
    return options
  }
}
