import GraphIR
import Operators
import PassKit
import Tensors

/// Writes out a Loop or Scan of few and known runs.
///
/// Before: `Loop(3, true, x) <body = (i, c, v) => (c, w) {w = Mul(v, a)}>`. After: `Mul(Mul(Mul(x, a), a), a)`. Stacked outputs become
/// a Concat. At most eight runs and 256 nodes; the condition must stay true in each run.
public enum UnrollLoops {
  public static let pass = RewritePass(
    "UnrollLoops", level: 1, summary: "writes out a Loop or Scan of few and known runs",
    rules: [LoopRule(), ScanRule()])

  static let mostRuns = 8
  static let mostNodes = 256

  static func check(_ runs: Int, _ body: BodyCopy, _ id: NodeID) throws {
    if runs > mostRuns { throw Refusal("the body runs \(runs) times, \(mostRuns) are written out at most", at: id) }
    let nodes = runs * body.cost
    if nodes > mostNodes {
      throw Refusal("\(runs) runs take \(nodes) nodes, \(mostNodes) are written out at most", at: id)
    }
  }

  /// The items of one stacked output side by side along a new axis.
  static func stack(
    _ items: [GraphChange.Ref], axis: Int, _ constants: inout IntegerConstants, _ change: inout GraphChange
  ) throws -> GraphChange.Ref {
    let axes = try constants.ref([axis], in: &change)
    let rows = items.map { change.node("Unsqueeze", [$0, axes], covers: []) }
    return rows.count == 1
      ? rows[0] : change.node("Concat", rows, [NamedAttribute("axis", .int(Int64(axis)))], covers: [])
  }

  struct LoopRule: RewriteRule {
    let name = "UnrollLoops"
    let anchors: Set<OperatorName> = [OperatorName("Loop")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      let body = try BodyCopy(AttributeReader(node).region("body"), from: 1, context)
      let count = max(0, node.inputs.count - 2)
      guard body.inputs.count >= 2 + count, body.outputs.count >= 1 + count else { return nil }
      let runs = try runs(id, body, context)
      try UnrollLoops.check(runs, body, id)
      var change = GraphChange(rule: name, covers: [id], region: node.region)
      var constants = IntegerConstants()
      var carried: [GraphChange.Ref?] = node.inputs.dropFirst(2).map { $0.map { .existing($0) } }
      var items = [[GraphChange.Ref]](repeating: [], count: max(0, node.outputs.count - count))
      let yes = change.constant(try .scalar(1.0, .bool))
      for run in 0..<runs {
        let index = change.constant(try .scalar(Int64(run), .int64))
        let results = body.write([index, yes] + carried, to: &change, isFirst: run == 0)
        carried = Array(results[1..<1 + count])
        for place in items.indices {
          guard 1 + count + place < results.count, let item = results[1 + count + place] else { return nil }
          items[place].append(item)
        }
      }
      var stacked: [GraphChange.Ref?] = []
      for (place, rows) in items.enumerated() {
        guard let output = node.output(count + place), !graph[output].uses.isEmpty else {
          stacked.append(nil); continue
        }
        stacked.append(
          runs == 0
            ? try empty(output, body.outputs[1 + count + place], &change, id, context)
            : try UnrollLoops.stack(rows, axis: 0, &constants, &change))
      }
      change.finish(node.outputs, with: carried + stacked)
      return change
    }

    /// How often the body runs.
    private func runs(_ id: NodeID, _ body: BodyCopy, _ context: PassContext) throws -> Int {
      let node = context.graph[id]
      if let condition = node.input(1) {
        guard let starts = context.uniform(condition) else {
          throw Refusal("whether the Loop starts is computed", at: id)
        }
        if starts == 0 { return 0 }
      }
      guard let limit = context.constant(node.input(0)), limit.count == 1 else {
        throw Refusal("the number of runs is not known", at: id)
      }
      let runs = max(0, try limit.ints()[0])
      // A single run does not ask for the condition that it computes.
      guard runs <= 1 || body.staysTrue(0, condition: body.inputs[1], context) else {
        throw Refusal("the condition is computed in each run", at: id)
      }
      return runs
    }

    /// What a Loop without runs stacks: no rows of the item's shape.
    private func empty(
      _ output: ValueID, _ item: ValueID, _ change: inout GraphChange, _ id: NodeID, _ context: PassContext
    ) throws -> GraphChange.Ref {
      guard let type = context.dataType(output), let shape = context.facts(item).type?.concreteShape, type != .string
      else { throw Refusal("the shape of a stacked output without rows is not known", at: id) }
      return change.constant(try Tensor.makeRaw(type, [0] + shape) { _ in })
    }
  }

  struct ScanRule: RewriteRule {
    let name = "UnrollScans"
    let anchors: Set<OperatorName> = [OperatorName("Scan")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      let reader = AttributeReader(node)
      let body = try BodyCopy(reader.region("body"), from: 0, context)
      let scans = try reader.int("num_scan_inputs")
      guard scans >= 1, scans <= node.inputs.count else { return nil }
      let states = node.inputs.count - scans
      guard body.inputs.count == states + scans, body.outputs.count >= node.outputs.count else { return nil }
      func list(_ name: String, _ count: Int) throws -> [Int] {
        let given = try reader.optionalInts(name) ?? []
        return given.isEmpty ? [Int](repeating: 0, count: count) : given
      }
      let wanted = max(0, node.outputs.count - states)
      let axes = try list("scan_input_axes", scans)
      let backward = try list("scan_input_directions", scans)
      let outputAxes = try list("scan_output_axes", wanted)
      let outputBackward = try list("scan_output_directions", wanted)
      guard axes.count == scans, backward.count == scans, outputAxes.count >= wanted, outputBackward.count >= wanted
      else { return nil }
      let runs = try length(id, states, axes[0], context)
      guard runs > 0 else { throw Refusal("the Scan has no rows", at: id) }
      try UnrollLoops.check(runs, body, id)
      var change = GraphChange(rule: name, covers: [id], region: node.region)
      var constants = IntegerConstants()
      var carried: [GraphChange.Ref?] = node.inputs.prefix(states).map { $0.map { .existing($0) } }
      var items = [[GraphChange.Ref]](repeating: [], count: wanted)
      for run in 0..<runs {
        var rows: [GraphChange.Ref?] = []
        for scan in 0..<scans {
          guard let data = node.input(states + scan) else { return nil }
          let place = backward[scan] == 0 ? run : runs - 1 - run
          rows.append(
            runs == 1
              ? change.node("Squeeze", [.existing(data), try constants.ref([axes[scan]], in: &change)], covers: [])
              : change.node(
                "Gather", [.existing(data), change.constant(try .scalar(Int64(place), .int64))],
                [NamedAttribute("axis", .int(Int64(axes[scan])))], covers: []))
        }
        let results = body.write(carried + rows, to: &change, isFirst: run == 0)
        carried = Array(results[..<states])
        for place in items.indices {
          guard let item = results[states + place] else { return nil }
          items[place].append(item)
        }
      }
      var stacked: [GraphChange.Ref?] = []
      for (place, rows) in items.enumerated() {
        guard let output = node.output(states + place), !graph[output].uses.isEmpty else {
          stacked.append(nil); continue
        }
        stacked.append(
          try UnrollLoops.stack(
            outputBackward[place] == 0 ? rows : rows.reversed(), axis: outputAxes[place], &constants, &change))
      }
      change.finish(node.outputs, with: carried + stacked)
      return change
    }

    private func length(_ id: NodeID, _ states: Int, _ axis: Int, _ context: PassContext) throws -> Int {
      guard let shape = context.shape(context.graph[id].input(states)) else {
        throw Refusal("the number of rows is not known", at: id)
      }
      let normal = axis < 0 ? axis + shape.count : axis
      guard shape.indices.contains(normal), let length = shape[normal].value else {
        throw Refusal("the number of rows is not known", at: id)
      }
      return length
    }
  }
}
