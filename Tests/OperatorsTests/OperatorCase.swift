import GraphIR
import Operators
import Tensors
import Testing

/// One graph in ONNX text with its inputs and the outputs expected of it, tensors in text too.
struct OperatorCase: Sendable, CustomTestStringConvertible {
  let graph: String
  /// The opset that the graph is written for.
  var opset = 28
  let inputs: [String]
  let outputs: [String]

  init(_ graph: String, opset: Int = 28, _ inputs: [String], _ outputs: [String]) {
    self.graph = graph
    self.opset = opset
    self.inputs = inputs
    self.outputs = outputs
  }

  var testDescription: String { "\(graph) @\(opset) \(inputs)" }

  func upgraded() throws -> Graph {
    var graph = try ONNXText.parseGraph(self.graph)
    try OperatorCase.upgrade(&graph, from: opset)
    return graph
  }

  static func upgrade(_ graph: inout Graph, from opset: Int) throws {
    for id in graph.allNodes {
      let name = graph[id].operatorName
      guard let op = OperatorRegistry[name],
        let since = SchemaRegistry.sinceVersion(domain: name.domain, name: name.name, opset: opset),
        let newest = SchemaRegistry.versions(domain: name.domain, name: name.name).last,
        since < newest || op.traits.contains(.retired)
      else { continue }
      try op.upgrade(&graph, id, from: since)
    }
    try graph.sortTopologically()
  }

  /// Upgrades, evaluates, compares; and holds inference over symbolic shapes against what came out.
  func check() throws {
    let graph = try upgraded()
    let given = try inputs.map { try ONNXText.parseTensor($0) }
    let results = try GraphEvaluator(graph).run(given.map { .tensor($0) })
    #expect(results.count == outputs.count)
    for (result, text) in zip(results, outputs) {
      let expected = try ONNXText.parseTensor(text)
      let tensor = try #require(result.tensor)
      #expect(OperatorCase.agree(tensor, expected), "\(self): \(OperatorCase.describe(tensor)) instead of \(text)")
    }
    for fixesIntegers in [false, true] { try checkInference(graph, given, results, fixesIntegers: fixesIntegers) }
  }

  /// Every input dimension is a symbol; the inferred shapes and contents, with the symbols bound, are those of the run.
  private func checkInference(_ graph: Graph, _ given: [Tensor], _ results: [Value], fixesIntegers: Bool) throws {
    var options = ShapeInference.Options()
    var bindings: [String: Dim] = [:]
    for (index, input) in graph.inputs.enumerated() where index < given.count {
      let tensor = given[index]
      if fixesIntegers && tensor.dataType.isInteger {
        options.inputConstants[input] = .tensor(tensor)
        continue
      }
      var dims: [Dim] = []
      for (axis, length) in tensor.shape.enumerated() {
        // Two symbols are taken as equal by broadcasting, so an axis of length 1 stays a number.
        if length == 1 {
          dims.append(1)
        } else {
          bindings["s\(index)_\(axis)"] = Dim(length)
          dims.append(.symbol("s\(index)_\(axis)"))
        }
      }
      options.inputTypes[input] = .tensor(tensor.dataType, dims)
    }
    var untyped = graph
    for output in graph.outputs where !graph.inputs.contains(output) { untyped.setType(nil, of: output) }
    let inference = ShapeInference(untyped, options: options)
    try inference.run()
    for (output, result) in zip(graph.outputs, results) {
      guard let tensor = result.tensor else { continue }
      let fact = inference[output]
      #expect(fact.dataType == tensor.dataType, "\(self)")
      if let shape = fact.shape {
        #expect(shape.count == tensor.rank, "\(self): inferred \(shape)")
        for (dim, length) in zip(shape, tensor.shape) {
          if let value = dim.substituting(bindings).value { #expect(value == length, "\(self): inferred \(shape)") }
        }
      }
      if let symbols = fact.symbols, let values = try? tensor.ints() {
        for (symbol, value) in zip(symbols, values) {
          if let known = symbol.substituting(bindings).value { #expect(known == value, "\(self): contents \(symbols)") }
        }
      }
    }
  }

  static func agree(_ a: Tensor, _ b: Tensor) -> Bool {
    guard a.dataType == b.dataType, a.shape == b.shape else { return false }
    if a.dataType == .string { return a.strings == b.strings }
    guard a.dataType.isFloatingPoint, let x = try? a.elements(as: Double.self), let y = try? b.elements(as: Double.self)
    else {
      return a.isIdentical(to: b)
    }
    return zip(x, y).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN || abs($0 - $1) <= 1e-6 + 1e-5 * abs($1) }
  }

  static func describe(_ tensor: Tensor) -> String {
    if tensor.dataType == .string { return "\(tensor) \(tensor.strings)" }
    return "\(tensor) \((try? tensor.elements(as: Double.self)) ?? [])"
  }
}

/// The error that evaluating the case ends in.
func failure(_ graph: String, opset: Int = 28, _ inputs: [String]) throws -> CameoError? {
  do {
    let graph = try OperatorCase(graph, opset: opset, [], []).upgraded()
    _ = try GraphEvaluator(graph).run(try inputs.map { .tensor(try ONNXText.parseTensor($0)) })
    return nil
  } catch let error as CameoError { return error }
}
