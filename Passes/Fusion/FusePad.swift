import GraphIR
import Operators
import PassKit
import Tensors

/// Moves a constant Pad of the spatial axes into the Conv or pool behind it.
///
/// Before: `Conv<pads=[0,0,0,0]>(Pad(x, {0,0,1,1,0,0,1,1}), W)`. After: `Conv<pads=[1,1,1,1]>(x, W)`.
/// MaxPool takes a pad of -inf; AveragePool one of 0 where it counts the padding.
public enum FusePad {
  public static let pass = RewritePass(
    "FusePad", level: 2, summary: "moves a constant Pad into the Conv or pool behind it", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "FusePad"
    let anchors = Set(["Conv", "AveragePool", "MaxPool"].map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard let input = node.input(0), let pad = context.graph.producer(input), context.graph[pad].is("Pad"),
        context.graph[pad].region == node.region, let source = context.graph[pad].input(0)
      else { return nil }
      let padNode = context.graph[pad]
      let reader = AttributeReader(node)
      let mode = try AttributeReader(padNode).string("mode", default: "constant")
      guard mode == "constant" else { throw Refusal("the Pad's mode is \(mode)", at: pad) }
      guard var amounts = try context.constant(padNode.input(1))?.ints() else {
        throw Refusal("the Pad's amounts are computed", at: pad)
      }
      guard let rank = context.rank(source) ?? context.rank(input), rank >= 3 else {
        throw Refusal("the rank is not known", at: pad)
      }
      if let axes = padNode.input(3) {
        guard let list = try context.constant(axes)?.ints(), list.count * 2 == amounts.count else { return nil }
        var full = [Int](repeating: 0, count: 2 * rank)
        for (index, axis) in list.enumerated() {
          let axis = axis < 0 ? axis + rank : axis
          guard (0..<rank).contains(axis) else { return nil }
          full[axis] = amounts[index]
          full[rank + axis] = amounts[list.count + index]
        }
        amounts = full
      }
      guard amounts.count == 2 * rank else { return nil }
      guard amounts.allSatisfy({ $0 >= 0 }) else { throw Refusal("the Pad crops", at: pad) }
      guard amounts[0] == 0, amounts[1] == 0, amounts[rank] == 0, amounts[rank + 1] == 0 else {
        throw Refusal("the Pad widens batch or channels", at: pad)
      }
      let value = padNode.input(2) == nil ? 0 : context.uniform(padNode.input(2))
      switch node.type {
      case "MaxPool":
        guard value == -.infinity else { throw Refusal("MaxPool needs a pad of -inf, this one is not", at: pad) }
        if node.output(1) != nil { return nil }
      default:
        guard value == 0 else { throw Refusal("the Pad's value is not 0", at: pad) }
      }
      guard try reader.string("auto_pad", default: "NOTSET") == "NOTSET" || reader.string("auto_pad") == "VALID" else {
        throw Refusal("auto_pad would count the padding twice", at: id)
      }
      let spatial = rank - 2
      let own = try reader.optionalInts("pads") ?? [Int](repeating: 0, count: 2 * spatial)
      guard own.count == 2 * spatial else { return nil }
      let pads = (0..<2 * spatial).map {
        Int64(own[$0] + ($0 < spatial ? amounts[2 + $0] : amounts[rank + 2 + $0 - spatial]))
      }
      if node.type != "Conv" {
        guard try reader.int("ceil_mode", default: 0) == 0 else {
          throw Refusal("ceil_mode with padding counts other cells", at: id)
        }
        let kernel = try reader.ints("kernel_shape")
        guard kernel.count == spatial, pads.indices.allSatisfy({ pads[$0] < kernel[$0 % spatial] }) else {
          throw Refusal("a pool's padding must be smaller than its kernel", at: id)
        }
      }
      var change = GraphChange(rule: name, covers: [pad, id], isFusion: true)
      var attributes = node.attributes.filter { $0.name != "pads" && $0.name != "auto_pad" }
      if node.type == "AveragePool" {
        let counts = try reader.int("count_include_pad", default: 0) != 0
        guard counts || own.allSatisfy({ $0 == 0 }) else {
          throw Refusal("AveragePool leaves its own padding out of the mean, the Pad's counts", at: id)
        }
        attributes.removeAll { $0.name == "count_include_pad" }
        attributes.append(NamedAttribute("count_include_pad", .int(1)))
      }
      attributes.append(NamedAttribute("pads", .ints(pads)))
      guard let output = node.output(0) else { return nil }
      let inputs: [GraphChange.Ref?] = [.existing(source)] + node.inputs.dropFirst().map { $0.map { .existing($0) } }
      change.replace(output, with: change.node(node.type, inputs, attributes, name: node.name))
      return change
    }
  }
}
