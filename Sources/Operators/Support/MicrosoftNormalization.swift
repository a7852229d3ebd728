import GraphIR
import Tensors

/// Normalization of a sum of inputs: SkipLayerNormalization and SkipSimplifiedLayerNormalization.
enum SkipNormalization {
  static func compose<C: Composer>(_ c: inout C, isRMS: Bool, beta: C.Ref?, bias: C.Ref?) throws -> [C.Ref?] {
    let input = try c.given(0, "input")
    let skip = try c.given(1, "skip")
    try c.require(input, ranks: 2...3, "input")
    let rank = try c.rank(input)
    let gamma = try c.given(2, "gamma")
    try c.require(gamma, ranks: 1...1, "gamma")
    for (part, what) in [(beta, "beta"), (bias, "bias")] {
      if let part { try c.require(part, ranks: 1...1, what) }
    }
    if let shape = c.facts(skip).shape, try Broadcast.shape(try c.shape(input), shape).count != rank {
      throw CameoError.badInput("skip has rank \(shape.count), input has rank \(rank)")
    }
    var sum = try c.add(try c.wide(input), try c.wide(skip))
    if let bias { sum = try c.add(sum, try c.wide(bias)) }
    let type = try c.type(input)
    let epsilon = try c.attributes.float("epsilon")
    let kept = c.wants(3) ? try c.cast(sum, type) : nil
    let factor = try c.wide(gamma)
    if isRMS {
      let (y, inverse) = try rootMeanSquare(&c, sum, factor, axis: -1, rank: rank, epsilon: epsilon, c.wants(2))
      return [try c.cast(y, type), c.wants(1) ? try zeros(&c, like: sum, rank) : nil, inverse, kept]
    }
    let inputs = try [sum, factor] + (beta.map { [try c.wide($0)] } ?? [])
    let wanted = c.wants(2) ? 3 : c.wants(1) ? 2 : 1
    let all = try c.nodes(
      OperatorName("LayerNormalization"), inputs,
      [NamedAttribute("axis", .int(-1)), NamedAttribute("epsilon", .float(epsilon))], outputs: wanted)
    return [try c.cast(all[0], type), wanted > 1 ? all[1] : nil, wanted > 2 ? all[2] : nil, kept]
  }

  /// The mean that an RMS normalization takes away: 0.
  private static func zeros<C: Composer>(_ c: inout C, like sum: C.Ref, _ rank: Int) throws -> C.Ref {
    let rows = try (0..<rank - 1).map { try c.size(sum, axis: $0) } + [try c.ints([1])]
    return try c.filled(try c.concat(rows, axis: 0), 0, .float)
  }

  /// RMSNormalization, and 1 / sqrt(mean(x * x) + epsilon) where it is wanted.
  static func rootMeanSquare<C: Composer>(
    _ c: inout C, _ x: C.Ref, _ scale: C.Ref, axis: Int, rank: Int, epsilon: Float, _ wantsInverse: Bool
  ) throws -> (C.Ref, C.Ref?) {
    let y = try c.node(
      "RMSNormalization", [x, scale],
      [NamedAttribute("axis", .int(Int64(axis))), NamedAttribute("epsilon", .float(epsilon))])
    guard wantsInverse else { return (y, nil) }
    let first = try Axes.normalize(axis, rank: rank)
    let mean = try c.node("ReduceMean", [try c.mul(x, x), try c.ints(Array(first..<rank))])
    let root = try c.node("Sqrt", [try c.add(mean, try c.scalar(Double(epsilon), try c.type(x)))])
    return (y, try c.cast(try c.node("Reciprocal", [root]), .float))
  }

  static func inferOpen(_ context: inout InferenceContext) {
    context.set(0, context.dataType(0), context.shape(0))
    for index in 1...2 {
      context.set(index, .float, context.shape(0).map { $0.isEmpty ? $0 : Array($0.dropLast()) + [1] })
    }
    context.set(3, context.dataType(0), context.shape(0))
  }
}

/// SimplifiedLayerNormalization, which stands in the standard domain although no standard has it, and in com.microsoft.
struct SimplifiedLayerNormal: ComposedOperator {
  let name: OperatorName
  let signature: StaticString?

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let x = try c.given(0, "X")
    let scale = try c.given(1, "scale")
    let rank = try c.rank(x)
    let type = try c.type(x)
    let wide = try c.wide(x)
    var factor = try c.wide(scale)
    if type == .double { factor = try c.cast(factor, .double) }
    let (y, inverse) = try SkipNormalization.rootMeanSquare(
      &c, wide, try c.cast(factor, try c.type(wide)), axis: try c.attributes.int("axis"), rank: rank,
      epsilon: try c.attributes.float("epsilon"), c.wants(1))
    return [try c.cast(y, try c.type(scale)), inverse]
  }

  func inferOpen(_ context: inout InferenceContext) {
    context.set(0, context.dataType(1), context.shape(0))
    context.set(1, .float, nil)
  }
}

/// GroupNorm and SkipGroupNorm.
enum GroupNormal {
  static func compose<C: Composer>(_ c: inout C, skip: C.Ref?, bias: C.Ref?) throws -> [C.Ref?] {
    let x = try c.given(0, "X")
    let rank = try c.rank(x)
    guard rank >= 3 else { throw CameoError.badInput("X has rank \(rank), 3 or more was expected") }
    let isLast = try c.attributes.bool("channels_last")
    let groups = try c.attributes.int("groups")
    guard groups > 0 else { throw CameoError.badInput("attribute groups is \(groups), 1 or more was expected") }
    var sum = try c.wide(x)
    if let skip { sum = try c.add(sum, try spread(&c, try c.wide(skip), rank: rank, isLast: isLast)) }
    if let bias {
      let row = try c.wide(bias)
      sum = try c.add(sum, isLast ? row : try c.unsqueeze(row, Array(1..<rank - 1)))
    }
    let first = isLast ? try ChannelsLast.toFirst(&c, sum, rank: rank) : sum
    let type = try c.type(sum)
    var y = try c.node(
      "GroupNormalization",
      [first, try c.cast(try c.given(1, "gamma"), type), try c.cast(try c.given(2, "beta"), type)],
      [
        NamedAttribute("epsilon", .float(try c.attributes.float("epsilon"))),
        NamedAttribute("num_groups", .int(Int64(groups))),
      ])
    switch try c.attributes.int("activation") {
    case 0: break
    case 1: y = try c.swish(y)
    case let other: throw CameoError.badInput("attribute activation is \(other), 0 or 1 was expected")
    }
    if isLast { y = try ChannelsLast.fromFirst(&c, y, rank: rank) }
    return [try c.cast(y, try c.type(x)), c.wants(1) ? try c.cast(sum, try c.type(x)) : nil]
  }

  /// A skip tensor of [N, C] gets its spatial axes.
  private static func spread<C: Composer>(_ c: inout C, _ skip: C.Ref, rank: Int, isLast: Bool) throws -> C.Ref {
    switch try c.rank(skip) {
    case rank: return skip
    case 2: return try c.unsqueeze(skip, isLast ? Array(1..<rank - 1) : Array(2..<rank))
    case let other: throw CameoError.badInput("skip has rank \(other), \(rank) or 2 was expected")
    }
  }
}
