import GraphIR
import Tensors
import Testing

@testable import ONNXFormat

@Suite struct ImportTests {
  private func load(_ bytes: [UInt8]) throws -> Model { try ONNXImporter.load(bytes: bytes) }
  private func message(_ bytes: [UInt8]) -> String { failure { _ = try load(bytes) }?.description ?? "no error" }

  // MARK: Names

  @Test func unsortedNodesAreSorted() throws {
    let model = try load(
      Proto.model(Proto.graph(nodes: [.node("Neg", ["h"], ["y"]), .node("Abs", ["x"], ["h"])])))
    #expect(model.operators == ["Abs", "Neg"])
    try model.graph.verify()
  }

  @Test func cyclesAreRefused() {
    let text = message(
      Proto.model(
        Proto.graph(nodes: [.node("Add", ["x", "b"], ["a"]), .node("Neg", ["a"], ["b"]), .node("Neg", ["b"], ["y"])])))
    #expect(text.contains("cycle"))
  }

  @Test func aBodyThatReadsItsOwnNodeIsACycle() {
    let body = Proto.graph(nodes: [.node("Neg", ["y"], ["b"])], inputs: [], outputs: ["b"])
    let node = Proto.node("If", ["x"], ["y"], name: "choice") { node in
      for name in ["then_branch", "else_branch"] {
        node.message(5) { attribute in
          attribute.text(1, name)
          attribute.message(6, body)
          attribute.int(20, 5)
        }
      }
    }
    #expect(message(Proto.model(Proto.graph(nodes: [node]))).contains("cycle"))
  }

  @Test func undefinedNamesAreNamed() {
    let text = message(Proto.model(Proto.graph(nodes: [.node("Neg", ["nowhere"], ["y"], name: "n1")])))
    #expect(text.contains("n1") && text.contains("nowhere"))
    #expect(message(Proto.model(Proto.graph(nodes: [], outputs: ["gone"]))).contains("gone"))
  }

  @Test func duplicatesAreNamed() {
    let text = message(
      Proto.model(Proto.graph(nodes: [.node("Neg", ["x"], ["y"], name: "n1"), .node("Abs", ["x"], ["y"], name: "n2")])))
    #expect(text.contains("n2") && text.contains("y") && text.contains("twice"))
    #expect(message(Proto.model(Proto.graph(nodes: [.node("Neg", ["x"], ["x"])]))).contains("twice"))
  }

  @Test func bodiesCaptureAndShadow() throws {
    // The body reads the outer `h` (defined after the If in file order), and has a value named like the outer `k`.
    let body = Proto.graph(nodes: [.node("Neg", ["h"], ["k"]), .node("Abs", ["k"], ["b"])], inputs: [], outputs: ["b"])
    let choice = Proto.node("If", ["c"], ["y"], name: "choice") { node in
      for name in ["then_branch", "else_branch"] {
        node.message(5) { attribute in
          attribute.text(1, name)
          attribute.message(6, body)
          attribute.int(20, 5)
        }
      }
    }
    let bytes = Proto.model(
      Proto.graph(
        nodes: [choice, .node("Abs", ["x"], ["h"]), .node("Neg", ["x"], ["k"])], inputs: ["x", "c"],
        outputs: ["y", "k"]))
    let model = try load(bytes)
    try model.graph.verify()
    #expect(model.operators == ["Abs", "If", "Neg"] || model.operators == ["Abs", "Neg", "If"])
    #expect(model.graph.capturedValues(of: RegionID(1)).map { model.graph[$0].name } == ["h"])
    #expect(model.sourceNodes.count == 7)
    // Written again, no inner name hides an outer one.
    let again = try load(ONNXExporter.serialize(model))
    let inner = Set(
      again.graph.nodes(in: RegionID(1)).compactMap { again.graph[$0].output(0).map { again.graph[$0].name } })
    #expect(!inner.contains("k") && inner.count == 2)
  }

  // MARK: Versions

  @Test func versionsOutsideTheRangeAreRefused() {
    let graph = Proto.graph(nodes: [.node("Neg", ["x"], ["y"])])
    #expect(failure { _ = try load(Proto.model(graph, ir: 15)) }?.kind == .unsupported)
    #expect(failure { _ = try load(Proto.model(graph, opset: 29)) }?.kind == .unsupported)
    #expect(message(Proto { $0.message(7, graph) }.bytes).contains("ir_version"))
    let noOpset = Proto { model in
      model.int(1, 8)
      model.message(7, graph)
    }
    #expect(message(noOpset.bytes).contains("opset"))
    #expect(message(Proto { $0.int(1, 8) }.bytes).contains("graph"))
  }

  @Test(arguments: [3, 4]) func initializersAmongTheInputs(_ ir: Int64) throws {
    let tensor = Proto { tensor in
      tensor.int(1, 1)
      tensor.int(2, 1)
      tensor.text(8, "w")
      tensor.writer.bytes(9, [0, 0, 128, 63])
    }
    let graph = Proto.graph(nodes: [.node("Add", ["x", "w"], ["y"])], inputs: ["x", "w"]) { $0.message(5, tensor) }
    let model = try load(Proto.model(graph, ir: ir, opset: 9))
    let w = try #require(model.graph[model.graph.nodes[0]].input(1))
    #expect(model.graph.inputs.count == (ir < 4 ? 1 : 2))
    #expect(model.graph[w].isConstant == (ir < 4))
    #expect(model.graph[w].constant?.tensor?.count == 1)
    // A default stays one.
    let again = try load(ONNXExporter.serialize(model))
    #expect(again.graph.inputs.count == model.graph.inputs.count)
    #expect(again.irVersion == 4)
  }

  // MARK: Depth

  private func nested(_ depth: Int) -> Proto {
    var graph = Proto.graph(nodes: [.node("Neg", ["x"], ["y"])], inputs: [])
    for _ in 0..<depth {
      let body = graph
      graph = Proto.graph(
        nodes: [
          .node("Mystery", ["x"], ["y"]) { node in
            node.text(7, "test")
            node.message(5) { attribute in
              attribute.text(1, "body")
              attribute.message(6, body)
              attribute.int(20, 5)
            }
          }
        ], inputs: [])
    }
    return Proto { model in
      model.int(1, 8)
      var outer = graph
      outer.message(11, Proto.value("x"))
      model.message(7, outer)
      model.message(8) { $0.int(2, 17) }
    }
  }

  @Test func deepNesting() throws {
    let model = try load(nested(30).bytes)
    #expect(model.graph.allRegions.count == 31)
    try model.graph.verify()
    #expect(failure { _ = try load(nested(300).bytes) }?.kind == .limit)
  }

  // MARK: Functions

  private func functionModel(_ body: [Proto], domain: String = "local") -> [UInt8] {
    let call = Proto.node("Scale", ["x"], ["y"]) { node in
      node.text(7, "local")
      node.message(5) { attribute in
        attribute.text(1, "alpha")
        attribute.writer.float(2, 3)
        attribute.int(20, 1)
      }
    }
    return Proto.model(Proto.graph(nodes: [call])) { model in
      model.message(8) { opset in
        opset.text(1, "local")
        opset.int(2, 1)
      }
      model.message(25) { function in
        function.text(1, "Scale")
        function.text(4, "a")
        function.text(5, "b")
        function.text(6, "alpha")
        for node in body { function.message(7, node) }
        function.message(9) { $0.int(2, 17) }
        function.text(10, domain)
      }
    }
  }

  @Test func functionsKeepAttributeReferences() throws {
    let constant = Proto.node("Constant", [], ["k"]) { node in
      node.message(5) { attribute in
        attribute.text(1, "value_float")
        attribute.text(21, "alpha")
        attribute.int(20, 1)
      }
    }
    let model = try load(functionModel([constant, .node("Mul", ["a", "k"], ["b"])]))
    for candidate in [model, try load(ONNXExporter.serialize(model))] {
      let function = try #require(candidate.function(OperatorName("Scale", domain: "local")))
      #expect(function.attributeNames == ["alpha"] && function.opsets == ["": 17])
      let first = function.body[function.body.nodes[0]]
      guard case .reference("alpha", .float) = first["value_float"] else {
        Issue.record("the reference is gone")
        return
      }
      #expect(first.origins.indices == [1])
      try function.body.verify()
    }
  }

  @Test func functionsThatCallThemselvesAreRefused() {
    let call = Proto.node("Scale", ["a"], ["b"]) { $0.text(7, "local") }
    #expect(message(functionModel([call])).contains("calls itself"))
  }

  // MARK: What is not understood

  @Test func unknownFieldsSurvive() throws {
    let node = Proto.node("Mystery", ["x"], ["y"]) { node in
      node.text(7, "far.away")
      node.text(8, "v2")
      node.text(6, "about")
      node.message(9) { entry in
        entry.text(1, "k")
        entry.text(2, "v")
      }
      node.message(10) { $0.text(1, "device") }
      node.text(99, "future")
    }
    let graph = Proto.graph(nodes: [node]) { graph in
      graph.message(14) { $0.text(1, "x") }
      graph.message(16) { entry in
        entry.text(1, "gk")
        entry.text(2, "gv")
      }
    }
    let bytes = Proto.model(graph, ir: 11) { model in
      model.message(8) { opset in
        opset.text(1, "far.away")
        opset.int(2, 5)
      }
      model.message(20) { $0.text(77, "training") }
      model.message(26) { $0.text(1, "configuration") }
      model.text(2, "maker")
      model.int(5, 42)
    }
    let once = try ONNXExporter.serialize(try load(bytes))
    let model = try load(once)
    let id = model.graph.nodes[0]
    #expect(model.graph[id].overload == "v2" && model.graph[id].documentation == "about")
    #expect(model.graph[id].metadata == [MetadataEntry(key: "k", value: "v")])
    #expect(model.producerName == "maker" && model.modelVersion == 42)
    for text in ["device", "future"] { #expect(model.graph[id].unknownFields.contains(sequence: Array(text.utf8))) }
    #expect(model.graph[RegionID.main].unknownFields.count > 0 && model.graph[RegionID.main].metadata.count == 1)
    for text in ["training", "configuration"] { #expect(model.unknownFields.contains(sequence: Array(text.utf8))) }
    #expect(try ONNXExporter.serialize(model) == once)
  }

  /// The labels of a tensor inside an attribute, of a node that stays and of a Constant, which becomes a value.
  @Test func labelsInsideAttributesSurvive() throws {
    func labelled(_ node: inout Proto, _ attribute: String) {
      node.message(5) { entry in
        entry.text(1, attribute)
        entry.message(5) { tensor in
          tensor.int(1, 1)
          tensor.int(2, 1)
          tensor.text(8, "inner name")
          tensor.text(9, "bits")
          tensor.text(12, "inner text")
          tensor.message(16) { pair in
            pair.text(1, "inner key")
            pair.text(2, "inner value")
          }
          tensor.text(77, "inner future")
        }
        entry.int(20, 4)
        entry.text(78, "outer future")
      }
    }
    func bytes(_ node: Proto) -> [UInt8] {
      Proto.model(Proto.graph(nodes: [node]), ir: 11) { model in
        model.message(8) { opset in
          opset.text(1, "far.away")
          opset.int(2, 5)
        }
      }
    }
    for (type, domain, attribute) in [("Mystery", "far.away", "data"), ("Constant", "", "value")] {
      let node = Proto.node(type, type == "Constant" ? [] : ["x"], ["y"]) { node in
        if !domain.isEmpty { node.text(7, domain) }
        labelled(&node, attribute)
      }
      let again = try ONNXExporter.serialize(try load(bytes(node)))
      for text in ["inner name", "inner text", "inner key", "inner value", "inner future", "outer future"] {
        #expect(again.contains(sequence: Array(text.utf8)), "\(type) lost \(text)")
      }
    }
  }

  @Test func denotationsSurvive() throws {
    let input = Proto { value in
      value.text(1, "x")
      value.message(2) { type in
        type.message(1) { tensor in
          tensor.int(1, 1)
          tensor.message(2) { shape in
            shape.message(1) { dim in
              dim.text(2, "N")
              dim.text(3, "DATA_BATCH")
            }
            shape.message(1) { $0.int(1, 3) }
            shape.message(1) { _ in }
          }
        }
        type.text(6, "IMAGE")
      }
    }
    let graph = Proto { graph in
      graph.message(1, Proto.node("Neg", ["x"], ["y"]))
      graph.text(2, "g")
      graph.message(11, input)
      graph.message(12, Proto.value("y"))
    }
    let model = try load(Proto.model(graph))
    let once = try ONNXExporter.serialize(model)
    #expect(once.contains(sequence: Array("DATA_BATCH".utf8)) && once.contains(sequence: Array("IMAGE".utf8)))
    #expect(!once.contains(sequence: Array("cameo".utf8)))
    let shape = try #require(model.graph[model.graph.inputs[0]].type?.shape)
    #expect(shape[0].symbolName == "N" && shape[1].value == 3 && shape[2].symbolName != nil)
  }

  /// The version that the file names decides, not the newest.
  @Test func nodesAreHeldAgainstTheVersionThatTheFileNames() throws {
    func load(_ node: Proto, opset: Int64) throws -> Model {
      try ONNXImporter.load(bytes: Proto.model(Proto.graph(nodes: [node]), opset: opset))
    }
    let squeeze = Proto.node("Squeeze", ["x", "axes"], ["y"])
    let axes = Proto {
      $0.int(1, 1); $0.int(2, 7); $0.text(8, "axes"); $0.int(7, 0)
    }
    let graph = Proto.graph(nodes: [squeeze]) { $0.message(5, axes) }
    _ = try ONNXImporter.load(bytes: Proto.model(graph, opset: 13))
    let error = #expect(throws: CameoError.self) {
      try ONNXImporter.load(bytes: Proto.model(graph, opset: 11))
    }
    #expect(error?.description == "node with output y (Squeeze) of opset 11: it has 2 inputs, 1 expected: data")
    let missing = #expect(throws: CameoError.self) { try load(.node("Concat", ["x", "x"], ["y"]), opset: 4) }
    #expect(
      missing?.description == "node with output y (Concat) of opset 4: attribute axis is missing, an int was expected")
    _ = try load(.node("Concat", ["x", "x"], ["y"]), opset: 3)
  }
}

extension Array where Element: Equatable {
  func contains(sequence: [Element]) -> Bool {
    guard !sequence.isEmpty, count >= sequence.count else { return sequence.isEmpty }
    return (0...count - sequence.count).contains { self[$0..<$0 + sequence.count].elementsEqual(sequence) }
  }
}
