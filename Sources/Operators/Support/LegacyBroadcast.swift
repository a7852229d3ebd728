import GraphIR
import Tensors

/// The `axis` and `broadcast` attributes of operators before opset 7, and `consumed_inputs` before opset 6.
extension Graph {
  /// Drops the memory hint of opset 1.
  mutating func dropConsumedInputs(_ id: NodeID) {
    if self[id]["consumed_inputs"] != nil { setAttribute("consumed_inputs", of: id, to: nil) }
  }

  /// The rank of a value, where its declared type or its constant tells it.
  func rank(_ value: ValueID?) -> Int? {
    guard let value else { return nil }
    return constant(value)?.rank ?? self[value].type?.shape?.count
  }

  /// The element type of a value, as far as known.
  func dataType(_ value: ValueID?) -> DataType? {
    guard let value else { return nil }
    return constant(value)?.dataType ?? self[value].type?.dataType
  }

  /// The shape of a value, as far as known.
  func shape(_ value: ValueID?) -> [Dim]? {
    guard let value else { return nil }
    return constant(value)?.shape.map { Dim($0) } ?? self[value].type?.shape
  }

  /// Upgrade: input 1 of an operator before opset 7 is lined up with input 0 at `axis`; afterwards NumPy's rule fits.
  mutating func upgradeLegacyBroadcast(_ id: NodeID) throws {
    dropConsumedInputs(id)
    let axis: Int64?
    switch self[id]["axis"] {
    case .int(let value): axis = value
    case nil: axis = nil
    default: throw CameoError.badInput("attribute axis is no int")
    }
    let broadcasts: Bool
    switch self[id]["broadcast"] {
    case .int(let value): broadcasts = value != 0
    case nil: broadcasts = false
    default: throw CameoError.badInput("attribute broadcast is no int")
    }
    setAttribute("axis", of: id, to: nil)
    setAttribute("broadcast", of: id, to: nil)
    if let axis, broadcasts { try alignOperand(1, of: id, atAxis: Int(axis)) }
  }

  /// Gives input `index` trailing axes of length 1, so that its first axis meets axis `axis` of input 0.
  mutating func alignOperand(_ index: Int, of id: NodeID, atAxis axis: Int) throws {
    guard let a = self[id].input(0), let b = self[id].input(index) else { return }
    if let rankA = rank(a), let rankB = rank(b) {
      let start = axis < 0 ? axis + rankA : axis
      guard start >= 0, start <= rankA, rankA - start - rankB >= 0 else {
        throw CameoError.badInput("axis \(axis) does not line a tensor of rank \(rankB) up with one of rank \(rankA)")
      }
      let trailing = rankA - start - rankB
      if trailing == 0 { return }
      if let tensor = constant(b) {
        let shaped = try tensor.reshaped(tensor.shape + [Int](repeating: 1, count: trailing))
        return setInput(index, of: id, to: emitConstant(shaped, like: id))
      }
      let axes = emitConstant(try .ints(Array(rankB..<rankB + trailing)), like: id)
      return setInput(index, of: id, to: emit("Unsqueeze", [b, axes], like: id))
    }
    // Ranks come with the run: append (rank A - axis - rank B) ones to B's shape.
    let shapeB = emit("Shape", [b], like: id)
    let rankA = emit("Shape", [emit("Shape", [a], like: id)], like: id)
    let rankB = emit("Shape", [shapeB], like: id)
    let start = emitConstant(try .ints([axis]), like: id)
    let room =
      axis < 0
      ? emit("Sub", [emitConstant(try .ints([0]), like: id), start], like: id) : emit("Sub", [rankA, start], like: id)
    let trailing = emit("Sub", [room, rankB], like: id)
    let ones = emit("ConstantOfShape", [trailing], [NamedAttribute("value", .tensor(try .ints([1])))], like: id)
    let target = emit("Concat", [shapeB, ones], [NamedAttribute("axis", .int(0))], like: id)
    setInput(index, of: id, to: emit("Reshape", [b, target], like: id))
  }

  /// Lowering below opset 7: states the broadcast of input 1 by attributes. Throws `.unsupported` where it is another one, or
  /// the shapes are not known.
  mutating func lowerLegacyBroadcast(_ id: NodeID, commutes: Bool) throws {
    guard let a = shape(self[id].input(0)), let b = shape(self[id].input(1)) else {
      throw CameoError.unsupported("before opset 7 broadcasts are stated by the node, and the shapes are not known")
    }
    if a == b { return }
    if let place = Graph.legacyPlace(of: b, in: a) { return try stateBroadcast(id, place, b) }
    if commutes, let place = Graph.legacyPlace(of: a, in: b) {
      replaceInputs(of: id, with: [self[id].input(1), self[id].input(0)])
      return try stateBroadcast(id, place, a)
    }
    throw CameoError.unsupported("before opset 7 there is no such broadcast")
  }

  private mutating func stateBroadcast(_ id: NodeID, _ place: (axis: Int, core: [Dim]), _ shape: [Dim]) throws {
    if place.core.count < shape.count, let b = self[id].input(1) {
      if let tensor = constant(b) {
        setInput(1, of: id, to: emitConstant(try tensor.reshaped(place.core.compactMap(\.value)), like: id))
      } else {
        let unknown = place.core.filter { !$0.isKnown }.count
        guard unknown <= 1 else { throw CameoError.unsupported("before opset 7 there is no such broadcast") }
        let target = emitConstant(try .ints(place.core.map { $0.value ?? -1 }), like: id)
        setInput(1, of: id, to: emit("Reshape", [b, target], like: id))
      }
    }
    setAttribute("broadcast", of: id, to: .int(1))
    setAttribute("axis", of: id, to: .int(Int64(place.axis)))
  }

  /// Where `b`, freed of the ones around it, lies in `a` as a run of equal dimensions.
  private static func legacyPlace(of b: [Dim], in a: [Dim]) -> (axis: Int, core: [Dim])? {
    guard b.count <= a.count else { return nil }
    var core = b
    var axis = a.count - b.count
    while core.last == 1 && (core.count > 1 || a.last != 1) { core.removeLast() }
    while core.first == 1, a[axis] != 1 {
      core.removeFirst()
      axis += 1
    }
    guard axis + core.count <= a.count, Array(a[axis..<axis + core.count]) == core else { return nil }
    return (core.isEmpty ? 0 : axis, core)
  }
}
