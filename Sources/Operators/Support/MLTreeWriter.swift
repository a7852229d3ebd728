import GraphIR
import Tensors

/// Writes a forest as the tables of TreeEnsembleRegressor: each tree's nodes from its root on, numbered as they are written.
///
/// A node that tests membership becomes one test for equality a member. What several branches lead to is written once for
/// each of them, as every reader of these tables expects a tree.
struct MLTreeWriter {
  private var trees: [Int64] = []
  private var ids: [Int64] = []
  private var features: [Int64] = []
  private var modes: [String] = []
  private var values: [Float] = []
  private var onTrue: [Int64] = []
  private var onFalse: [Int64] = []
  private var missing: [Int64] = []
  private var voteTrees: [Int64] = []
  private var voteNodes: [Int64] = []
  private var targets: [Int64] = []
  private var weights: [Float] = []

  /// A branch that is still to be written: where it leads, and which side of which row names it.
  private struct Branch {
    let reference: Int32
    /// Members of the set that were tested already, where the node tests membership.
    var tested = 0
    var parent = -1
    var isTrueSide = false
  }

  /// Throws `.unsupported` where branches share so much that the trees would be many times as large.
  init(_ forest: MLForest<Float>) throws {
    let members = forest.sets.reduce(0) { $0 + $1.count }
    let limit = max(1 << 16, 8 * (forest.nodes.count + forest.leafStart.count + members))
    for (tree, root) in forest.roots.enumerated() {
      let first = ids.count
      var open = [Branch(reference: root)]
      while let branch = open.popLast() {
        let row = ids.count
        guard row < limit else {
          throw CameoError.unsupported(
            "before ai.onnx.ml 5 trees share no nodes and have no BRANCH_MEMBER: these would have more than \(limit) nodes"
          )
        }
        if branch.parent >= 0 {
          if branch.isTrueSide {
            onTrue[branch.parent] = Int64(row - first)
          } else {
            onFalse[branch.parent] = Int64(row - first)
          }
        }
        if branch.reference < 0 {
          appendLeaf(forest, Int(~branch.reference), tree, row - first)
        } else {
          open += append(forest, branch, tree, row, row - first)
        }
      }
    }
  }

  private mutating func append(_ tree: Int, _ id: Int, _ feature: Int32, _ mode: String, _ value: Float, _ tracks: Bool)
  {
    trees.append(Int64(tree))
    ids.append(Int64(id))
    features.append(Int64(feature))
    modes.append(mode)
    values.append(value)
    missing.append(tracks ? 1 : 0)
    onTrue.append(0)
    onFalse.append(0)
  }

  private mutating func appendLeaf(_ forest: MLForest<Float>, _ leaf: Int, _ tree: Int, _ id: Int) {
    append(tree, id, 0, "LEAF", 0, false)
    for vote in Int(forest.leafStart[leaf])..<Int(forest.leafStart[leaf + 1]) {
      voteTrees.append(Int64(tree))
      voteNodes.append(Int64(id))
      targets.append(Int64(forest.targets[vote]))
      weights.append(forest.weights[vote])
    }
  }

  /// The row of an inner node; its two branches, the one to write first last.
  private mutating func append(_ forest: MLForest<Float>, _ branch: Branch, _ tree: Int, _ row: Int, _ id: Int)
    -> [Branch]
  {
    let node = forest.nodes[Int(branch.reference)]
    var otherwise = Branch(reference: node.onFalse, parent: row)
    if node.mode == .member {
      let members = forest.sets[Int(node.set)]
      // Nothing equals a NaN: an empty set holds no value.
      append(tree, id, node.feature, "BRANCH_EQ", members.isEmpty ? .nan : members[branch.tested], node.missingIsTrue)
      if branch.tested + 1 < members.count {
        otherwise = Branch(reference: branch.reference, tested: branch.tested + 1, parent: row)
      }
    } else {
      append(tree, id, node.feature, node.mode.name, node.threshold, node.missingIsTrue)
    }
    return [otherwise, Branch(reference: node.onTrue, parent: row, isTrueSide: true)]
  }

  var attributes: [NamedAttribute] {
    var result = [
      NamedAttribute("nodes_treeids", .ints(trees)), NamedAttribute("nodes_nodeids", .ints(ids)),
      NamedAttribute("nodes_featureids", .ints(features)), NamedAttribute("nodes_modes", .strings(modes)),
      NamedAttribute("nodes_values", .floats(values)), NamedAttribute("nodes_truenodeids", .ints(onTrue)),
      NamedAttribute("nodes_falsenodeids", .ints(onFalse)), NamedAttribute("target_treeids", .ints(voteTrees)),
      NamedAttribute("target_nodeids", .ints(voteNodes)), NamedAttribute("target_ids", .ints(targets)),
      NamedAttribute("target_weights", .floats(weights)),
    ]
    if missing.contains(1) { result.append(NamedAttribute("nodes_missing_value_tracks_true", .ints(missing))) }
    return result
  }
}

extension MLForest.Mode {
  /// As the tables with ids call it.
  fileprivate var name: String {
    switch self {
    case .lessOrEqual: "BRANCH_LEQ"
    case .less: "BRANCH_LT"
    case .greaterOrEqual: "BRANCH_GTE"
    case .greater: "BRANCH_GT"
    case .equal: "BRANCH_EQ"
    case .notEqual: "BRANCH_NEQ"
    case .member: "BRANCH_MEMBER"
    }
  }
}
