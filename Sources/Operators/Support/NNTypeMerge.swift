import GraphIR
import Tensors

extension InferenceContext {
  /// The type that holds whichever of two came: equal parts are kept, different ones are unknown.
  mutating func merged(_ a: ValueType?, _ b: ValueType?) -> ValueType? {
    guard let a, let b else { return nil }
    if a == b { return a }
    switch (a, b) {
    case (.tensor(let x, let s), .tensor(let y, let t)):
      return .tensor(x == y ? x : x == nil ? y : y == nil ? x : nil, merged(s, t))
    case (.sparse(let x, let s), .sparse(let y, let t)): return .sparse(x == y ? x : nil, merged(s, t))
    case (.sequence(let x), .sequence(let y)): return merged(x, y).map { .sequence($0) }
    case (.optional(let x), .optional(let y)): return merged(x, y).map { .optional($0) }
    case (.optional(let x), let y): return merged(x, y).map { .optional($0) }
    case (let x, .optional(let y)): return merged(x, y).map { .optional($0) }
    default: return nil
    }
  }

  private mutating func merged(_ a: [Dim]?, _ b: [Dim]?) -> [Dim]? {
    guard let a, let b, a.count == b.count else { return nil }
    var result = a
    for axis in a.indices where a[axis] != b[axis] { result[axis] = unknownDim() }
    return result
  }

  /// Infers a body whose carried values come back changed: dimensions that change are widened until they hold. The types that
  /// the carried values have in every iteration, and the facts of all body outputs.
  mutating func inferIterated(
    body: RegionID, leading: [ValueFacts], carried initial: [ValueType?], trailing: [ValueFacts],
    firstCarriedOutput: Int
  ) throws -> (carried: [ValueType?], outputs: [ValueFacts]) {
    var carried = initial
    var outputs: [ValueFacts] = []
    for _ in 0..<4 {
      outputs = try infer(body: body, inputs: leading + carried.map { ValueFacts(type: $0) } + trailing)
      guard outputs.count >= firstCarriedOutput + carried.count else {
        throw CameoError.badInput("the body has \(outputs.count) outputs for \(carried.count) carried values")
      }
      var isStable = true
      for (index, type) in carried.enumerated() {
        let returned = outputs[firstCarriedOutput + index].type
        // A dimension that widening named may return under another name: it is unknown already.
        if type == returned { continue }
        let joined = merged(type, returned)
        if !InferenceContext.isSameUpToNames(joined, type) {
          carried[index] = joined
          isStable = false
        }
      }
      if isStable { break }
    }
    return (carried, outputs)
  }

  /// True where `b` says as little as `a`: known dimensions agree, unknown ones are symbols in both.
  private static func isSameUpToNames(_ a: ValueType?, _ b: ValueType?) -> Bool {
    switch (a, b) {
    case (nil, nil): return true
    case (.tensor(let x, let s)?, .tensor(let y, let t)?):
      guard x == y else { return false }
      guard let s, let t else { return s == nil && t == nil }
      return s.count == t.count
        && zip(s, t).allSatisfy { p, q in
          p == q || p.symbolName != nil && q.symbolName.map(ShapeInference.isGenerated) == true
        }
    case (.sequence(let x)?, .sequence(let y)?): return isSameUpToNames(x, y)
    case (.optional(let x)?, .optional(let y)?): return isSameUpToNames(x, y)
    default: return a == b
    }
  }
}
