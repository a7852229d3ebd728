import GraphIR
import Operators
import PassKit
import Tensors

/// The trailing elements of a value as sums of products of elements of other values: what a rotation consists of.
final class RotationTerms {
  /// Element `index` of the last `trailing` axes of `value`, converted to `type` where there is one.
  struct Factor: Hashable {
    var value: ValueID
    var trailing: Int
    var index: Int
    var type: DataType?

    /// What it is an element of.
    var source: Factor { Factor(value: value, trailing: trailing, index: 0, type: type) }
  }

  struct Term: Hashable {
    var isNegative: Bool
    var a: Factor
    var b: Factor?
  }

  private struct Key: Hashable {
    let value: ValueID
    let trailing: Int
  }

  private let elements: TrailingElements
  private var context: PassContext { elements.context }
  private var factorMemo: [Key: [Term]] = [:]
  private var sumMemo: [Key: [[Term]]] = [:]
  /// The nodes that the sums consist of.
  private(set) var nodes: Set<NodeID> = []

  init(_ context: PassContext, region: RegionID) { elements = TrailingElements(context, region: region) }

  /// Each element as one factor with a sign: movements and Neg are seen through, all else is taken as it is.
  func factors(_ value: ValueID, _ trailing: Int, depth: Int = 0) throws -> [Term]? {
    let key = Key(value: value, trailing: trailing)
    if let known = factorMemo[key] { return known }
    guard let count = elements.count(value, trailing) else { return nil }
    var result: [Term]? = depth < 12 ? try signed(value, trailing, count, depth) : nil
    if result == nil, depth < 12 { result = try widened(value, trailing, depth) }
    if result == nil, depth < 12, let step = try elements.step(value, trailing) {
      let inputs = try step.inputs.map { try factors($0.value, $0.trailing, depth: depth + 1) }
      if !inputs.contains(where: { $0 == nil }), step.sources.count == count {
        result = step.sources.compactMap { source in
          guard let input = inputs[source.input], source.index < input.count else { return nil }
          var term = input[source.index]
          if step.isNegated { term.isNegative.toggle() }
          return term
        }
        if result?.count != count { result = nil }
      }
    }
    let terms =
      result
      ?? (0..<count).map {
        Term(isNegative: false, a: Factor(value: value, trailing: trailing, index: $0), b: nil)
      }
    factorMemo[key] = terms
    return terms
  }

  /// The factors behind a Cast that keeps each value as it is.
  private func widened(_ value: ValueID, _ trailing: Int, _ depth: Int) throws -> [Term]? {
    let graph = context.graph
    guard let id = graph.producer(value), graph[id].is("Cast"), graph[id].region == elements.region,
      let input = graph[id].input(0), let from = context.dataType(input), [.float16, .bfloat16].contains(from),
      let to = context.dataType(value), to == .float
    else { return nil }
    return try factors(input, trailing, depth: depth + 1)?.map {
      var term = $0
      if term.a.type == nil { term.a.type = to }
      return term
    }
  }

  /// The factors of `x * c` with a constant of ones and minus ones.
  private func signed(_ value: ValueID, _ trailing: Int, _ count: Int, _ depth: Int) throws -> [Term]? {
    let graph = context.graph
    guard let id = graph.producer(value), graph[id].is("Mul"), graph[id].region == elements.region,
      let a = graph[id].input(0), let b = graph[id].input(1), let rank = context.rank(value),
      let to = elements.dimensions(value, trailing)
    else { return nil }
    for (x, sign) in [(a, b), (b, a)] {
      guard let own = context.constant(sign)?.rank, context.rank(x) == rank else { continue }
      let kept = min(own, trailing)
      guard let sizes = elements.dimensions(sign, kept), elements.dimensions(x, trailing) == to else { continue }
      let units = TrailingElements.broadcast(sizes, to: to).map {
        unit(Factor(value: sign, trailing: kept, index: $0))
      }
      guard units.count == count, !units.contains(where: { $0 == nil }),
        let terms = try factors(x, trailing, depth: depth + 1)
      else { continue }
      return zip(terms, units).map { term, unit in
        Term(isNegative: term.isNegative != ((unit ?? 1) < 0), a: term.a, b: nil)
      }
    }
    return nil
  }

  /// Each element as a sum of at most two products of two factors, or one factor.
  func sums(_ value: ValueID, _ trailing: Int, depth: Int = 0) throws -> [[Term]]? {
    let key = Key(value: value, trailing: trailing)
    if let known = sumMemo[key] { return known }
    guard depth < 12, let to = elements.dimensions(value, trailing) else { return nil }
    let result = try compute(value, trailing, to, depth)
    if let result { sumMemo[key] = result }
    return result
  }

  private func compute(_ value: ValueID, _ trailing: Int, _ to: [Int], _ depth: Int) throws -> [[Term]]? {
    let graph = context.graph
    if let id = graph.producer(value), graph[id].region == elements.region, graph[id].domain.isEmpty,
      let rank = context.rank(value)
    {
      switch graph[id].type {
      case "Add", "Sub":
        guard let a = graph[id].input(0), let b = graph[id].input(1), leadsToProduct(a), leadsToProduct(b),
          let x = try spread(a, trailing, rank, to, depth, summed),
          let y = try spread(b, trailing, rank, to, depth, summed)
        else { break }
        let negated = graph[id].type == "Sub"
        let joined = zip(x, y).map { p, q in
          p + q.map { Term(isNegative: $0.isNegative != negated, a: $0.a, b: $0.b) }
        }
        guard joined.allSatisfy({ $0.count <= 2 }) else { break }
        nodes.insert(id)
        return joined
      case "Mul":
        guard let a = graph[id].input(0), let b = graph[id].input(1),
          let x = try spread(a, trailing, rank, to, depth, lone), let y = try spread(b, trailing, rank, to, depth, lone)
        else { break }
        nodes.insert(id)
        return zip(x, y).map { [product($0[0], $1[0])] }
      default:
        if let step = try elements.step(value, trailing) {
          let inputs = try step.inputs.map { try sums($0.value, $0.trailing, depth: depth + 1) }
          if inputs.contains(where: { $0 == nil }) { break }
          nodes.insert(id)
          return step.sources.map { source in
            (inputs[source.input] ?? [])[source.index].map {
              Term(isNegative: $0.isNegative != step.isNegated, a: $0.a, b: $0.b)
            }
          }
        }
      }
    }
    return try factors(value, trailing).map { $0.map { [$0] } }
  }

  private func lone(_ value: ValueID, _ trailing: Int, _ depth: Int) throws -> [[Term]]? {
    try factors(value, trailing, depth: depth).map { $0.map { [$0] } }
  }

  /// The terms of an operand, repeated over the axes along which it is broadcast.
  private func spread(
    _ operand: ValueID, _ trailing: Int, _ rank: Int, _ to: [Int], _ depth: Int,
    _ terms: (ValueID, Int, Int) throws -> [[Term]]?
  ) throws -> [[Term]]? {
    guard let own = context.rank(operand), own >= 1 || context.constant(operand) != nil else { return nil }
    let kept = min(own, trailing)
    guard let sizes = elements.dimensions(operand, kept), let list = try terms(operand, kept, depth + 1) else {
      return nil
    }
    return TrailingElements.broadcast(sizes, to: to).map { list[$0] }
  }

  private func summed(_ value: ValueID, _ trailing: Int, _ depth: Int) throws -> [[Term]]? {
    try sums(value, trailing, depth: depth)
  }

  /// A factor that is the constant 1 or -1 is a sign.
  private func product(_ x: Term, _ y: Term) -> Term {
    let sign = x.isNegative != y.isNegative
    if let unit = unit(x.a) { return Term(isNegative: sign != (unit < 0), a: y.a, b: nil) }
    if let unit = unit(y.a) { return Term(isNegative: sign != (unit < 0), a: x.a, b: nil) }
    return Term(isNegative: sign, a: x.a, b: y.a)
  }

  private func unit(_ factor: Factor) -> Double? {
    guard factor.type == nil, let tensor = context.constant(factor.value), tensor.dataType.isFloatingPoint,
      tensor.shape.dropLast(factor.trailing).allSatisfy({ $0 == 1 }), factor.index < tensor.count, tensor.count <= 4096,
      let view = try? ElementView<Double>(tensor), view[factor.index].magnitude == 1
    else { return nil }
    return view[factor.index]
  }

  /// True where behind a few movements of trailing axes there is a product (of products).
  func leadsToProduct(_ value: ValueID, depth: Int = 0) -> Bool {
    let graph = context.graph
    guard depth < 6, let id = graph.producer(value), graph[id].region == elements.region, graph[id].domain.isEmpty
    else { return false }
    switch graph[id].type {
    case "Mul": return true
    case "Neg", "Concat", "Reshape", "Unsqueeze", "Squeeze", "Slice", "Split", "Transpose", "Flatten", "Identity":
      return graph[id].inputs.contains { $0.map { leadsToProduct($0, depth: depth + 1) } ?? false }
    default: return false
    }
  }

  /// True where behind a few movements there is a sum of two products: worth looking closer.
  static func leadsToSum(_ value: ValueID, _ context: PassContext, depth: Int = 0) -> Bool {
    let graph = context.graph
    guard depth < 5, let id = graph.producer(value), graph[id].domain.isEmpty else { return false }
    switch graph[id].type {
    case "Add", "Sub":
      return graph[id].inputs.allSatisfy { input in
        guard let input, let producer = graph.producer(input) else { return false }
        return ["Mul", "Concat", "Neg", "Reshape", "Unsqueeze"].contains(graph[producer].type)
      }
    case "Concat", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Transpose":
      return graph[id].inputs.prefix(4).contains { $0.map { leadsToSum($0, context, depth: depth + 1) } ?? false }
    default: return false
    }
  }

  /// The orders in which values met on the way hold at least `count` elements of what `factor` is an element of: its own
  /// first.
  func orders(of factor: Factor, atLeast count: Int) -> [[Factor]] {
    guard let all = elements.count(factor.value, factor.trailing) else { return [] }
    let own = (0..<all).map {
      Factor(value: factor.value, trailing: factor.trailing, index: $0, type: factor.type)
    }
    let others = factorMemo.filter { _, terms in
      terms.count >= count && terms.allSatisfy { !$0.isNegative && $0.b == nil && $0.a.source == factor.source }
        && Set(terms.map(\.a.index)).count == terms.count
    }
    let sorted = others.sorted { ($0.key.trailing, $0.key.value) < ($1.key.trailing, $1.key.value) }
    return [own] + sorted.map { $0.value.map(\.a) }.filter { $0 != own }
  }

  /// A value met on the way whose last axis (else its last few, the number of which is given) holds exactly these factors.
  func value(holding wanted: [Factor]) -> (value: ValueID, trailing: Int)? {
    guard let first = wanted.first else { return nil }
    let isWhole =
      first.type == nil && first.index == 0 && wanted.count == elements.count(first.value, first.trailing)
      && wanted.indices.allSatisfy {
        wanted[$0] == Factor(value: first.value, trailing: first.trailing, index: $0)
      }
    if isWhole && first.trailing == 1 { return (first.value, 1) }
    let found = factorMemo.filter { key, terms in
      terms.count == wanted.count && zip(terms, wanted).allSatisfy { !$0.isNegative && $0.b == nil && $0.a == $1 }
    }
    let nearest = found.keys.map { ($0.value, $0.trailing) }.min { ($0.1, $0.0) < ($1.1, $1.0) }
    return nearest ?? (isWhole ? (first.value, first.trailing) : nil)
  }

  /// The same with what it has to be converted to first.
  func input(holding wanted: [Factor]) -> (value: ValueID, trailing: Int, type: DataType?)? {
    if let (value, trailing) = value(holding: wanted) { return (value, trailing, nil) }
    guard let type = wanted.first?.type, wanted.allSatisfy({ $0.type == type }) else { return nil }
    let plain = wanted.map { Factor(value: $0.value, trailing: $0.trailing, index: $0.index) }
    return value(holding: plain).map { ($0.value, $0.trailing, type) }
  }
}
