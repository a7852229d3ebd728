import GraphIR
import Tensors

/// Scan: a body over the items of its scan inputs, with states; scan outputs are stacked.
struct Scan: Operator {
  let name = OperatorName("Scan")
  let traits: OperatorTraits = .controlFlow

  private struct Layout {
    var states: Int
    var scans: Int
    var inputAxes: [Int]
    var inputReversed: [Bool]
    var outputAxes: [Int]
    var outputReversed: [Bool]

    init(_ node: Node, _ attributes: AttributeReader) throws {
      scans = try attributes.int("num_scan_inputs")
      guard scans >= 1, scans <= node.inputs.count else {
        throw CameoError.badInput("attribute num_scan_inputs is \(scans), 1 to \(node.inputs.count) was expected")
      }
      states = node.inputs.count - scans
      let outputs = max(0, node.outputs.count - states)
      func list(_ name: String, _ count: Int) throws -> [Int] {
        let given = try attributes.optionalInts(name) ?? []
        // Fewer outputs may be named than the body has.
        return given.isEmpty ? [Int](repeating: 0, count: count) : given
      }
      inputAxes = try list("scan_input_axes", scans)
      inputReversed = try list("scan_input_directions", scans).map { $0 != 0 }
      outputAxes = try list("scan_output_axes", outputs)
      outputReversed = try list("scan_output_directions", outputs).map { $0 != 0 }
      guard inputAxes.count == scans, inputReversed.count == scans, outputAxes.count >= outputs,
        outputReversed.count >= outputs
      else {
        throw CameoError.badInput("axes or directions do not fit \(scans) scan inputs and \(outputs) scan outputs")
      }
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    let layout = try Layout(context.node, context.attributes)
    let body = try context.attributes.region("body")
    var length: Dim?
    var items: [ValueFacts] = []
    for index in 0..<layout.scans {
      let type = context.dataType(layout.states + index)
      guard var shape = context.shape(layout.states + index) else {
        items.append(ValueFacts(type: .tensor(type, nil)))
        continue
      }
      let axis = try context.normalize(axis: layout.inputAxes[index], rank: shape.count)
      length = try length.map { try context.unify($0, shape[axis], "lengths of the scan inputs") } ?? shape[axis]
      shape.remove(at: axis)
      items.append(ValueFacts(type: .tensor(type, shape)))
    }
    let (carried, outputs) = try context.inferIterated(
      body: body, leading: [], carried: (0..<layout.states).map { context.type($0) }, trailing: items,
      firstCarriedOutput: 0)
    for (index, type) in carried.enumerated() { context.set(index, ValueFacts(type: type)) }
    let runs = length ?? context.unknownDim()
    for index in layout.states..<max(layout.states, outputs.count) where index < context.node.outputs.count {
      guard var shape = outputs[index].shape else {
        context.set(index, outputs[index].dataType, nil)
        continue
      }
      let axis = try context.normalize(axis: layout.outputAxes[index - layout.states], rank: shape.count + 1)
      shape.insert(runs, at: axis)
      context.set(index, outputs[index].dataType, shape)
    }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let layout = try Layout(context.node, context.attributes)
    let body = try context.attributes.region("body")
    var states = Array(context.inputs[..<layout.states])
    var scanned: [(tensor: Tensor, axis: Int)] = []
    for index in 0..<layout.scans {
      let tensor = try context.tensor(layout.states + index)
      let axis = layout.inputAxes[index] < 0 ? layout.inputAxes[index] + tensor.rank : layout.inputAxes[index]
      guard axis >= 0, axis < tensor.rank else { throw CameoError.badInput("axis \(axis) lies outside \(tensor)") }
      scanned.append((tensor, axis))
    }
    let length = scanned[0].tensor.shape[scanned[0].axis]
    guard scanned.allSatisfy({ $0.tensor.shape[$0.axis] == length }) else {
      throw CameoError.badInput("the scan inputs have different lengths")
    }
    let wanted = max(0, context.node.outputs.count - layout.states)
    var collected = [[Tensor]](repeating: [], count: wanted)
    for t in 0..<length {
      let items: [Value?] = try scanned.enumerated().map { index, scan in
        .tensor(try NNStack.item(scan.tensor, axis: scan.axis, layout.inputReversed[index] ? length - 1 - t : t))
      }
      let results = try context.run(body: body, inputs: states + items)
      guard results.count >= layout.states + wanted else {
        throw CameoError.badInput("the body has \(results.count) outputs")
      }
      states = results[..<layout.states].map { $0 }
      for index in 0..<wanted {
        guard let item = results[layout.states + index].tensor else {
          throw CameoError.badInput("a scan output is no tensor")
        }
        collected[index].append(item)
      }
    }
    var outputs = states
    for index in 0..<wanted {
      var items = collected[index]
      if length == 0 {
        // The items' type and shape: those of a run on zeros that does not count.
        let zeros: [Value?] = try scanned.map { scan in
          var shape = scan.tensor.shape
          shape.remove(at: scan.axis)
          return .tensor(try Tensor.makeRaw(scan.tensor.dataType, shape) { _ in })
        }
        items = try context.run(body: body, inputs: states + zeros)[layout.states + index].tensor.map { [$0] } ?? []
      }
      guard let first = items.first else { throw CameoError.badInput("a scan output is no tensor") }
      if layout.outputReversed[index] { items.reverse() }
      let axis = layout.outputAxes[index] < 0 ? layout.outputAxes[index] + first.rank + 1 : layout.outputAxes[index]
      let whole = try NNStack.stack(items, axis: axis)
      outputs.append(.tensor(length == 0 ? try NNStack.slice(whole, axis: axis, 0..<0) : whole))
    }
    return outputs
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    guard version < 9 else { return }
    // Opset 8 ran over a batch: a Scan over the batch whose body is the Scan over the sequence.
    let source = graph[node]
    guard source.input(0) == nil else { throw CameoError.unsupported("sequence_lens of Scan before opset 9") }
    guard case .graph(let body) = source["body"], case .int(let scans) = source["num_scan_inputs"] else {
      throw CameoError.badInput("attribute body or num_scan_inputs is missing")
    }
    let operands = Array(source.inputs.dropFirst())
    let region = graph.addRegion(name: graph.freshName("scan_item"))
    var items: [ValueID?] = []
    for operand in operands {
      guard let operand else { throw CameoError.badInput("an input of Scan is left out") }
      var type: ValueType?
      if case .tensor(let element, let shape) = graph[operand].type {
        type = .tensor(element, shape.map { Array($0.dropFirst()) })
      }
      let item = graph.addValue(name: graph.freshName("item"), type: type, in: region)
      graph.addInput(item, to: region)
      items.append(item)
    }
    let results = source.outputs.map { _ in graph.addValue(name: graph.freshName("result"), in: region) }
    var attributes = [NamedAttribute("num_scan_inputs", .int(scans)), NamedAttribute("body", .graph(body))]
    if let directions = source["directions"] { attributes.append(NamedAttribute("scan_input_directions", directions)) }
    graph.addNode(name, inputs: items, outputs: results, attributes: attributes, origins: source.origins, in: region)
    graph.setOutputs(results, of: region)
    graph.setAttribute("body", of: node, to: .graph(region))
    graph.setAttribute("num_scan_inputs", of: node, to: .int(Int64(operands.count)))
    graph.setAttribute("directions", of: node, to: nil)
    graph.replaceInputs(of: node, with: operands)
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 9 else { return }
    // Opset 8 ran over a batch: a batch of one. Its sequences lay on the axis behind the batch, its outputs forwards.
    let source = graph[node]
    let layout = try Layout(source, AttributeReader(source))
    guard (layout.inputAxes + layout.outputAxes).allSatisfy({ $0 == 0 }), !layout.outputReversed.contains(true) else {
      throw CameoError.unsupported("axes and directions of outputs of Scan before opset 9")
    }
    var operands: [ValueID?] = [nil]
    for input in source.inputs {
      let axis = graph.emitConstant(try Tensor.ints([0]), like: node)
      operands.append(input.map { graph.emit("Unsqueeze", [$0, axis], like: node) })
    }
    graph.replaceInputs(of: node, with: operands)
    if let directions = source["scan_input_directions"] { graph.setAttribute("directions", of: node, to: directions) }
    for name in ["scan_input_axes", "scan_input_directions", "scan_output_axes", "scan_output_directions"] {
      graph.setAttribute(name, of: node, to: nil)
    }
    for (index, output) in source.outputs.enumerated() {
      guard let output else { continue }
      graph.rebindOutput(
        index, of: node, to: graph.addValue(name: graph.freshName("batch"), in: source.region))
      guard let batch = graph[node].output(index) else { continue }
      let axis = graph.emitConstant(try Tensor.ints([0]), like: node)
      graph.addNode(
        OperatorName("Squeeze"), inputs: [batch, axis], outputs: [output], origins: source.origins, in: source.region)
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Scan(), to: $0) })
