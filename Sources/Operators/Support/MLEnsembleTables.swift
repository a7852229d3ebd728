import GraphIR
import Tensors

/// Reads the tables of TreeEnsemble (ai.onnx.ml 5): inner nodes and leaves apart, children named by position.
struct MLEnsembleTables {
  let attributes: AttributeReader

  private func checked<Element>(_ name: String, _ values: [Element], _ count: Int) throws -> [Element] {
    guard values.count == count else {
      throw CameoError.badInput("\(name) has \(values.count) entries, \(count) were expected")
    }
    return values
  }

  private func numbers<T: ComputeElement>(_ name: String, as _: T.Type, count: Int? = nil) throws -> [T] {
    guard let tensor = try attributes.tensor(name) else { throw CameoError.badInput("attribute \(name) is missing") }
    guard tensor.dataType != .string else { throw CameoError.badInput("\(name) is \(tensor), numbers were expected") }
    let values = try tensor.elements(as: T.self)
    return try count.map { try checked(name, values, $0) } ?? values
  }

  func forest<T: BinaryFloatingPoint & ComputeElement>(of _: T.Type, targetCount: Int) throws -> MLForest<T> {
    let features = try attributes.ints("nodes_featureids")
    let count = features.count
    let leafTargets = try attributes.ints("leaf_targetids")
    guard Int32(exactly: count) != nil, Int32(exactly: leafTargets.count) != nil else {
      throw CameoError.limit("an ensemble of \(count) nodes")
    }
    let thresholds = try numbers("nodes_splits", as: T.self, count: count)
    let modes = try numbers("nodes_modes", as: Int64.self, count: count)
    let onTrue = try children("true", count: count, leafCount: leafTargets.count)
    let onFalse = try children("false", count: count, leafCount: leafTargets.count)
    let missing = try attributes.optionalInts("nodes_missing_value_tracks_true") ?? []
    if !missing.isEmpty { _ = try checked("nodes_missing_value_tracks_true", missing, count) }

    var forest = MLForest<T>()
    forest.nodes.reserveCapacity(count)
    var setCount: Int32 = 0
    for index in 0..<count {
      guard let number = UInt8(exactly: modes[index]), let mode = MLForest<T>.Mode(rawValue: number) else {
        throw CameoError.badInput("nodes_modes holds \(modes[index]), 0 to 6 was expected")
      }
      guard let feature = Int32(exactly: features[index]) else {
        throw CameoError.badInput("nodes_featureids holds \(features[index])")
      }
      forest.nodes.append(
        MLForest<T>.Node(
          threshold: thresholds[index], feature: feature, onTrue: onTrue[index], onFalse: onFalse[index],
          set: mode == .member ? setCount : -1, mode: mode, missingIsTrue: missing.isEmpty ? false : missing[index] != 0
        ))
      if mode == .member { setCount += 1 }
    }
    forest.sets = try sets(count: Int(setCount), of: T.self)
    forest.roots = try attributes.ints("tree_roots").map { root in
      guard root >= 0, root < count else {
        throw CameoError.badInput("tree_roots holds \(root), 0 to \(count - 1) was expected")
      }
      return Int32(root)
    }
    forest.targets = try leafTargets.map { target in
      guard let narrow = Int32(exactly: target) else { throw CameoError.badInput("leaf_targetids holds \(target)") }
      return narrow
    }
    forest.weights = try numbers("leaf_weights", as: T.self, count: leafTargets.count)
    forest.leafStart = (0...leafTargets.count).map { Int32($0) }
    try forest.validate(targetCount: targetCount, targetName: "leaf_targetids")
    return forest
  }

  /// References to the children on one side: positions of nodes, complements of leaves.
  private func children(_ side: String, count: Int, leafCount: Int) throws -> [Int32] {
    let ids = try checked("nodes_\(side)nodeids", try attributes.ints("nodes_\(side)nodeids"), count)
    let areLeaves = try checked("nodes_\(side)leafs", try attributes.ints("nodes_\(side)leafs"), count)
    return try ids.indices.map { index in
      let isLeaf = areLeaves[index] != 0
      let limit = isLeaf ? leafCount : count
      guard ids[index] >= 0, ids[index] < limit else {
        throw CameoError.badInput(
          "nodes_\(side)nodeids names \(isLeaf ? "leaf" : "node") \(ids[index]), 0 to \(limit - 1) was expected")
      }
      return isLeaf ? ~Int32(ids[index]) : Int32(ids[index])
    }
  }

  /// The sets of the membership nodes in the order of the nodes, each ended by a NaN (the last one's may be left out).
  private func sets<T: BinaryFloatingPoint & ComputeElement>(count: Int, of _: T.Type) throws -> [[T]] {
    guard try count > 0 || attributes.tensor("membership_values") != nil else { return [] }
    let values = try numbers("membership_values", as: T.self)
    var result: [[T]] = []
    var members: [T] = []
    for value in values {
      if value.isNaN {
        result.append(members.sorted())
        members = []
      } else {
        members.append(value)
      }
    }
    if !members.isEmpty { result.append(members.sorted()) }
    guard result.count == count else {
      throw CameoError.badInput(
        "membership_values holds \(result.count) sets, \(count) were expected: one a BRANCH_MEMBER node")
    }
    return result
  }
}
