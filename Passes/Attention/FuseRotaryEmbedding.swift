import GraphIR
import Operators
import PassKit
import Tensors

/// Rotary position embeddings, in whatever spelling, become RotaryEmbedding (opset 23).
///
/// Before: `x * cos + Concat(Neg(x[half:]), x[:half]) * sin` with `cos = Cos(Concat(angles, angles))`.
/// After: `RotaryEmbedding(x, Cos(angles), Sin(angles))`.
///
/// Halves or interleaved pairs, all of the last axis or its first part, heads before or behind the length or none, computed or
/// tabled angles. The two numbers that a pair is turned by must be provably the same for both of its elements; cosine and sine
/// are then computed for half of the axis only.
public enum FuseRotaryEmbedding {
  public static let pass = RewritePass(
    "FuseRotaryEmbedding", level: 2, summary: "recognises rotary position embeddings as RotaryEmbedding",
    documentation: """
      Before: x1, x2 = Split <axis = -1, num_outputs = 2> (x)  r = Concat <axis = -1> (Neg (x2), x1)
              y = Add (Mul (x, cos), Mul (r, sin))   with cos = Cos (Concat <axis = -1> (f, f)), sin alike
      After:  y = RotaryEmbedding (x, Cos (f), Sin (f))
      Also interleaved pairs, Concat (x1 * c - x2 * s, x2 * c + x1 * s), and rotations of the first part of the axis only.
      """, rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "RotaryEmbedding"
    let anchors: Set<OperatorName> = Set(["Add", "Sub", "Concat", "Reshape", "Flatten"].map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let output = graph[id].output(0), let last = context.shape(output)?.last?.value, last >= 2,
        RotationTerms.leadsToSum(output, context)
      else { return nil }
      // What is behind may be the same rotation with the rest of the axis, or its elements in order.
      var wholes: [ValueID] = []
      var current = output
      while wholes.count < 4, graph.hasSingleUse(current), let next = graph.consumers(current).first,
        graph[next].region == graph[id].region, graph[next].domain.isEmpty,
        ["Concat", "Reshape", "Flatten", "Unsqueeze"].contains(graph[next].type), let after = graph[next].output(0)
      {
        wholes.append(after)
        current = after
      }
      for whole in wholes.reversed() {
        if let rotation = try? Rotation(whole, in: context), let change = try? change(rotation, whole, context) {
          return change
        }
      }
      // Pairs as an axis of their own, whatever becomes of them.
      if graph[id].is("Concat"), last == 2, let rotation = try? Rotation(output, trailing: 2, in: context),
        let change = try? change(rotation, output, context)
      {
        return change
      }
      guard let rotation = try Rotation(output, in: context) else { return nil }
      return try change(rotation, output, context)
    }

    private func change(_ rotation: Rotation, _ result: ValueID, _ context: PassContext) throws -> GraphChange? {
      guard context.mayEmit(opset: 23) else {
        throw Refusal("RotaryEmbedding needs opset 23, the output is limited to \(context.options.opsetCeiling)")
      }
      guard let type = rotation.inputType ?? context.dataType(rotation.input),
        [.float, .float16, .bfloat16].contains(type),
        rotation.cosine.type ?? context.dataType(rotation.cosine.value) == type,
        rotation.sine.type ?? context.dataType(rotation.sine.value) == type
      else {
        throw Refusal(
          "RotaryEmbedding is not for \(context.dataType(rotation.input)?.name ?? "an unknown type")",
          at: context.graph.producer(result))
      }
      let graph = context.graph
      let inside = Set(rotation.covers)
      guard let root = rotation.covers.first else { return nil }
      var change = GraphChange(rule: name, covers: rotation.covers, isFusion: true)
      let frame = try RotaryFrame(rotation, result, context)
      let region = graph[root].region
      guard let cosine = try frame.cache(rotation.cosine, "cosine", region, in: &change),
        var sine = try frame.cache(rotation.sine, "sine", region, in: &change)
      else { return nil }
      if rotation.isBackward { sine = change.node("Neg", [sine], covers: []) }
      var attributes: [NamedAttribute] = []
      if rotation.isInterleaved { attributes.append(NamedAttribute("interleaved", .int(1))) }
      if rotation.rotated < rotation.size {
        attributes.append(NamedAttribute("rotary_embedding_dim", .int(Int64(rotation.rotated))))
      }
      var source = GraphChange.Ref.existing(rotation.input)
      if let type = rotation.inputType {
        source = change.node("Cast", [source], [NamedAttribute("to", .int(Int64(type.rawValue)))], covers: [])
      }
      if rotation.trailing > 1 {
        let shape = [Int](repeating: 0, count: frame.shape.count - 1) + [rotation.size]
        source = change.node("Reshape", [source, change.constant(try .ints(shape))], covers: [])
      }
      let (input, restore) = try frame.enter(source, &attributes, in: &change)
      let output = change.node("RotaryEmbedding", [input, cosine, sine], attributes)
      var restored = try restore(output, &change)
      if rotation.resultTrailing > 1 {
        let sizes = context.shape(result)?.suffix(rotation.resultTrailing).compactMap(\.value) ?? []
        let shape = [Int](repeating: 0, count: rotation.shape.count - 1) + sizes
        restored = change.node("Reshape", [restored, change.constant(try .ints(shape))], covers: [])
      }
      change.replace(result, with: restored)
      // A sum that is read elsewhere stays, and was computed for nothing twice: not worth it.
      for covered in inside where covered != root && ["Add", "Sub"].contains(graph[covered].type) {
        for case .some(let value) in graph[covered].outputs
        where graph.isRegionOutput(value) || graph.consumers(value).contains(where: { !inside.contains($0) }) {
          throw Refusal("a part of the rotation, \(graph[value].name), is also read elsewhere", at: covered)
        }
      }
      return change
    }
  }
}
