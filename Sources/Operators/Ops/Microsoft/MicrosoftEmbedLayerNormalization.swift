import GraphIR
import Tensors

/// com.microsoft.EmbedLayerNormalization(input_ids, segment_ids?, word, position, segment?, gamma, beta, mask?, position_ids?):
/// layer normalization of the sum of the embeddings; how many entries of each mask row are 1 (0 without a mask); the sum.
struct MicrosoftEmbedLayerNormalization: ComposedOperator {
  let name = OperatorName("EmbedLayerNormalization", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O EmbedLayerNormalization 1 7 9 1 3
    a epsilon float=1e-12
    a mask_index_type int
    i input_ids T1
    i? segment_ids T1
    i word_embedding T
    i position_embedding T
    i? segment_embedding T
    i gamma T
    i beta T
    i? mask T1
    i? position_ids T1
    o output T
    o? mask_index T1
    o? embedding_sum T
    c T1 tensor(*):int32
    c T tensor(*):float,float16,bfloat16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let ids = try c.given(0, "input_ids")
    let words = try c.given(2, "word_embedding")
    let positions = try c.given(3, "position_embedding")
    try c.require(ids, ranks: 2...2, "input_ids")
    try c.require(words, ranks: 2...2, "word_embedding")
    try c.require(positions, ranks: 2...2, "position_embedding")
    guard c.has(1) == c.has(4) else { throw CameoError.badInput("segment_ids and segment_embedding go together") }
    let places: C.Ref
    if let given = c.input(8) {
      places = given
    } else {
      places = try c.unsqueeze(try c.range(try c.size(ids, axis: 1)), [0])
    }
    var sum = try c.add(try look(&c, words, ids), try look(&c, positions, places))
    if let table = c.input(4), let segments = c.input(1) { sum = try c.add(sum, try look(&c, table, segments)) }
    let y = try c.node(
      "LayerNormalization", [sum, try c.wide(try c.given(5, "gamma")), try c.wide(try c.given(6, "beta"))],
      [NamedAttribute("axis", .int(-1)), NamedAttribute("epsilon", .float(try c.attributes.float("epsilon")))])
    let type = try c.type(words)
    var counts: C.Ref?
    if c.wants(1) {
      if let mask = c.input(7) {
        let ones = try c.node("Equal", [mask, try c.scalar(1, .int32)])
        counts = try c.node(
          "ReduceSum", [try c.cast(ones, .int32), try c.ints([1])], [NamedAttribute("keepdims", .int(0))])
      } else {
        counts = try c.filled(try c.size(ids, axis: 0), 0, .int32)
      }
    }
    return [try c.cast(y, type), counts, c.wants(2) ? try c.cast(sum, type) : nil]
  }

  /// Rows of a table, widened. Indices outside it are an error, negative ones too.
  private func look<C: Composer>(_ c: inout C, _ table: C.Ref, _ ids: C.Ref) throws -> C.Ref {
    if let rows = c.facts(table).shape?.first?.value, let known = c.facts(ids).tensor, let values = try? known.ints(),
      let wrong = values.first(where: { $0 < 0 || $0 >= rows })
    {
      throw CameoError.badInput("index \(wrong) lies outside an embedding of \(rows) rows")
    }
    return try c.wide(try c.node("Gather", [table, ids]))
  }

  func inferOpen(_ context: inout InferenceContext) {
    context.set(0, context.dataType(2), nil)
    context.set(1, .int32, context.shape(0).map { Array($0.prefix(1)) })
    context.set(2, context.dataType(2), nil)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftEmbedLayerNormalization(), to: $0) })
