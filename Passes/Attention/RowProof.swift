import GraphIR
import PassKit
import Tensors

/// Proves that a mask leaves each query a key.
struct RowProof {
  let context: PassContext

  init(_ context: PassContext) { self.context = context }

  /// True where each row of the scores at `place` provably has a key with `condition == keepsWhenTrue`: the key of the
  /// query's own place, counted from the front or from the end, the first key or the last.
  func everyRowHasKey(_ condition: ValueID, keepsWhenTrue: Bool, _ place: ScorePlace) -> Bool {
    guard let test = test(condition, keepsWhenTrue, place) else { return false }
    return RowProof.everyRow(RowProof.lengths(place)) { test.substituting(3, by: $0) }
  }

  private func test(_ condition: ValueID, _ keepsWhenTrue: Bool, _ place: ScorePlace) -> IndexTest? {
    var evaluator = IndexEvaluator(context)
    let test = evaluator.value(condition, isFlipped: place.isFlipped)?.condition
    return keepsWhenTrue ? test : test.map { .negated($0) }
  }

  /// Of batch, heads, queries and keys.
  private static func lengths(_ place: ScorePlace) -> [Dim] {
    var lengths = [Dim](repeating: 1, count: max(0, 4 - place.shape.count)) + place.shape.suffix(4)
    if place.isFlipped { lengths.swapAt(2, 3) }
    return lengths
  }

  /// True where all that is added to and chosen in the scores provably leaves each row a key in common.
  func leavesKeys(_ steps: [ScoreStep]) -> Bool {
    var allowed: [IndexTest] = []
    var lengths: [Dim]?
    for step in steps {
      switch step.kind {
      case .scale, .factor, .tanh, .floor, .cast: continue
      case .select(let condition, _, let keepsWhenTrue):
        guard let test = test(condition, keepsWhenTrue, step.place) else { return false }
        allowed.append(test)
      case .add(let value, let weight):
        if isSmall(value, weight) { continue }
        var evaluator = IndexEvaluator(context)
        let bias = evaluator.value(value, isFlipped: step.place.isFlipped)?.mapped { leaf in
          guard case .number(let number) = leaf else { return nil }
          return .test(.always(number * weight > MaskForm.forbidding / 2))
        }
        guard let test = bias?.condition else { return false }
        allowed.append(test)
      }
      lengths = lengths ?? RowProof.lengths(step.place)
    }
    guard let lengths else { return false }
    let test = allowed.reduce(IndexTest.always(true)) { .both($0, $1) }
    return RowProof.everyRow(lengths) { test.substituting(3, by: $0) }
  }

  /// True for a bias that forbids nothing: a constant, or one whose least element is known.
  func isSmall(_ value: ValueID, _ weight: Double) -> Bool {
    if let tensor = context.constant(value) {
      guard tensor.count <= 1 << 22, let numbers = try? tensor.elements(as: Double.self) else { return false }
      return numbers.allSatisfy { $0 * weight > MaskForm.forbidding / 2 }
    }
    guard weight > 0, let least = least(value) else { return false }
    return least * weight > MaskForm.forbidding / 2
  }

  /// A number that no element is below; nil where none is known. Positions times slopes (ALiBi) are never negative.
  private func least(_ value: ValueID, depth: Int = 0) -> Double? {
    guard depth < 16 else { return nil }
    if let tensor = context.constant(value) {
      guard tensor.count <= 1 << 22, let numbers = try? tensor.elements(as: Double.self),
        numbers.allSatisfy(\.isFinite)
      else { return nil }
      return numbers.min()
    }
    if let symbols = context.facts(value).symbols, !symbols.isEmpty {
      return symbols.allSatisfy(\.isNonNegative) ? 0 : nil
    }
    guard let id = context.graph.producer(value), context.graph[id].domain.isEmpty else { return nil }
    let node = context.graph[id]
    func input(_ index: Int) -> Double? { node.input(index).flatMap { least($0, depth: depth + 1) } }
    switch node.type {
    case "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Expand", "Tile", "Gather", "Slice":
      return input(0)
    case "Cast":
      guard let type = context.dataType(value), type.isFloatingPoint || type == .int64 || type == .int32 else {
        return nil
      }
      return input(0)
    case "Range":
      guard let step = context.uniform(node.input(2)), step > 0 else { return nil }
      return input(0)
    case "Abs": return 0
    case "Mul":
      guard let a = input(0), let b = input(1), a >= 0, b >= 0 else { return nil }
      return a * b
    case "Add":
      guard let a = input(0), let b = input(1) else { return nil }
      return a + b
    default: return nil
    }
  }

  /// True where for one choice of the key the condition holds in every row.
  static func everyRow(_ lengths: [Dim], _ test: (AffineIndex) -> IndexTest) -> Bool {
    let (queries, keys) = (lengths[2], lengths[3])
    var choices = [AffineIndex(0), AffineIndex(keys - 1)]
    if (keys - queries).isNonNegative {
      choices += [.variable(2), .variable(2) + AffineIndex(keys - queries)]
    }
    let proof = IndexProof(lengths: lengths)
    return choices.contains { choice in
      let test = test(choice)
      return proof.holds([test]) { test.holds($0) }
    }
  }
}

extension IndexTest {
  func substituting(_ variable: Int, by other: AffineIndex) -> IndexTest {
    switch self {
    case .always: self
    case .reaches(let index): .reaches(index.substituting(variable, by: other))
    case .not(let inner): .not(inner.substituting(variable, by: other))
    case .and(let a, let b): .and(a.substituting(variable, by: other), b.substituting(variable, by: other))
    case .or(let a, let b): .or(a.substituting(variable, by: other), b.substituting(variable, by: other))
    }
  }
}
