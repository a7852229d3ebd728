import GraphIR

/// Finds what has to stay float32 in a model of narrower floats for its outputs to be as close as asked for.
///
/// The nodes are looked at in stretches of the graph's order, residual sums apart from the rest: that is where a transformer's error gathers.
/// What a stretch costs is measured with it alone narrow, where errors are small and add up by their squares. A stretch that is worth much
/// and does not fit is halved. Then the narrow ones are chosen by work for their error: the longest such run that holds, found by
/// halving, and what else fits, in halves where the whole does not. Each choice was measured as a whole, and nothing narrow always holds.
struct FloatSearch {
  /// Nodes that go together: one that is worth Casts of its own, and those behind it that follow what they read.
  struct Part: Sendable {
    let nodes: [NodeID]
    let work: Double
    /// Of several computed values.
    let isSum: Bool
  }

  struct Cost: Sendable {
    let drop: Double
    /// What adds up over stretches: a square of an error.
    let energy: Double
  }

  struct Stretch: Sendable {
    let parts: ArraySlice<Part>
    /// Of it alone; nil where it was not measured.
    let alone: Cost?
    /// What the stretch, or one that it is part of, would have led to beside all that is narrow.
    var joint: Double?
    /// Of the one that was measured alone and that it is part of.
    let outer: Cost?
    let work: Double

    init(_ parts: ArraySlice<Part>, alone: Cost?, joint: Double? = nil, outer: Cost? = nil) {
      (self.parts, self.alone, self.joint, self.outer) = (parts, alone, joint, outer)
      work = parts.reduce(0) { $0 + $1.work }
    }

    var nodes: [NodeID] { parts.flatMap(\.nodes) }
    var halves: [ArraySlice<Part>] {
      let middle = parts.startIndex + parts.count / 2
      return [parts[..<middle], parts[middle...]]
    }
  }

  /// In the graph's order.
  let parts: [Part]
  let limit: Double
  /// The energy that is likely to be within the limit.
  let tolerated: Double
  /// Of everything narrow, which is too much.
  let whole: Cost
  /// Sessions that may be made.
  let budget: Int
  /// Of these parts narrow and nothing else. One session.
  let alone: ([Part]) throws -> Cost
  /// With these parts narrow, and the sessions that took.
  let together: ([Part]) throws -> (cost: Cost, sessions: Int)
  private(set) var sessions = 0
  /// Of the stretches that are narrow so far.
  private var spent = 0.0

  init(
    _ parts: [Part], limit: Double, tolerated: Double, whole: Cost, budget: Int,
    alone: @escaping ([Part]) throws -> Cost, together: @escaping ([Part]) throws -> (cost: Cost, sessions: Int)
  ) {
    (self.parts, self.limit, self.tolerated, self.whole) = (parts, limit, tolerated, whole)
    (self.budget, self.alone, self.together) = (budget, alone, together)
  }

  /// Work of less than this share of all is looked at no closer.
  private var least: Double { parts.reduce(0) { $0 + $1.work } * 0.002 }

  /// What stays float32.
  mutating func kept() throws -> [Stretch] {
    let stretches = try ranked()
    let fitting = self.fitting(stretches)
    let rest = byValue(stretches).filter { !fitting.contains($0) }
    let order = (fitting + rest).map { stretches[$0] }
    let count = try longest(order, guess: fitting.count)
    return try givingBack(Array(order[count...]), to: Array(order[..<count]))
  }

  private mutating func measured(_ parts: ArraySlice<Part>) throws -> Stretch {
    sessions += 1
    return Stretch(parts, alone: try alone(Array(parts)))
  }

  /// Stretches with their costs: those that do not fit are halved, the greatest first, with half of the sessions.
  private mutating func ranked() throws -> [Stretch] {
    let kinds = [parts.filter { !$0.isSum }, parts.filter(\.isSum)].filter { !$0.isEmpty }
    var stretches = kinds.count == 1 ? [Stretch(kinds[0][...], alone: whole)] : []
    if kinds.count > 1 { for kind in kinds { stretches.append(try measured(kind[...])) } }
    while sessions + 2 <= budget / 2 {
      let inside = Set(fitting(stretches))
      let outside = stretches.indices.filter { !inside.contains($0) }
      let open = (outside.isEmpty ? Array(stretches.indices) : outside).filter {
        stretches[$0].parts.count > 1 && stretches[$0].work >= least
      }
      guard let place = open.max(by: { stretches[$0].work < stretches[$1].work }) else { break }
      var halves: [Stretch] = []
      for half in stretches[place].halves { halves.append(try measured(half)) }
      stretches.replaceSubrange(place...place, with: halves)
    }
    return stretches
  }

  /// By falling work for the error.
  private func byValue(_ stretches: [Stretch]) -> [Int] {
    stretches.indices.sorted { a, b in
      let (x, y) = (stretches[a], stretches[b])
      let (left, right) = ((x.alone?.energy ?? 0) * y.work, (y.alone?.energy ?? 0) * x.work)
      return left == right ? a < b : left < right
    }
  }

  /// Those that are tolerated together, by falling work for the error.
  private func fitting(_ stretches: [Stretch]) -> [Int] {
    var sum = 0.0
    return byValue(stretches).filter { index in
      let energy = stretches[index].alone?.energy ?? 0
      guard sum + energy <= tolerated else { return false }
      sum += energy
      return true
    }
  }

  /// How many of the first stretches may be narrow together.
  private mutating func longest(_ order: [Stretch], guess: Int) throws -> Int {
    // `low` of them hold, `high` do not.
    var (low, high) = (0, order.count)
    var next = guess
    while high - low > 1, sessions < budget {
      let count = next > low && next < high ? next : (low + high) / 2
      next = 0
      if try isClose(Array(order[..<count])).holds { low = count } else { high = count }
    }
    return low
  }

  /// Whether the limit holds with these narrow, and the drop.
  private mutating func isClose(_ stretches: [Stretch]) throws -> (holds: Bool, drop: Double) {
    let (cost, sessions) = try together(stretches.flatMap { Array($0.parts) })
    self.sessions += sessions
    if cost.drop <= limit { spent = cost.energy }
    return (cost.drop <= limit, cost.drop)
  }

  /// Narrows what else fits, the greatest first, in halves where the whole does not; what is left.
  private mutating func givingBack(_ rest: [Stretch], to narrow: [Stretch]) throws -> [Stretch] {
    var (queue, narrow) = (rest, narrow)
    var kept: [Stretch] = []
    while let place = queue.indices.max(by: { queue[$0].work < queue[$1].work }) {
      var stretch = queue.remove(at: place)
      guard sessions < budget, stretch.work >= least else {
        kept.append(stretch)
        continue
      }
      // One that alone takes more than is left need not be tried.
      if stretch.alone.map({ $0.energy <= tolerated - spent }) ?? true {
        let trial = try isClose(narrow + [stretch])
        if trial.holds {
          narrow.append(stretch)
          continue
        }
        stretch.joint = trial.drop
      }
      if stretch.parts.count == 1 {
        kept.append(stretch)
      } else {
        queue += stretch.halves.map {
          Stretch($0, alone: nil, joint: stretch.joint, outer: stretch.alone ?? stretch.outer)
        }
      }
    }
    return kept
  }
}
