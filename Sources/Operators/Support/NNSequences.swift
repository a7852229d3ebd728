import GraphIR
import Tensors

/// What the sequence operators share.
enum NNSequence {
  static func elements(_ value: Value) throws -> [Value] {
    switch value {
    case .sequence(let elements): return elements
    case .optional(.some(let inner)): return try elements(inner)
    default: throw CameoError.badInput("a sequence was expected")
    }
  }

  static func elementType(_ type: ValueType?) -> ValueType? {
    switch type {
    case .sequence(let element): element
    case .optional(let inner): elementType(inner)
    default: nil
    }
  }

  /// A place in a sequence of `count`, counted from the end where negative.
  static func position(_ tensor: Tensor, count: Int, isInsertion: Bool = false) throws -> Int {
    let given = Int(truncatingIfNeeded: try tensor.scalar(as: Int64.self))
    let place = given < 0 ? given + count : given
    guard place >= 0, place < count || isInsertion && place == count else {
      throw CameoError.badInput("position \(given) lies outside a sequence of \(count)")
    }
    return place
  }
}
