import GraphIR
import PassKit
import Tensors

/// The mask as the standard's Attention takes it.
extension MaskForm {
  /// All of it as one tensor of rank 2 to 4 that the standard's Attention takes; nil where nothing is added.
  func finished(
    queries: GraphChange.Ref, keys: GraphChange.Ref, _ change: inout GraphChange
  ) throws -> GraphChange.Ref? {
    var ref: GraphChange.Ref
    var shape: [Dim]
    switch state {
    case .none: return nil
    case .allowed(let mask, let own): (ref, shape) = (mask, own)
    case .bias(let bias, let own): (ref, shape) = (bias, own)
    }
    (ref, shape) = try grouped(ref, shape, &change)
    let target = [layout.batch, layout.heads, layout.queries, layout.keys]
    for (dim, full) in zip(shape.reversed(), target.reversed()) where dim != 1 && dim != full {
      if dim.isKnown && full.isKnown || full == 1 { throw Refusal("the bias has more rows than the scores") }
    }
    // Attention forbids what a mask is too short for, and ONNX Runtime takes no mask of one row for several queries.
    let last = shape.last ?? 1
    let isShort = last.isKnown ? last == 1 && layout.keys != 1 : !last.spans(layout.keys)
    let isRow = (shape.dropLast().last ?? 1) == 1 && layout.queries != 1 && MaskForm.needsRows(context)
    if isShort || isRow {
      let rows = isRow ? layout.queries : 1
      return try widened(ref, shape, to: [rows, isShort ? layout.keys : 1], queries, keys, &change)
    }
    return shape.count > 1 ? ref : change.node("Unsqueeze", [ref, change.constant(try .ints([0]))], covers: [])
  }

  /// ONNX Runtime takes no mask of one row for several queries.
  static func needsRows(_ context: PassContext) -> Bool {
    context.options.level < 3
  }

  /// The last two axes repeated to `lengths`, where 1 leaves an axis as it is.
  private func widened(
    _ ref: GraphChange.Ref, _ shape: [Dim], to lengths: [Dim], _ queries: GraphChange.Ref, _ keys: GraphChange.Ref,
    _ change: inout GraphChange
  ) throws -> GraphChange.Ref {
    let numbers = lengths.compactMap(\.value)
    if numbers.count == lengths.count {
      return change.node("Expand", [ref, change.constant(try .ints(numbers))], covers: [])
    }
    func length(_ dim: Dim, of operand: GraphChange.Ref) throws -> GraphChange.Ref {
      if let value = dim.value { return change.constant(try .ints([value])) }
      // From the bias itself where that tells it: layers share the bias and then this, too.
      let isOwn = shape.last == dim
      let start = isOwn ? shape.count - 1 : layout.isFlat ? 1 : 2
      return change.node(
        "Shape", [isOwn ? ref : operand],
        [NamedAttribute("start", .int(Int64(start))), NamedAttribute("end", .int(Int64(start + 1)))], covers: [])
    }
    let target = change.node(
      "Concat", [try length(lengths[0], of: queries), try length(lengths[1], of: keys)],
      [NamedAttribute("axis", .int(0))], covers: [])
    return change.node("Expand", [ref, target], covers: [])
  }

  /// The atoms joined to batch and heads.
  private func grouped(
    _ ref: GraphChange.Ref, _ shape: [Dim], _ change: inout GraphChange
  ) throws -> (GraphChange.Ref, [Dim]) {
    let lead = shape.dropLast(2)
    guard shape.count > 2, layout.atoms.count != 2 || layout.split != 1 else { return (ref, shape) }
    let padded = [Dim](repeating: 1, count: max(0, layout.atoms.count - lead.count)) + lead
    func joined(_ own: ArraySlice<Dim>, _ atoms: ArraySlice<Dim>) throws -> (dim: Dim, needsExpand: Bool) {
      if own.allSatisfy({ $0 == 1 }) { return (1, false) }
      if Array(own) == Array(atoms) { return (HeadLayout.product(own), false) }
      return (HeadLayout.product(atoms), true)
    }
    let batch = try joined(padded[..<layout.split], layout.atoms[..<layout.split])
    let heads = try joined(padded[layout.split...], layout.atoms[layout.split...])
    var (ref, from) = (ref, shape)
    if batch.needsExpand || heads.needsExpand {
      var full = padded
      if batch.needsExpand { full.replaceSubrange(..<layout.split, with: layout.atoms[..<layout.split]) }
      if heads.needsExpand { full.replaceSubrange(layout.split..., with: layout.atoms[layout.split...]) }
      let lengths = (full + [1, 1]).map(\.value)
      guard !lengths.contains(nil) else {
        throw layout.partialBatch("the bias")
      }
      ref = change.node("Expand", [ref, change.constant(try .ints(lengths.compactMap { $0 }))], covers: [])
      from = full + shape.suffix(2)
    }
    if batch.dim == 1, heads.dim == 1, shape.count <= 4 { return (ref, shape) }
    let target = [batch.dim, heads.dim] + shape.suffix(2)
    return (try Reshaping.reshape(ref, from: from, to: target, &change), target)
  }
}
