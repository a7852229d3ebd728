import CONNX
import Tensors
import Testing

@testable import GraphIR

@Suite struct TextTests {
  @Test(arguments: TextExamples.shared + TextExamples.own)
  func printingAndParsingIsAFixpoint(_ text: String) throws {
    let model = try ONNXText.parseModel(text)
    try model.graph.verify()
    let printed = ONNXText.print(model)
    let again = try ONNXText.parseModel(printed)
    #expect(ONNXText.print(again) == printed)
    #expect(ONNXText.canonicalText(again.graph) == ONNXText.canonicalText(model.graph))
    expectEqual(again.graph, model.graph)
    #expect(again.opsets == model.opsets && again.metadata == model.metadata && again.irVersion == model.irVersion)
    #expect(again.functions.count == model.functions.count)
    for (a, b) in zip(again.functions, model.functions) {
      expectEqual(a.body, b.body)
      #expect(a.operatorName == b.operatorName && a.overload == b.overload && a.attributeNames == b.attributeNames)
      #expect(a.attributeDefaults.map(\.name) == b.attributeDefaults.map(\.name))
      #expect(a.documentation == b.documentation)
    }
  }

  /// Structure, names, types, attributes, constants: everything that text carries.
  func expectEqual(_ a: Graph, _ b: Graph) {
    func describe(_ graph: Graph, _ region: RegionID) -> [String] {
      func value(_ id: ValueID?) -> String {
        guard let id else { return "-" }
        return "\(graph[id].name):\(graph[id].type.map { ONNXText.print($0) } ?? "")"
      }
      var lines = [graph[region].name, graph[region].inputs.map(value).joined(separator: ",")]
      lines.append(graph[region].outputs.map(value).joined(separator: ","))
      for id in graph.allValues where graph[id].region == region {
        if let tensor = graph[id].constant?.tensor { lines.append(graph[id].name + ONNXText.print(tensor)) }
      }
      for id in graph.nodes(in: region) {
        let node = graph[id]
        lines.append("\(node.name) \(node.operatorName) \(node.overload)")
        lines.append(
          node.inputs.map(value).joined(separator: ",") + "|" + node.outputs.map(value).joined(separator: ","))
        for attribute in node.attributes {
          lines.append(attribute.name + " \(attribute.value.kind)")
          for region in attribute.value.regions { lines += describe(graph, region) }
        }
      }
      return lines
    }
    let x = describe(a, .main)
    let y = describe(b, .main)
    #expect(x.count == y.count)
    for (x, y) in zip(x, y) where !x.contains("?") { #expect(x == y) }
  }

  @Test func contents() throws {
    let model = try ONNXText.parseModel(TextExamples.own[0])
    let graph = model.graph
    #expect(model.opsets == ["": 24, "com.microsoft": 1])
    #expect(graph.inputs.count == 3 && graph.nodes.count == 3)
    #expect(graph[graph.inputs[0]].type == .tensor(.float, [.symbol("N"), 3, 224]))
    #expect(try graph[graph.inputs[1]].constant?.tensor?.ints() == [1, 2, 3])
    #expect(graph[graph.inputs[2]].type == .tensor(.int64, nil))
    let first = graph[graph.nodes[0]]
    #expect(first.name == "first" && first.inputs.count == 3 && first.inputs[1] == nil)
    #expect(first["alpha"]?.isIdentical(to: .float(1)) == true && first["to"]?.isIdentical(to: .int(7)) == true)
    #expect(first["beta"]?.isIdentical(to: .float(-0.0)) == true)
    let second = graph[graph.nodes[1]]
    #expect(second.operatorName == OperatorName("Op", domain: "ai.cameo") && second.overload == "variant")
    #expect(second.outputs.count == 2 && second.outputs[1] == nil)
    let third = graph[graph.nodes[2]]
    #expect(third.operatorName == OperatorName("odd op", domain: "com.my-company"))
    #expect(third["h"]?.isIdentical(to: .bytes([0x80, 0xff])) == true)
    #expect(third["none"]?.isIdentical(to: .ints([])) == true)
    #expect(third["t"]?.isIdentical(to: .type(.optional(.tensor(.float, nil)))) == true)
  }

  @Test func tensors() throws {
    let half = try ONNXText.parseTensor("float16[3] {15360, 1.5, -inf}")
    #expect(try half.elements(as: Float.self) == [1, 1.5, -.infinity])
    let four = try ONNXText.parseTensor("float4e2m1[3] {2, 6.0, -0.5}")
    #expect(try four.elements(as: Float.self) == [1, 6, -0.5])
    #expect(try ONNXText.parseTensor("int4[3] {-8, 7, 0}").ints() == [-8, 7, 0])
    #expect(try ONNXText.parseTensor("int2[5] {-2, 1, 0, -1, 1}").ints() == [-2, 1, 0, -1, 1])
    #expect(try ONNXText.parseTensor("uint64[1] {18446744073709551615}").elements(as: UInt64.self) == [.max])
    #expect(try ONNXText.parseTensor("int64[1] {-9223372036854775808}").elements(as: Int64.self) == [.min])
    #expect(try ONNXText.parseTensor("float {2}").shape == [])
    #expect(try ONNXText.parseTensor("float[] {2, 3}").shape == [2])
    #expect(try ONNXText.parseTensor("float[2] w = {2, 3}").shape == [2])
    #expect(try ONNXText.parseTensor("string[1] {\"a\\\\\\\"b\"}").strings == ["a\\\"b"])
  }

  @Test func capturesAndConstants() throws {
    let graph = try ONNXText.parseGraph(TextExamples.own[3])
    let branch = graph[graph.nodes[1]]
    #expect(branch.name == "branch" && branch.regions.count == 2)
    let captured = graph.capturedValues(of: branch.regions[0]).map { graph[$0].name }
    #expect(captured == ["c", "a", "k"])
    let k = try #require(graph.allValues.first { graph[$0].name == "k" })
    #expect(graph[k].isConstant && graph.constant(k)?.shape == [])
    let constants = try ONNXText.parseGraph("g () => (y) { [n] c = Constant <value_int = 5> () y = Neg (c) }")
    #expect(constants.nodes.count == 1)
  }

  @Test func appendingToAGraph() throws {
    var graph = try ONNXText.parseGraph("g (float x) => (float x) {}")
    let names = try ONNXText.append("a = Neg (x) b = Add (a, x)", to: &graph, names: ["x": graph.inputs[0]])
    graph.setOutputs([try #require(names["b"])])
    try graph.verify()
    #expect(graph.nodes.count == 2)
    #expect(throws: CameoError.self) { try ONNXText.append("c = Neg (nothing)", to: &graph) }
    #expect(graph.nodes.count == 2)
  }

  @Test func canonicalTextIgnoresNames() throws {
    let a = try ONNXText.parseGraph(
      """
      g (float[N] x) => (float[N] y) <float[1] k = {1}, float unread = {1}> { [l] t = Add (x, k) y = Gelu <approximate = "tanh", z = 1> (t) }
      """)
    let b = try ONNXText.parseGraph(
      """
      h (float[N] in) => (float[N] out) { c = Constant <value = float[1] {1}> () m = Add (in, c) out = Gelu <z = 1, approximate = "tanh"> (m) }
      """)
    #expect(ONNXText.canonicalText(a) == ONNXText.canonicalText(b))
    let c = try ONNXText.parseGraph(
      "h (float[N] a) => (float[N] y) { c = Constant <value = float[1] {2}> () m = Add (a, c) y = Gelu <z = 1, approximate = \"tanh\"> (m) }"
    )
    #expect(ONNXText.canonicalText(a) != ONNXText.canonicalText(c))
    expectParses(ONNXText.canonicalText(a))
  }

  func expectParses(_ text: String) { #expect(throws: Never.self) { try ONNXText.parseGraph(text) } }

  @Test func longConstantsAreElided() throws {
    let numbers = (0..<100).map { "\($0)" }.joined(separator: ", ")
    let graph = try ONNXText.parseGraph("g () => (y) <float[100] w = {\(numbers)}> { y = Neg (w) }")
    let text = ONNXText.print(graph, options: .brief)
    #expect(text.contains("float[100] w = {... "))
    let other = try ONNXText.parseGraph(
      "g () => (y) <float[100] w = {\(numbers)}> { y = Neg (w) }".replacing("{0, 1,", with: "{0, 3,"))
    #expect(ONNXText.canonicalText(graph) != ONNXText.canonicalText(other))
    let error = try #require(throws: CameoError.self) { try ONNXText.parseGraph(text) }
    #expect(error.reason.contains("they were left out here"))
  }

  @Test func namesThatCollideStayApart() throws {
    var graph = Graph(name: "g")
    let x = graph.addValue(name: "x", type: .tensor(.float, []))
    graph.addInput(x)
    let first = graph.addValue(name: "")
    let second = graph.addValue(name: "x")
    graph.addNode(OperatorName("Neg"), inputs: [x], outputs: [first])
    graph.addNode(OperatorName("Neg"), inputs: [first], outputs: [second])
    graph.setOutputs([second])
    let again = try ONNXText.parseGraph(ONNXText.print(graph))
    #expect(ONNXText.canonicalText(again) == ONNXText.canonicalText(graph))
  }

  @Test func types() throws {
    #expect(try ONNXText.parseType("float") == .tensor(.float, []))
    #expect(try ONNXText.parseType("float[]") == .tensor(.float, nil))
    #expect(
      try ONNXText.parseType("map(int64, seq(float[N, \"N + 1\"]))")
        == .map(.int64, .sequence(.tensor(.float, [.symbol("N"), .symbol("N") + 1]))))
  }

  @Test func ruleSyntax() throws {
    var parser = TextParser(
      "y = Mul (Add <axis = $a, mode = fast> ($x, 0.5), float[2] {1, 2}, \"\", \"s\", z)", rules: true)
    let statement = try parser.statement()
    try parser.expectEnd()
    guard case .call(let add) = statement.call.inputs[0] else { Issue.record("no call"); return }
    #expect(add.attributes.map(\.value) == [.variable("a"), .identifier("fast")])
    #expect(statement.call.inputs.count == 5)
    if case .omitted = statement.call.inputs[2] {} else { Issue.record("not omitted") }
    #expect(throws: CameoError.self) { try ONNXText.parseNode("y = Mul (0.5)") }
  }
}
