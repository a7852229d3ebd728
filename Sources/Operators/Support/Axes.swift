import GraphIR
import Tensors

/// Axes and shapes that arrive as inputs or attributes.
enum Axes {
  /// `axis` counted from the front. Throws outside -rank ..< rank.
  static func normalize(_ axis: Int, rank: Int) throws -> Int {
    let normalized = axis < 0 ? axis &+ rank : axis
    guard normalized >= 0, normalized < rank else {
      throw CameoError.badInput("axis \(axis) lies outside a tensor of rank \(rank)")
    }
    return normalized
  }

  /// All counted from the front, in the given order. Throws for one outside, and for one that comes twice.
  static func normalize(_ axes: [Int], rank: Int) throws -> [Int] {
    var seen: Set<Int> = []
    return try axes.map { axis in
      let normalized = try normalize(axis, rank: rank)
      guard seen.insert(normalized).inserted else { throw CameoError.badInput("axis \(axis) is given twice") }
      return normalized
    }
  }

  /// The product of dimensions.
  static func product(_ dims: some Sequence<Dim>) -> Dim { dims.reduce(1) { $0 * $1 } }
}

extension InferenceContext {
  /// Throws where input `index` is known not to be a list (a 1-D tensor).
  func requireList(_ index: Int) throws { try require(rank: 1...1, of: index) }

  /// The count of elements of input `index` (a 1-D tensor), where known.
  func length(_ index: Int) -> Int? {
    if let symbols = symbols(index) { return symbols.count }
    // A rank that a file merely claims is not believed past any real one: each axis costs a symbol.
    guard let shape = shape(index), shape.count == 1, let value = shape[0].value, (0...256).contains(value) else {
      return nil
    }
    return value
  }
}
