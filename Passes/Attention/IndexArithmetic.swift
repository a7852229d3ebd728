import Tensors

/// Element-wise operators on `IndexValue`s.
enum IndexArithmetic {
  static func apply(_ type: String, _ inputs: [IndexValue]) -> IndexValue? {
    switch (type, inputs.count) {
    case ("Where", 3): return inputs[0].condition.map { .choice($0, inputs[1], inputs[2]) }
    case ("Not", 1): return inputs[0].condition.map { .test(.negated($0)) }
    case ("Neg", 1): return inputs[0].mapped { times($0, .number(-1)) }
    case ("Abs", 1):
      return inputs[0].mapped { leaf in
        if case .number(let number) = leaf { return .number(number.magnitude) }
        return leaf.affine.map { .choice(.reaches($0), .index($0), .index($0 * -1)) }
      }
    case (_, 2): return binary(type, inputs[0], inputs[1])
    default: return nil
    }
  }

  private static func binary(_ type: String, _ a: IndexValue, _ b: IndexValue) -> IndexValue? {
    switch type {
    case "And", "Or", "Xor":
      guard let x = a.condition, let y = b.condition else { return nil }
      switch type {
      case "And": return .test(.both(x, y))
      case "Or": return .test(.either(x, y))
      default: return .test(.either(.both(x, .negated(y)), .both(.negated(x), y)))
      }
    case "Less": return IndexValue.compared(a, b) { less($0, $1, orEqual: false) }.map { .test($0) }
    case "LessOrEqual": return IndexValue.compared(a, b) { less($0, $1, orEqual: true) }.map { .test($0) }
    case "Greater": return IndexValue.compared(a, b) { less($1, $0, orEqual: false) }.map { .test($0) }
    case "GreaterOrEqual": return IndexValue.compared(a, b) { less($1, $0, orEqual: true) }.map { .test($0) }
    case "Equal":
      return IndexValue.compared(a, b) { x, y in
        guard let p = less(x, y, orEqual: true), let q = less(y, x, orEqual: true) else { return nil }
        return .both(p, q)
      }.map { .test($0) }
    case "Add": return IndexValue.combined(a, b, plus)
    case "Sub": return IndexValue.combined(a, b) { x, y in times(y, .number(-1)).flatMap { plus(x, $0) } }
    case "Mul": return IndexValue.combined(a, b, times)
    case "Max", "Min":
      return IndexValue.combined(a, b) { x, y in
        less(x, y, orEqual: true).map { .choice($0, type == "Max" ? y : x, type == "Max" ? x : y) }
      }
    default: return nil
    }
  }

  private static func plus(_ a: IndexValue, _ b: IndexValue) -> IndexValue? {
    if case .number(let x) = a, case .number(let y) = b { return .number(x + y) }
    guard let x = a.affine, let y = b.affine else { return nil }
    return .index(x + y)
  }

  private static func times(_ a: IndexValue, _ b: IndexValue) -> IndexValue? {
    if case .number(let x) = a, case .number(let y) = b { return .number(x * y) }
    guard let x = a.affine, let y = b.affine else { return nil }
    if let factor = y.constant?.value { return .index(x * factor) }
    if let factor = x.constant?.value { return .index(y * factor) }
    return nil
  }

  private static func less(_ a: IndexValue, _ b: IndexValue, orEqual: Bool) -> IndexTest? {
    if case .number(let x) = a, case .number(let y) = b { return .always(orEqual ? x <= y : x < y) }
    guard let x = a.affine, let y = b.affine else { return nil }
    let difference = y - x - AffineIndex(orEqual ? 0 : 1)
    if let value = difference.constant?.value { return .always(value >= 0) }
    return .reaches(difference)
  }
}
