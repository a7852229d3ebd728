import Tensors

extension Graph {
  /// Checks the invariants: producers and uses agree, nothing dead is reachable, every read value is in scope and defined
  /// before it is read. Throws `.invariant` (or `.badInput` for a cycle) naming the node. O(nodes + edges).
  public func verify() throws {
    func fail(_ reason: String) -> CameoError { CameoError(.invariant, reason) }
    var defined = [Bool](repeating: false, count: valueArena.count)
    for (index, value) in valueArena.enumerated() where value.isAlive && value.producer == .none {
      defined[index] = true
    }
    for (index, value) in valueArena.enumerated() where value.isAlive {
      for (slot, use) in value.uses.enumerated() {
        let reads: Bool
        switch use {
        case .node(let id, let input):
          let node = self[id]
          reads = node.isAlive && node.input(input)?.index == Int32(index) && node.useSlots[input] == Int32(slot)
        case .output(let region, let output):
          let record = self[region]
          reads = record.isAlive && output < record.outputs.count && record.outputs[output].index == Int32(index)
        }
        if !reads { throw fail("value \(value.name) lists a use that is not there") }
      }
    }
    func visit(_ region: RegionID, depth: Int) throws {
      for (index, input) in self[region].inputs.enumerated() {
        guard self[input].isAlive, self[input].producer == .regionInput(region, index) else {
          throw fail("input \(self[input].name) does not belong to its graph")
        }
        defined[Int(input.index)] = true
      }
      var local: [ValueID] = self[region].inputs
      for id in nodes(in: region) {
        let node = self[id]
        guard node.region == region else { throw fail("\(describe(id)) is listed in a graph that is not its own") }
        for case .some(let input) in node.inputs {
          guard self[input].isAlive, defined[Int(input.index)] else {
            throw fail("\(describe(id)) reads \(self[input].name) before it is defined")
          }
        }
        for inner in node.regions {
          guard self[inner].isAlive, self[inner].parent == id else {
            throw fail("\(describe(id)) has a body that is not its own")
          }
          try visit(inner, depth: depth + 1)
        }
        for (index, output) in node.outputs.enumerated() {
          guard let output else { continue }
          guard self[output].isAlive, self[output].producer == .node(id, index) else {
            throw fail("\(describe(id)) does not own its output \(self[output].name)")
          }
          if defined[Int(output.index)] { throw fail("value \(self[output].name) is defined twice") }
          defined[Int(output.index)] = true
          local.append(output)
        }
      }
      for output in self[region].outputs where !(self[output].isAlive && defined[Int(output.index)]) {
        throw fail("output \(self[output].name) is not defined")
      }
      if region != .main { for value in local { defined[Int(value.index)] = false } }
    }
    try visit(.main, depth: 0)
  }
}
