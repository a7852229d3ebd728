/// A dimension: an integer, or a polynomial with integer coefficients over named symbols and the non-polynomial atoms
/// floor division, maximum and minimum. Kept in one canonical form, so equal expressions are `==`.
///
/// Symbols stand for integers >= 0. Arithmetic that overflows gives the symbol `overflow`, which equals nothing else known.
public struct Dim: Hashable, Sendable {
  indirect enum Atom: Hashable, Sendable {
    case symbol(String)
    case floorDiv(Dim, Dim)
    case max(Dim, Dim)
    case min(Dim, Dim)
  }

  /// One product of atoms (sorted, repeated for powers) with its coefficient.
  struct Term: Hashable, Sendable {
    var coefficient: Int
    var atoms: [Atom]
  }

  /// The constant part.
  var constant: Int
  /// Sorted by `key(atoms)`, no zero coefficients, no empty products.
  var terms: [Term]

  init(constant: Int, terms: [Term]) {
    self.constant = constant
    self.terms = terms
  }

  public init(_ value: Int) { self.init(constant: value, terms: []) }
  public static func symbol(_ name: String) -> Dim {
    Dim(constant: 0, terms: [Term(coefficient: 1, atoms: [.symbol(name)])])
  }

  /// The integer, where it is one.
  public var value: Int? { terms.isEmpty ? constant : nil }
  public var isKnown: Bool { terms.isEmpty }

  /// The symbol's name, where the expression is just one symbol.
  public var symbolName: String? {
    if constant == 0, terms.count == 1, terms[0].coefficient == 1, terms[0].atoms.count == 1,
      case .symbol(let name) = terms[0].atoms[0]
    {
      return name
    }
    return nil
  }
}

extension Dim: ExpressibleByIntegerLiteral {
  public init(integerLiteral value: Int) { self.init(value) }
}

extension Dim {
  private static let overflow = Dim.symbol("overflow")

  public static func + (a: Dim, b: Dim) -> Dim {
    let (constant, overflow) = a.constant.addingReportingOverflow(b.constant)
    if overflow { return Dim.overflow }
    if a.terms.isEmpty { return Dim(constant: constant, terms: b.terms) }
    if b.terms.isEmpty { return Dim(constant: constant, terms: a.terms) }
    return collect(constant, a.terms + b.terms)
  }

  public static prefix func - (a: Dim) -> Dim { a * Dim(-1) }
  public static func - (a: Dim, b: Dim) -> Dim { a + -b }

  public static func * (a: Dim, b: Dim) -> Dim {
    let (constant, overflow) = a.constant.multipliedReportingOverflow(by: b.constant)
    if overflow { return Dim.overflow }
    if a.isKnown && b.isKnown { return Dim(constant) }
    var terms: [Term] = []
    func add(_ x: Int, _ y: Int, _ atoms: [Atom]) -> Bool {
      let (product, overflow) = x.multipliedReportingOverflow(by: y)
      if product != 0 { terms.append(Term(coefficient: product, atoms: atoms)) }
      return !overflow
    }
    for t in a.terms where !add(t.coefficient, b.constant, t.atoms) { return Dim.overflow }
    for t in b.terms where !add(t.coefficient, a.constant, t.atoms) { return Dim.overflow }
    for s in a.terms {
      for t in b.terms where !add(s.coefficient, t.coefficient, sorted(s.atoms + t.atoms)) { return Dim.overflow }
    }
    // A shape never needs more; past this the expression is only cost.
    if terms.count > 64 { return Dim.symbol("large(\(terms.hashValue))") }
    return collect(constant, terms)
  }

  /// Floor division. Exact where every coefficient divides, else an atom. Division by zero gives an atom too.
  public func floorDiv(_ divisor: Dim) -> Dim {
    if let d = divisor.value, d == -1 { return -self }
    if let d = divisor.value, d != 0 {
      if let v = value { return Dim(v.dividedFloor(by: d)) }
      if d == 1 { return self }
      if constant % d == 0 && terms.allSatisfy({ $0.coefficient % d == 0 }) {
        return Dim(constant: constant / d, terms: terms.map { Term(coefficient: $0.coefficient / d, atoms: $0.atoms) })
      }
      // (d*q + r) / d == q + r / d for every integer q.
      let whole = Dim(
        constant: 0,
        terms: terms.filter { $0.coefficient % d == 0 }.map { Term(coefficient: $0.coefficient / d, atoms: $0.atoms) })
      let rest = Dim(constant: constant, terms: terms.filter { $0.coefficient % d != 0 })
      if !whole.terms.isEmpty { return whole + rest.floorDiv(divisor) }
      let q = constant.dividedFloor(by: d)
      if q != 0 {
        return Dim(q) + Dim(constant: constant - q * d, terms: terms).floorDiv(divisor)
      }
      // floor(floor(x / a) / b) == floor(x / (a*b)) for positive a, b.
      if d > 0, constant == 0, terms.count == 1, terms[0].coefficient == 1, terms[0].atoms.count == 1,
        case .floorDiv(let x, let inner) = terms[0].atoms[0], let a = inner.value, a > 0
      {
        return x.floorDiv(Dim(a) * divisor)
      }
    } else if self == divisor {
      return 1
    } else if let quotient = exactQuotient(divisor) {
      return quotient
    }
    return Dim(constant: 0, terms: [Term(coefficient: 1, atoms: [.floorDiv(self, divisor)])])
  }

  /// self / divisor where divisor is one product that divides every term.
  private func exactQuotient(_ divisor: Dim) -> Dim? {
    guard divisor.constant == 0, divisor.terms.count == 1, constant == 0, !terms.isEmpty else { return nil }
    let by = divisor.terms[0]
    var result: [Term] = []
    var whole = 0
    for term in terms {
      guard term.coefficient % by.coefficient == 0 else { return nil }
      var atoms = term.atoms
      for atom in by.atoms {
        guard let index = atoms.firstIndex(of: atom) else { return nil }
        atoms.remove(at: index)
      }
      let coefficient = term.coefficient / by.coefficient
      if atoms.isEmpty { whole += coefficient } else { result.append(Term(coefficient: coefficient, atoms: atoms)) }
    }
    return Dim.collect(whole, result)
  }

  public func ceilDiv(_ divisor: Dim) -> Dim { -((-self).floorDiv(divisor)) }
  public func modulo(_ divisor: Dim) -> Dim { self - self.floorDiv(divisor) * divisor }

  public static func max(_ a: Dim, _ b: Dim) -> Dim {
    let difference = a - b
    if let d = difference.value { return d >= 0 ? a : b }
    if difference.isNonNegative { return a }
    if (-difference).isNonNegative { return b }
    let (x, y) = a.description < b.description ? (a, b) : (b, a)
    return Dim(constant: 0, terms: [Term(coefficient: 1, atoms: [.max(x, y)])])
  }

  public static func min(_ a: Dim, _ b: Dim) -> Dim {
    let difference = a - b
    if let d = difference.value { return d <= 0 ? a : b }
    if difference.isNonNegative { return b }
    if (-difference).isNonNegative { return a }
    let (x, y) = a.description < b.description ? (a, b) : (b, a)
    return Dim(constant: 0, terms: [Term(coefficient: 1, atoms: [.min(x, y)])])
  }

  /// True where an axis of this size that broadcasts to one of the size `other` without an error is as long as it: equal, or
  /// the least of `other` and a number of at least 2, which is 1 only where `other` is.
  public func isSameWhereItBroadcasts(to other: Dim) -> Bool {
    if self == other { return true }
    guard constant == 0, terms.count == 1, terms[0].coefficient == 1, terms[0].atoms.count == 1,
      case .min(let a, let b) = terms[0].atoms[0]
    else { return false }
    return (a == other && (b.value ?? 0) >= 2) || (b == other && (a.value ?? 0) >= 2)
  }

  /// True where it is >= 0 for all symbol values >= 0 (sufficient, not necessary).
  public var isNonNegative: Bool { isNonNegative(depth: 3) }

  private func isNonNegative(depth: Int) -> Bool {
    if constant >= 0 && terms.allSatisfy({ $0.coefficient > 0 && $0.atoms.allSatisfy(Dim.isNonNegative) }) {
      return true
    }
    // max(a, b) is at least a and at least b, -min(a, b) at least -a and at least -b.
    guard depth > 0 else { return false }
    for (index, term) in terms.enumerated() where term.atoms.count == 1 {
      let bounds: [Dim]
      switch term.atoms[0] {
      case .max(let a, let b) where term.coefficient > 0: bounds = [a, b]
      case .min(let a, let b) where term.coefficient < 0: bounds = [a, b]
      default: continue
      }
      var rest = self
      rest.terms.remove(at: index)
      if bounds.contains(where: { (rest + $0 * Dim(term.coefficient)).isNonNegative(depth: depth - 1) }) { return true }
    }
    return false
  }

  private static func isNonNegative(_ atom: Atom) -> Bool {
    switch atom {
    case .symbol: true
    case .floorDiv(let a, let b): a.isNonNegative && b.isNonNegative
    case .max(let a, let b): a.isNonNegative || b.isNonNegative
    case .min(let a, let b): a.isNonNegative && b.isNonNegative
    }
  }

  private static func collect(_ constant: Int, _ terms: [Term]) -> Dim {
    var sums: [[Atom]: Int] = [:]
    for term in terms {
      let (sum, overflow) = (sums[term.atoms] ?? 0).addingReportingOverflow(term.coefficient)
      if overflow { return Dim.overflow }
      sums[term.atoms] = sum
    }
    let kept = sums.filter { $0.value != 0 }.map { Term(coefficient: $0.value, atoms: $0.key) }
    if kept.count <= 1 { return Dim(constant: constant, terms: kept) }
    return Dim(constant: constant, terms: kept.map { ($0, text($0.atoms)) }.sorted { $0.1 < $1.1 }.map(\.0))
  }

  private static func sorted(_ atoms: [Atom]) -> [Atom] {
    atoms.count < 2 ? atoms : atoms.map { ($0, text([$0])) }.sorted { $0.1 < $1.1 }.map(\.0)
  }

  fileprivate static func text(_ atoms: [Atom]) -> String {
    atoms.map { atom -> String in
      switch atom {
      case .symbol(let name): name
      case .floorDiv(let a, let b): "floor(\(a), \(b))"
      case .max(let a, let b): "max(\(a), \(b))"
      case .min(let a, let b): "min(\(a), \(b))"
      }
    }.joined(separator: "*")
  }

  /// Of two expressions that are taken to be equal the one to go on with: an integer, else a plain symbol, else the shorter.
  public static func preferred(_ a: Dim, _ b: Dim) -> Dim {
    if a.isKnown { return a }
    if b.isKnown { return b }
    if (a.symbolName != nil) != (b.symbolName != nil) { return a.symbolName != nil ? a : b }
    let (x, y) = (a.description, b.description)
    return (x.utf8.count, x) <= (y.utf8.count, y) ? a : b
  }

  /// The names of all symbols in it.
  public var symbols: Set<String> {
    var result: Set<String> = []
    for term in terms {
      for atom in term.atoms {
        switch atom {
        case .symbol(let name): result.insert(name)
        case .floorDiv(let a, let b), .max(let a, let b), .min(let a, let b):
          result.formUnion(a.symbols)
          result.formUnion(b.symbols)
        }
      }
    }
    return result
  }

  /// The expression with symbols replaced; unmentioned ones stay.
  public func substituting(_ bindings: [String: Dim]) -> Dim {
    if terms.isEmpty || bindings.isEmpty { return self }
    var result = Dim(constant)
    for term in terms {
      var product = Dim(term.coefficient)
      for atom in term.atoms {
        let factor: Dim
        switch atom {
        case .symbol(let name): factor = bindings[name] ?? Dim.symbol(name)
        case .floorDiv(let a, let b): factor = a.substituting(bindings).floorDiv(b.substituting(bindings))
        case .max(let a, let b): factor = Dim.max(a.substituting(bindings), b.substituting(bindings))
        case .min(let a, let b): factor = Dim.min(a.substituting(bindings), b.substituting(bindings))
        }
        product = product * factor
      }
      result = result + product
    }
    return result
  }
}

extension Dim: CustomStringConvertible {
  public var description: String {
    if terms.isEmpty { return String(constant) }
    var text = ""
    for term in terms {
      let body = Dim.text(term.atoms)
      let magnitude = term.coefficient.magnitude
      let factor = magnitude == 1 ? body : "\(magnitude)*\(body)"
      if text.isEmpty {
        text = term.coefficient < 0 ? "-" + factor : factor
      } else {
        text += (term.coefficient < 0 ? " - " : " + ") + factor
      }
    }
    if constant != 0 { text += constant < 0 ? " - \(constant.magnitude)" : " + \(constant)" }
    return text
  }
}

extension Int {
  /// Rounds towards negative infinity. The divisor is not 0.
  public func dividedFloor(by divisor: Int) -> Int {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder != 0 && (remainder < 0) != (divisor < 0) ? quotient - 1 : quotient
  }
}
