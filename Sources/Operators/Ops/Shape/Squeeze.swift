import GraphIR
import Tensors

/// Squeeze: drops axes of length 1; all of them where none are named.
struct Squeeze: Operator {
  let name = OperatorName("Squeeze")
  let traits: OperatorTraits = .dataMovement

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    guard let shape = context.shape(0) else { return context.set(0, type, nil) }
    let dropped: Set<Int>
    if context.hasInput(1) {
      guard let axes = context.ints(1) else {
        guard let count = context.length(1), count <= shape.count else { return context.set(0, type, nil) }
        return context.set(0, type, context.unknownShape(rank: shape.count - count))
      }
      dropped = Set(try axes.map { try Axes.normalize($0, rank: shape.count) })
      for axis in dropped {
        if let length = shape[axis].value, length != 1 {
          throw CameoError.badInput("axis \(axis) has length \(length), only 1 can be dropped")
        }
      }
    } else {
      guard shape.allSatisfy(\.isKnown) else { return context.set(0, type, nil) }
      dropped = Set(shape.indices.filter { shape[$0] == 1 })
    }
    let kept = shape.indices.filter { !dropped.contains($0) }.map { shape[$0] }
    context.set(0, type, kept, symbols: context.facts(0)?.symbols)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let dropped: Set<Int>
    if let axes = try context.optionalTensor(1) {
      dropped = Set(try axes.ints().map { try Axes.normalize($0, rank: data.rank) })
      for axis in dropped where data.shape[axis] != 1 {
        throw CameoError.badInput("axis \(axis) has length \(data.shape[axis]), only 1 can be dropped")
      }
    } else {
      dropped = Set(data.shape.indices.filter { data.shape[$0] == 1 })
    }
    return [.tensor(try data.reshaped(data.shape.indices.filter { !dropped.contains($0) }.map { data.shape[$0] }))]
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 13 { try graph.moveAttributeToInput("axes", of: node, at: 1) }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 13 else { return }
    try graph.moveInputToAttribute(1, of: node, named: "axes", Attribute.ints)
    if version < 11 { try graph.countAxesFromFront(node, rank: graph.rank(graph[node].input(0))) }
  }
}

extension Graph {
  /// Lowering: negative `axes` are counted from the front; before opset 11 they could not be negative.
  mutating func countAxesFromFront(_ node: NodeID, rank: Int?) throws {
    guard case .ints(let axes) = self[node]["axes"], axes.contains(where: { $0 < 0 }) else { return }
    guard let rank else {
      throw CameoError.unsupported("before opset 11 axes are not negative, and the rank is not known")
    }
    setAttribute("axes", of: node, to: .ints(axes.map { $0 < 0 ? $0 + Int64(rank) : $0 }))
  }

  /// The same for the single attribute `axis`.
  mutating func countAxisFromFront(_ node: NodeID, rank: Int?) throws {
    guard case .int(let axis) = self[node]["axis"], axis < 0 else { return }
    guard let rank else {
      throw CameoError.unsupported("before opset 11 axis is not negative, and the rank is not known")
    }
    setAttribute("axis", of: node, to: .int(axis + Int64(rank)))
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Squeeze(), to: $0) })
