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
    var evaluator = IndexEvaluator(context)
    guard let value = evaluator.value(condition, isFlipped: place.isFlipped), let test = value.condition else {
      return false
    }
    let shape = place.shape
    var lengths = [Dim](repeating: 1, count: max(0, 4 - shape.count)) + shape.suffix(4)
    if place.isFlipped { lengths.swapAt(2, 3) }
    return RowProof.everyRow(lengths) {
      test.substituting(3, by: $0)
    } holds: {
      keepsWhenTrue ? $0 : .negated($0)
    }
  }

  /// True where for one choice of the key the condition holds in every row.
  static func everyRow(
    _ lengths: [Dim], _ test: (AffineIndex) -> IndexTest, holds wanted: (IndexTest) -> IndexTest = { $0 }
  ) -> Bool {
    let (queries, keys) = (lengths[2], lengths[3])
    var choices = [AffineIndex(0), AffineIndex(keys - 1)]
    if (keys - queries).isNonNegative {
      choices += [.variable(2), .variable(2) + AffineIndex(keys - queries)]
    }
    let proof = IndexProof(lengths: lengths)
    return choices.contains { choice in
      let test = wanted(test(choice))
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
