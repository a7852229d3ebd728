/// SplitMix64.
struct SeededRandom: RandomNumberGenerator, Sendable {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// Draws one value an axis, uniformly among those that fit what is drawn already, and remembers them.
struct Draw {
  /// Thrown where a forced value does not fit the rest: the seed says nothing about it.
  struct DoesNotFit: Error {}

  private(set) var forced: [String: String]
  /// Per cent of the draws that take the plainest value, the first; 0 is uniform.
  var plain: Int
  var random: SeededRandom
  private(set) var values: [(axis: String, value: String)] = []

  init(seed: UInt64, family: String, forced: [String: String], plain: Int = 0) {
    self.forced = forced
    self.plain = plain
    var state = seed &* 0xff51_afd7_ed55_8ccd
    for byte in family.utf8 { state = (state ^ UInt64(byte)) &* 0x0100_0000_01b3 }
    random = SeededRandom(state: state)
    _ = random.next()
  }

  /// Axes without a plainest value.
  private static let common: Set<String> = ["opset", "operands", "constants", "shapes", "activation", "norm"]

  mutating func pick(_ axis: String, _ options: [String]) throws -> String {
    var value = options[Int.random(in: options.indices, using: &random)]
    if plain > 0, !Self.common.contains(axis), Int.random(in: 0..<100, using: &random) < plain { value = options[0] }
    if let wanted = forced[axis] {
      guard options.contains(wanted) else { throw DoesNotFit() }
      value = wanted
    }
    values.append((axis, value))
    return value
  }

  mutating func pick(_ axis: String, _ range: ClosedRange<Int>) throws -> Int {
    Int(try pick(axis, range.map(String.init))) ?? range.lowerBound
  }

  /// Remembers what was drawn without `pick`: a variant that is not to be forced.
  mutating func note(_ axis: String, _ value: String) { values.append((axis, value)) }

  /// Values that a breaker needs; what the caller forced stays.
  mutating func require(_ needed: [String: String]) { forced.merge(needed) { old, _ in old } }

  /// A number that is no axis: sizes, weights.
  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
  mutating func flip() -> Bool { Bool.random(using: &random) }
  mutating func choose<T>(_ options: [T]) -> T { options[number(0...options.count - 1)] }
  /// Numbers in -limit ..< limit.
  mutating func numbers(_ count: Int, _ limit: Double = 1) -> [Double] {
    (0..<count).map { _ in Double.random(in: -limit..<limit, using: &random) }
  }
}
