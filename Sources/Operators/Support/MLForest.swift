import Tensors

/// How the votes of an ensemble's trees become one score a target. Raw values are TreeEnsemble's numbers.
enum MLAggregate: Int, Sendable {
  case average = 0
  case sum, min, max
}

/// How far a search for cycles is with a node.
private enum MLVisit: UInt8 { case new, open, done }

/// Decision trees as flat arrays: a walk from root to leaf touches one small record a level and nothing else.
///
/// A reference to a child is the index of an inner node, or the complement of a leaf's. Votes of leaf i are
/// `leafStart[i] ..< leafStart[i + 1]`. Indices are checked when it is made: every reference leads inside, no walk is endless.
struct MLForest<T: BinaryFloatingPoint & ComputeElement>: Sendable {
  enum Mode: UInt8, Sendable {
    case lessOrEqual = 0
    case less, greaterOrEqual, greater, equal, notEqual, member
  }

  struct Node: Sendable {
    var threshold: T
    var feature: Int32
    var onTrue: Int32
    var onFalse: Int32
    /// The set of `members` that a membership node tests; -1 for others.
    var set: Int32 = -1
    var mode: Mode
    /// Where a missing value (NaN) goes.
    var missingIsTrue: Bool
  }

  var nodes: [Node] = []
  var roots: [Int32] = []
  var leafStart: [Int32] = [0]
  var targets: [Int32] = []
  var weights: [T] = []
  /// Ascending.
  var sets: [[T]] = []
  /// The features that a row must have.
  private(set) var featureCount = 0
  /// True where every node asks `<=`, as scikit-learn and LightGBM write them.
  private var isPlain = false

  /// Checks what evaluation relies on: targets below `targetCount`, features that are not negative, no cycle. Every child
  /// reference must already lead inside. O(nodes + votes).
  mutating func validate(targetCount: Int, targetName: String) throws {
    for target in targets where target < 0 || target >= targetCount {
      throw CameoError.badInput("\(targetName) holds \(target), 0 to \(targetCount - 1) was expected")
    }
    for node in nodes {
      guard node.feature >= 0 else {
        throw CameoError.badInput("nodes_featureids holds \(node.feature), 0 or more was expected")
      }
      featureCount = max(featureCount, Int(node.feature) + 1)
    }
    isPlain = nodes.allSatisfy { $0.mode == .lessOrEqual }
    try checkAcyclic()
  }

  /// Depth first without recursion: a child that is still open closes a cycle.
  private func checkAcyclic() throws {
    var states = [MLVisit](repeating: .new, count: nodes.count)
    var stack: [(node: Int, next: UInt8)] = []
    for root in roots where root >= 0 && states[Int(root)] == .new {
      states[Int(root)] = .open
      stack.append((Int(root), 0))
      while let (node, next) = stack.last {
        if next == 2 {
          states[node] = .done
          stack.removeLast()
          continue
        }
        stack[stack.count - 1].next += 1
        let child = next == 0 ? nodes[node].onTrue : nodes[node].onFalse
        guard child >= 0 else { continue }
        switch states[Int(child)] {
        case .open: throw CameoError.badInput("the nodes of a tree form a cycle")
        case .done: break
        case .new:
          states[Int(child)] = .open
          stack.append((Int(child), 0))
        }
      }
    }
  }

  /// The score of each target for each row, into `out` [rows, targetCount], which comes zeroed. A target without any vote
  /// keeps 0. `finish` then gets each row once. On several threads; votes are added in the order of the trees.
  func evaluate(
    _ x: UnsafePointer<T>, _ shape: MLRows, targetCount: Int, by aggregate: MLAggregate,
    into out: UnsafeMutablePointer<T>,
    finish: (Int, UnsafeMutablePointer<T>) -> Void
  ) throws {
    guard featureCount <= shape.features else {
      throw CameoError.badInput(
        "nodes_featureids names feature \(featureCount - 1), rows have \(shape.features) features")
    }
    let trees = T(max(1, roots.count))
    // Many rows go through one tree before the next: it stays in the cache.
    let blockSize = 256
    let grain = max(16384 / max(1, roots.count), min(blockSize, (shape.rows + 7) / 8))
    NNParallel.ranges(shape.rows, grain: grain) { range in
      let hasVoted = UnsafeMutablePointer<Bool>.allocate(capacity: min(blockSize, range.count) * targetCount)
      defer { hasVoted.deallocate() }
      for start in stride(from: range.lowerBound, to: range.upperBound, by: blockSize) {
        let block = start..<min(start + blockSize, range.upperBound)
        hasVoted.initialize(repeating: false, count: block.count * targetCount)
        vote(x, shape.features, block, targetCount, aggregate, out, hasVoted)
        for row in block {
          let scores = out + row * targetCount
          if aggregate == .average { for i in 0..<targetCount { scores[i] /= trees } }
          finish(row, scores)
        }
      }
    }
  }

  private func vote(
    _ x: UnsafePointer<T>, _ features: Int, _ block: Range<Int>, _ targetCount: Int, _ aggregate: MLAggregate,
    _ out: UnsafeMutablePointer<T>, _ hasVoted: UnsafeMutablePointer<Bool>
  ) {
    nodes.withUnsafeBufferPointer { nodes in
      for root in roots {
        for row in block {
          let leaf = isPlain ? plainLeaf(root, nodes, x + row * features) : leaf(root, nodes, x + row * features)
          let scores = out + row * targetCount
          let seen = hasVoted + (row - block.lowerBound) * targetCount
          for vote in Int(leafStart[leaf])..<Int(leafStart[leaf + 1]) {
            let target = Int(targets[vote])
            let weight = weights[vote]
            switch aggregate {
            case .sum, .average: scores[target] += weight
            case .min: if !seen[target] || weight < scores[target] { scores[target] = weight }
            case .max: if !seen[target] || weight > scores[target] { scores[target] = weight }
            }
            seen[target] = true
          }
        }
      }
    }
  }

  /// As `leaf`, without a branch that depends on the data.
  @inline(__always)
  private func plainLeaf(_ root: Int32, _ nodes: UnsafeBufferPointer<Node>, _ x: UnsafePointer<T>) -> Int {
    var place = root
    while place >= 0 {
      let node = nodes[Int(place)]
      let value = x[Int(node.feature)]
      let isTrue = (value <= node.threshold ? 1 : 0) | (node.missingIsTrue ? 1 : 0) & (value.isNaN ? 1 : 0)
      place = isTrue != 0 ? node.onTrue : node.onFalse
    }
    return Int(~place)
  }

  @inline(__always)
  private func leaf(_ root: Int32, _ nodes: UnsafeBufferPointer<Node>, _ x: UnsafePointer<T>) -> Int {
    var place = root
    while place >= 0 {
      let node = nodes[Int(place)]
      let value = x[Int(node.feature)]
      let isTrue: Bool
      if value.isNaN {
        isTrue = node.missingIsTrue
      } else {
        switch node.mode {
        case .lessOrEqual: isTrue = value <= node.threshold
        case .less: isTrue = value < node.threshold
        case .greaterOrEqual: isTrue = value >= node.threshold
        case .greater: isTrue = value > node.threshold
        case .equal: isTrue = value == node.threshold
        case .notEqual: isTrue = value != node.threshold
        case .member: isTrue = contains(value, in: Int(node.set))
        }
      }
      place = isTrue ? node.onTrue : node.onFalse
    }
    return Int(~place)
  }

  /// Binary search.
  private func contains(_ value: T, in set: Int) -> Bool {
    let members = sets[set]
    var low = 0
    var high = members.count
    while low < high {
      let middle = (low + high) / 2
      if members[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low < members.count && members[low] == value
  }
}
