import GraphIR
import Tensors

/// com.microsoft.RotaryEmbedding(input, position_ids, cos_cache, sin_cache): rotates pairs of each head by the angles of its
/// position. position_ids is [B, S] or the one position of each item's first entry. Without `rotary_embedding_dim` a head is twice
/// as wide as the caches. `scale` and `is_packed_batching` change nothing in the runtimes that have the operator.
struct MicrosoftRotaryEmbedding: ComposedOperator {
  let name = OperatorName("RotaryEmbedding", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O RotaryEmbedding 1 4 4 1 1
    a interleaved int
    a is_packed_batching int
    a num_heads int
    a rotary_embedding_dim int
    a scale float
    i input T
    i position_ids M
    i cos_cache T
    i sin_cache T
    o output T
    c T tensor(*):float,float16,bfloat16
    c M tensor(*):int64
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let x = try c.given(0, "input")
    try c.require(x, ranks: 3...4, "input")
    let cos = try c.given(2, "cos_cache")
    let sin = try c.given(3, "sin_cache")
    for (cache, what) in [(cos, "cos_cache"), (sin, "sin_cache")] { try c.require(cache, ranks: 2...2, what) }
    let shape = try c.shape(x)
    let half = try c.number(try c.shape(cos)[1], "the width of cos_cache")
    let rotary = try c.attributes.int("rotary_embedding_dim", default: 0)
    var heads = try c.attributes.int("num_heads", default: 0)
    guard half > 0, rotary >= 0, heads >= 0 else {
      throw CameoError.badInput("rotary_embedding_dim \(rotary) and num_heads \(heads) with caches of width \(half)")
    }
    guard rotary == 0 || heads > 0 else { throw CameoError.badInput("rotary_embedding_dim needs num_heads") }
    var attributes = [NamedAttribute("interleaved", .int(try c.attributes.bool("interleaved") ? 1 : 0))]
    if rotary > 0 { attributes.append(NamedAttribute("rotary_embedding_dim", .int(Int64(rotary)))) }
    if shape.count == 3 {
      if heads == 0 {
        let width = try c.number(shape[2], "the width of input")
        guard width % (2 * half) == 0 else {
          throw CameoError.badInput("\(width) columns cannot be split into heads of \(2 * half)")
        }
        heads = width / (2 * half)
      }
      attributes.append(NamedAttribute("num_heads", .int(Int64(heads))))
    }
    let ids = try places(&c, x, length: shape.count == 3 ? 1 : 2)
    let rows = try [x, cos, sin].map { try c.wide($0) }
    let y = try c.node("RotaryEmbedding", [rows[0], rows[1], rows[2], ids], attributes)
    return [try c.cast(y, try c.type(x))]
  }

  /// Positions as [B, S].
  private func places<C: Composer>(_ c: inout C, _ x: C.Ref, length axis: Int) throws -> C.Ref {
    let ids = try c.given(1, "position_ids")
    let shape = try c.shape(ids)
    if shape.count == 2 { return ids }
    guard shape.isEmpty || shape == [1] else {
      throw CameoError.badInput("position_ids has the shape \(shape), [1] or [batch, length] was expected")
    }
    let length = try c.size(x, axis: axis)
    let rows = try c.add(try c.range(length), ids)
    return try c.node("Expand", [try c.unsqueeze(rows, [0]), try c.concat([try c.size(x, axis: 0), length], axis: 0)])
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftRotaryEmbedding(), to: $0) })
