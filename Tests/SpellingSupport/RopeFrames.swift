import Tensors

/// Rotations of values whose axes are others than batch, heads, length and size: what RotaryEmbedding cannot take.
enum RopeFrame {
  static let flaws: Set<String> = ["vector", "headsAround", "openAxes", "openHeads", "emptyHeads", "ring"]

  static func make(_ draw: Draw, flaw: String) throws -> GraphWriter {
    let g = try GraphWriter(draw, opsets: 10...24)
    let length = Size(g.draw.number(2...5), ["vector", "headsAround"].contains(flaw) ? nil : "length")
    let batch = Size(g.draw.number(1...3), ["openHeads", "emptyHeads"].contains(flaw) ? "batch" : nil)
    let size = flaw == "ring" ? 3 : g.draw.choose([4, 8])
    let heads = Size(g.draw.number(2...3), "heads")
    // Before the size, and before the angles of a pair.
    let lead: [Size]
    var angleLead = [length]
    switch flaw {
    case "vector": (lead, angleLead) = ([], [])
    case "headsAround": lead = [batch, Size(g.draw.number(2...3)), length, Size(g.draw.number(2...3))]
    case "openAxes": lead = [batch, Size(2, "rows"), heads, length]
    case "openHeads": lead = [batch, length, Size(2), heads]
    case "emptyHeads":
      lead = [batch, heads, length]
      angleLead = lead
    default: lead = [batch, Size(g.draw.number(2...3)), length]
    }
    let x = try g.realInput("x", lead + [Size(size)])
    var angles = try g.realInput("angles", angleLead + [Size(flaw == "ring" ? size : size / 2)])
    switch flaw {
    case "headsAround": angles = try g.unsqueeze(angles, [1])
    case "openHeads": angles = try g.unsqueeze(angles, [1, 2])
    case "emptyHeads": angles = try g.slice(angles, 0, 1, axis: 1)
    default: break
    }
    let axis = lead.count
    if flaw != "ring" { angles = g.concat([angles, angles], axis: angleAxis(flaw, angleLead.count)) }
    // Of three elements each turns with the next.
    let first = flaw == "ring" ? 1 : size / 2
    let parts = [try g.slice(x, 0, first, axis: axis), try g.slice(x, first, nil, axis: axis)]
    let turned = g.concat([g.node("Neg", [parts[1]]), parts[0]], axis: axis)
    let result = g.add(g.mul(x, g.node("Cos", [angles])), g.mul(turned, g.node("Sin", [angles])))
    g.output(result, lead + [Size(size)])
    return g
  }

  /// The angles' last axis, where axes of 1 were put in.
  private static func angleAxis(_ flaw: String, _ count: Int) -> Int {
    count + (flaw == "headsAround" ? 1 : flaw == "openHeads" ? 2 : 0)
  }
}
