public import GraphIR
import Operators
public import Tensors

/// Inputs made from a graph's types alone, the same on every machine: floats in -1 ..< 1, small integers, open dimensions as
/// small primes.
public enum SeededInputs {
  public static func make(_ graph: Graph, seed: UInt64 = 1) throws -> [Value?] {
    var state = seed &* 0x9e37_79b9_7f4a_7c15
    func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
    let primes = [2, 3, 5, 7, 11]
    var dims: [String: Dim] = [:]
    return try graph.inputs.map { input in
      guard case .tensor(let type?, let shape?)? = graph[input].type else {
        throw CameoError.badInput("input \(graph[input].name) needs a type with a shape")
      }
      for symbol in shape.flatMap({ $0.symbols.sorted() }) where dims[symbol] == nil {
        dims[symbol] = Dim(primes[dims.count % 5])
      }
      let concrete = shape.compactMap { $0.substituting(dims).value }
      let count = try Tensor.elementCount(concrete)
      let numbers = (0..<count).map { _ in Double(Int64(next() >> 40)) * 0x1p-23 - 1 }
      if type.isFloatingPoint { return .tensor(try .of(numbers, type, shape: concrete)) }
      return .tensor(try .of((0..<count).map { _ in Int64(next() % 2) }, type, shape: concrete))
    }
  }

  /// max |a - b| / max(1, max |a|) over all outputs; infinity where types or shapes differ or only one is NaN.
  public static func difference(_ expected: [Value], _ found: [Value]) throws -> Double {
    guard expected.count == found.count else { return .infinity }
    var worst = 0.0
    for (a, b) in zip(expected, found) {
      guard let a = a.tensor, let b = b.tensor, a.shape == b.shape, a.dataType == b.dataType else { return .infinity }
      if a.dataType == .string {
        if a.strings != b.strings { return .infinity }
        continue
      }
      let x = try a.elements(as: Double.self)
      let y = try b.elements(as: Double.self)
      let peak = x.lazy.filter(\.isFinite).map(\.magnitude).max() ?? 0
      for (p, q) in zip(x, y) where p != q && !(p.isNaN && q.isNaN) {
        if !p.isFinite || !q.isFinite { return .infinity }
        worst = max(worst, (p - q).magnitude / max(1, peak))
      }
    }
    return worst
  }
}
