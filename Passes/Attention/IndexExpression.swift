import Tensors

/// An integer that is affine in the places of a batch item, head, query and key: sum of coefficient * variable, plus a length.
struct AffineIndex: Hashable {
  /// Batch, head, query, key.
  static let variables = 4
  var coefficients: [Int]
  var offset: Dim

  init(_ offset: Dim) {
    coefficients = [Int](repeating: 0, count: AffineIndex.variables)
    self.offset = offset
  }

  static func variable(_ index: Int) -> AffineIndex {
    var result = AffineIndex(0)
    result.coefficients[index] = 1
    return result
  }

  var constant: Dim? { coefficients.allSatisfy { $0 == 0 } ? offset : nil }

  static func + (a: AffineIndex, b: AffineIndex) -> AffineIndex {
    var result = a
    for index in 0..<variables { result.coefficients[index] &+= b.coefficients[index] }
    result.offset = a.offset + b.offset
    return result
  }

  static func * (a: AffineIndex, factor: Int) -> AffineIndex {
    var result = a
    for index in 0..<variables { result.coefficients[index] &*= factor }
    result.offset = a.offset * Dim(factor)
    return result
  }

  static func - (a: AffineIndex, b: AffineIndex) -> AffineIndex { a + b * -1 }

  func substituting(_ variable: Int, by other: AffineIndex) -> AffineIndex {
    var rest = self
    rest.coefficients[variable] = 0
    return rest + other * coefficients[variable]
  }

  /// True where it is >= 0 for every place: each variable runs from 0 to its length - 1. Sufficient, not necessary.
  func isNonNegative(_ lengths: [Dim]) -> Bool {
    var least = offset
    for (coefficient, length) in zip(coefficients, lengths) where coefficient < 0 {
      least = least + (length - 1) * Dim(coefficient)
    }
    return least.isNonNegative
  }
}

/// A condition on the places.
indirect enum IndexTest: Hashable {
  case always(Bool)
  /// The index is >= 0.
  case reaches(AffineIndex)
  case not(IndexTest)
  case and(IndexTest, IndexTest)
  case or(IndexTest, IndexTest)

  static func both(_ a: IndexTest, _ b: IndexTest) -> IndexTest {
    switch (a, b) {
    case (.always(let flag), let other), (let other, .always(let flag)): flag ? other : .always(false)
    default: .and(a, b)
    }
  }

  static func either(_ a: IndexTest, _ b: IndexTest) -> IndexTest {
    switch (a, b) {
    case (.always(let flag), let other), (let other, .always(let flag)): flag ? .always(true) : other
    default: .or(a, b)
    }
  }

  static func negated(_ a: IndexTest) -> IndexTest {
    switch a {
    case .always(let flag): .always(!flag)
    case .not(let inner): inner
    default: .not(a)
    }
  }

  var atoms: Set<AffineIndex> {
    switch self {
    case .always: []
    case .reaches(let index): [index]
    case .not(let inner): inner.atoms
    case .and(let a, let b), .or(let a, let b): a.atoms.union(b.atoms)
    }
  }

  func holds(_ known: [AffineIndex: Bool]) -> Bool {
    switch self {
    case .always(let flag): flag
    case .reaches(let index): known[index] ?? false
    case .not(let inner): !inner.holds(known)
    case .and(let a, let b): a.holds(known) && b.holds(known)
    case .or(let a, let b): a.holds(known) || b.holds(known)
    }
  }
}

/// What an element of a tensor is, as a function of its place.
indirect enum IndexValue {
  case number(Double)
  case index(AffineIndex)
  case test(IndexTest)
  case choice(IndexTest, IndexValue, IndexValue)

  /// The nodes of the expression, up to `IndexEvaluator.limit`.
  var size: Int {
    switch self {
    case .choice(_, let a, let b): 1 + a.size + b.size
    default: 1
    }
  }

  var tests: [IndexTest] {
    switch self {
    case .number, .index: []
    case .test(let test): [test]
    case .choice(let test, let a, let b): [test] + a.tests + b.tests
    }
  }

  /// The number where the tests' answers are known; nil where it is a place.
  func number(_ known: [AffineIndex: Bool]) -> Double? {
    switch self {
    case .number(let number): number
    case .index(let index): index.constant?.value.map { Double($0) }
    case .test(let test): test.holds(known) ? 1 : 0
    case .choice(let test, let a, let b): (test.holds(known) ? a : b).number(known)
    }
  }

  /// As a condition: not 0.
  var condition: IndexTest? {
    switch self {
    case .number(let number): return .always(number != 0)
    case .index(let index): return index.constant?.value.map { .always($0 != 0) }
    case .test(let test): return test
    case .choice(let test, let a, let b):
      guard let x = a.condition, let y = b.condition else { return nil }
      return .either(.both(test, x), .both(.negated(test), y))
    }
  }

  /// As an affine index, where it is one.
  var affine: AffineIndex? {
    switch self {
    case .number(let number): Int(exactly: number).map { AffineIndex(Dim($0)) }
    case .index(let index): index
    case .test, .choice: nil
    }
  }

  /// `f` on every leaf.
  func mapped(_ f: (IndexValue) -> IndexValue?) -> IndexValue? {
    switch self {
    case .number, .index: return f(self)
    case .test(let test): return IndexValue.choice(test, .number(1), .number(0)).mapped(f)
    case .choice(let test, let a, let b):
      guard let x = a.mapped(f), let y = b.mapped(f) else { return nil }
      return .choice(test, x, y)
    }
  }

  /// `f` on every pair of leaves.
  static func combined(_ a: IndexValue, _ b: IndexValue, _ f: (IndexValue, IndexValue) -> IndexValue?) -> IndexValue? {
    guard a.size * b.size <= IndexEvaluator.limit else { return nil }
    return a.mapped { x in b.mapped { y in f(x, y) } }
  }

  /// Whether `f` holds of both, as a condition.
  static func compared(_ a: IndexValue, _ b: IndexValue, _ f: (IndexValue, IndexValue) -> IndexTest?) -> IndexTest? {
    combined(a, b) { x, y in f(x, y).map { .test($0) } }?.condition
  }
}

/// Decides conditions over all places by going through the answers that the comparisons in them may have.
struct IndexProof {
  /// Of batch, head, query and key.
  let lengths: [Dim]
  private static let atomLimit = 8

  /// True where `test` holds for each combination of answers that can occur. Sufficient, not necessary.
  func holds(_ tests: [IndexTest], _ body: ([AffineIndex: Bool]) -> Bool) -> Bool {
    var open: [AffineIndex] = []
    var known: [AffineIndex: Bool] = [:]
    for atom in Set(tests.flatMap(\.atoms)) {
      if atom.isNonNegative(lengths) {
        known[atom] = true
      } else if (atom * -1 - AffineIndex(1)).isNonNegative(lengths) {
        known[atom] = false
      } else {
        open.append(atom)
      }
    }
    guard open.count <= IndexProof.atomLimit else { return false }
    for bits in 0..<(1 << open.count) {
      for (position, atom) in open.enumerated() { known[atom] = bits >> position & 1 == 1 }
      if isPossible(open, known) && !body(known) { return false }
    }
    return true
  }

  /// False where two answers contradict each other: one comparison holds, another that follows from it does not.
  private func isPossible(_ atoms: [AffineIndex], _ known: [AffineIndex: Bool]) -> Bool {
    for a in atoms {
      for b in atoms where a != b {
        switch (known[a], known[b]) {
        // a >= 0 and b >= a.
        case (true, false): if (b - a).isNonNegative(lengths) { return false }
        // a >= 0 and b >= 0, yet a + b < 0.
        case (true, true): if ((a + b) * -1 - AffineIndex(1)).isNonNegative(lengths) { return false }
        // a <= -1 and b <= -1, yet a + b >= -1.
        case (false, false): if (a + b + AffineIndex(1)).isNonNegative(lengths) { return false }
        default: break
        }
      }
    }
    return true
  }
}
