import GraphIR
import Tensors

/// Reads the tables of TreeEnsembleClassifier and TreeEnsembleRegressor: nodes with an id within their tree, and votes that
/// name the leaves they belong to. Every array is checked against the others; nothing is indexed before.
struct MLTreeTables {
  let attributes: AttributeReader
  /// "class" or "target": the prefix of the votes' attributes.
  let votes: String

  /// The type that thresholds and votes are held in: double where the rows are, or where a tensor attribute is.
  func elementType(of input: DataType) throws -> DataType {
    if input == .double { return .double }
    for name in ["nodes_values", "base_values", "\(votes)_weights"] {
      if try attributes.tensor(name + "_as_tensor")?.dataType == .double { return .double }
    }
    return .float
  }

  /// The attribute `name`, or the tensor that may stand for it. Throws where both are given.
  func numbers<T: BinaryFloatingPoint & ComputeElement>(_ name: String, as _: T.Type) throws -> [T] {
    let floats = try attributes.optionalFloats(name) ?? []
    guard let tensor = try attributes.tensor(name + "_as_tensor"), !tensor.isEmpty else { return floats.map { T($0) } }
    guard floats.isEmpty else {
      throw CameoError.badInput("both \(name) and \(name)_as_tensor are given, one of them was expected")
    }
    guard tensor.dataType == .float || tensor.dataType == .double, tensor.rank <= 1 else {
      throw CameoError.badInput("\(name)_as_tensor is \(tensor), a vector of float or double was expected")
    }
    return try tensor.elements(as: T.self)
  }

  private func ints(_ name: String, count: Int? = nil) throws -> [Int] {
    try checked(name, try attributes.optionalInts(name) ?? [], count)
  }

  private func checked<Element>(_ name: String, _ values: [Element], _ count: Int?) throws -> [Element] {
    if let count, values.count != count {
      throw CameoError.badInput("\(name) has \(values.count) entries, \(count) were expected")
    }
    return values
  }

  /// The trees, for `targetCount` targets.
  func forest<T: BinaryFloatingPoint & ComputeElement>(of _: T.Type, targetCount: Int) throws -> MLForest<T> {
    let trees = try ints("nodes_treeids")
    let count = trees.count
    guard Int32(exactly: count) != nil else { throw CameoError.limit("an ensemble of \(count) nodes") }
    let ids = try ints("nodes_nodeids", count: count)
    let features = try ints("nodes_featureids", count: count)
    let onTrue = try ints("nodes_truenodeids", count: count)
    let onFalse = try ints("nodes_falsenodeids", count: count)
    let thresholds = try checked("nodes_values", try numbers("nodes_values", as: T.self), count)
    let modes = try checked("nodes_modes", try attributes.optionalStrings("nodes_modes") ?? [], count)
    let missing = try ints("nodes_missing_value_tracks_true")
    if !missing.isEmpty { _ = try checked("nodes_missing_value_tracks_true", missing, count) }
    let table = try MLNodeTable(trees: trees, nodes: ids)

    var forest = MLForest<T>()
    // Inner nodes and leaves are numbered apart, in the order given.
    var references = [Int32]()
    references.reserveCapacity(count)
    var leafCount: Int32 = 0
    var kinds: [MLForest<T>.Mode?] = []
    kinds.reserveCapacity(count)
    var innerCount: Int32 = 0
    for mode in modes {
      let kind = try MLTreeTables.mode(mode, of: T.self)
      kinds.append(kind)
      references.append(kind == nil ? ~leafCount : innerCount)
      if kind == nil { leafCount += 1 } else { innerCount += 1 }
    }
    forest.nodes.reserveCapacity(Int(innerCount))
    for (index, kind) in kinds.enumerated() {
      guard let kind else { continue }
      guard let feature = Int32(exactly: features[index]) else {
        throw CameoError.badInput("nodes_featureids holds \(features[index])")
      }
      func child(_ id: Int, _ name: String) throws -> Int32 {
        guard let place = table.position(tree: trees[index], node: id) else {
          throw CameoError.badInput("\(name) names node \(id), which tree \(trees[index]) does not have")
        }
        return references[place]
      }
      forest.nodes.append(
        MLForest<T>.Node(
          threshold: thresholds[index], feature: feature, onTrue: try child(onTrue[index], "nodes_truenodeids"),
          onFalse: try child(onFalse[index], "nodes_falsenodeids"), mode: kind,
          missingIsTrue: missing.isEmpty ? false : missing[index] != 0))
    }
    forest.roots = table.roots.map { references[$0] }
    try addVotes(to: &forest, table, references, leafCount: Int(leafCount))
    try forest.validate(targetCount: targetCount, targetName: "\(votes)_ids")
    return forest
  }

  /// nil for a leaf.
  private static func mode<T>(_ name: String, of _: T.Type) throws -> MLForest<T>.Mode? {
    switch name {
    case "LEAF": return nil
    case "BRANCH_LEQ": return .lessOrEqual
    case "BRANCH_LT": return .less
    case "BRANCH_GTE": return .greaterOrEqual
    case "BRANCH_GT": return .greater
    case "BRANCH_EQ": return .equal
    case "BRANCH_NEQ": return .notEqual
    default:
      throw CameoError.badInput(
        "nodes_modes holds \(name); BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, BRANCH_GT, BRANCH_EQ, BRANCH_NEQ or LEAF was expected"
      )
    }
  }

  /// Sorts the votes by leaf, those of one leaf in the order given. Votes of inner nodes count for nothing.
  private func addVotes<T: BinaryFloatingPoint & ComputeElement>(
    to forest: inout MLForest<T>, _ table: MLNodeTable, _ references: [Int32], leafCount: Int
  ) throws {
    let ids = try ints("\(votes)_ids")
    let trees = try ints("\(votes)_treeids", count: ids.count)
    let nodes = try ints("\(votes)_nodeids", count: ids.count)
    let weights = try checked("\(votes)_weights", try numbers("\(votes)_weights", as: T.self), ids.count)
    var leaves: [Int32] = []
    leaves.reserveCapacity(ids.count)
    var starts = [Int32](repeating: 0, count: leafCount + 1)
    for index in ids.indices {
      guard let place = table.position(tree: trees[index], node: nodes[index]) else {
        throw CameoError.badInput(
          "\(votes)_nodeids names node \(nodes[index]), which tree \(trees[index]) does not have")
      }
      let leaf = ~references[place]
      leaves.append(leaf)
      if leaf >= 0 { starts[Int(leaf) + 1] += 1 }
    }
    for leaf in 0..<leafCount { starts[leaf + 1] += starts[leaf] }
    var next = starts
    let total = Int(starts[leafCount])
    forest.targets = [Int32](repeating: 0, count: total)
    forest.weights = [T](repeating: 0, count: total)
    for (index, leaf) in leaves.enumerated() where leaf >= 0 {
      guard let target = Int32(exactly: ids[index]) else {
        throw CameoError.badInput("\(votes)_ids holds \(ids[index])")
      }
      let place = Int(next[Int(leaf)])
      next[Int(leaf)] += 1
      forest.targets[place] = target
      forest.weights[place] = weights[index]
    }
    forest.leafStart = starts
  }

  /// Lowering: the tensor attributes, which came with version 3, become lists of floats. Throws `.unsupported` where that
  /// would round.
  static func lowerTensors(of node: NodeID, in graph: inout Graph, votes: String) throws {
    for name in ["nodes_values", "base_values", "\(votes)_weights", "nodes_hitrates"] {
      guard case .tensor(let tensor) = graph[node][name + "_as_tensor"] else { continue }
      let exact = try tensor.elements(as: Double.self)
      let rounded = exact.map { Float($0) }
      guard zip(exact, rounded).allSatisfy({ $0 == Double($1) || $0.isNaN }) else {
        throw CameoError.unsupported("\(name)_as_tensor holds doubles that are no floats, before ai.onnx.ml 3")
      }
      graph.setAttribute(name + "_as_tensor", of: node, to: nil)
      if !rounded.isEmpty { graph.setAttribute(name, of: node, to: .floats(rounded)) }
    }
  }
}

/// Finds nodes by tree and node id. Where ids count from 0 within each tree, as exporters write them, nothing is hashed but
/// the trees.
struct MLNodeTable {
  private struct Key: Hashable {
    let tree: Int
    let node: Int
  }

  private var blocks: [Int: Range<Int>] = [:]
  private var places: [Key: Int] = [:]
  private let isDense: Bool
  /// The first node of each tree, in the order in which the trees begin.
  private(set) var roots: [Int] = []

  /// Throws where two nodes have one id.
  init(trees: [Int], nodes: [Int]) throws {
    var dense = true
    var start = 0
    for index in trees.indices {
      if index == 0 || trees[index] != trees[index - 1] {
        start = index
        if blocks[trees[index]] == nil {
          roots.append(index)
          blocks[trees[index]] = index..<index
        } else {
          dense = false
        }
      }
      if nodes[index] != index - start { dense = false }
      if dense { blocks[trees[index]] = start..<index + 1 }
    }
    isDense = dense
    if dense { return }
    places.reserveCapacity(nodes.count)
    for index in nodes.indices {
      guard places.updateValue(index, forKey: Key(tree: trees[index], node: nodes[index])) == nil else {
        throw CameoError.badInput("nodes_nodeids holds node \(nodes[index]) of tree \(trees[index]) twice")
      }
    }
  }

  func position(tree: Int, node: Int) -> Int? {
    guard isDense else { return places[Key(tree: tree, node: node)] }
    guard let block = blocks[tree], node >= 0, node < block.count else { return nil }
    return block.lowerBound + node
  }
}
