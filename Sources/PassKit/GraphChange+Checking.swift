import GraphIR
import Tensors

extension Graph {
  /// Throws `.invariant` where a change names what is not there: a pass, perhaps a plugin's, has mixed up its ids. O(change).
  func check(_ change: GraphChange) throws {
    func fail(_ reason: String) -> CameoError { CameoError(.invariant, reason).within("rule \(change.rule)") }
    func check(_ node: NodeID, alive: Bool = true) throws {
      guard 0..<nodeCapacity ~= Int(node.index), !alive || self[node].isAlive else {
        throw fail("the change names the node \(node), which is not there")
      }
    }
    func check(_ value: ValueID) throws {
      guard 0..<valueCapacity ~= Int(value.index), self[value].isAlive else {
        throw fail("the change names the value \(value), which is not there")
      }
    }
    func check(_ ref: GraphChange.Ref?) throws {
      switch ref {
      case nil: return
      case .existing(let value): try check(value)
      case .new(let slot):
        guard 0..<change.slots ~= slot else { throw fail("the change names the new value \(slot) of \(change.slots)") }
      }
    }
    func check(_ region: RegionID) throws {
      guard 0..<regionCapacity ~= Int(region.index), self[region].isAlive else {
        throw fail("the change names the region \(region.index), which is not there")
      }
    }
    func check(_ attribute: Attribute?) throws {
      for region in attribute?.regions ?? [] { try check(region) }
    }
    if let region = change.region { try check(region) }
    // What another change of the same pass has removed may still be listed.
    for node in change.covers + change.removals { try check(node, alive: false) }
    for node in change.nodes {
      for input in node.inputs { try check(input) }
      for covered in node.covers ?? [] { try check(covered, alive: false) }
      for attribute in node.attributes { try check(attribute.value) }
      for body in node.bodies { try body.graph.verify() }
    }
    for (old, new) in change.replacements {
      try check(old)
      try check(new)
    }
    for edit in change.inputEdits {
      try check(edit.node)
      try check(edit.value)
      guard 0..<self[edit.node].inputs.count + 64 ~= edit.index else {
        throw fail("the change sets input \(edit.index) of \(describe(edit.node))")
      }
    }
    for edit in change.attributeEdits {
      try check(edit.node)
      try check(edit.value)
    }
    for edit in change.typeEdits { try check(edit.value) }
    for (node, _) in change.outputDrops { try check(node, alive: false) }
    for (node, region, arguments) in change.inlinings {
      try check(node)
      try check(region)
      for argument in arguments { try check(argument) }
    }
  }
}
