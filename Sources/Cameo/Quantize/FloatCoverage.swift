import GraphIR
import Operators
import Tensors

/// How much of a model computes in a narrower floating-point type.
public struct FloatCoverage: Sendable {
  /// Products and convolutions of floats, those of two computed values included.
  public let products: Int
  public let narrowProducts: Int
  /// Of the products whose shapes are known.
  public let multiplyAdds: Int
  public let narrowMultiplyAdds: Int

  /// `narrow`: the nodes of `work`'s graph that compute in the narrower type.
  init(_ work: NodeWork, narrow: Set<NodeID>) {
    let graph = work.graph
    let found = graph.allNodes.filter { id in
      let (inputs, outputs) = (graph[id].inputs, graph[id].outputs)
      guard Contraction.isOne(graph[id]) || graph[id].type == "GroupQueryAttention" else { return false }
      return work.isFloat(inputs.first ?? nil) && outputs.contains { work.isFloat($0) }
    }
    products = found.count
    narrowProducts = found.count { narrow.contains($0) }
    multiplyAdds = found.reduce(0) { $0 + (work.multiplyAdds($1) ?? 0) }
    narrowMultiplyAdds = found.reduce(0) { $0 + (narrow.contains($1) ? work.multiplyAdds($1) ?? 0 : 0) }
  }

  /// `40 of 62 products (64.5 %), 71.2 % of the multiply-adds`.
  public var summary: String {
    func percent(_ part: Int, _ whole: Int) -> String {
      whole == 0 ? "-" : "\((Double(part) / Double(whole) * 1000).rounded() / 10) %"
    }
    return "\(narrowProducts) of \(products) products (\(percent(narrowProducts, products))), "
      + "\(percent(narrowMultiplyAdds, multiplyAdds)) of the multiply-adds"
  }
}

/// An accuracy that was asked for, and what it took.
public struct HeldAccuracy: Sendable {
  public let measure: Accuracy.Measure
  public let limit: Double
  /// The drop with everything narrow that could be, and of the model that was written: as it is stored or as it is run here, the greater.
  public let before: Double
  public internal(set) var after: Double
  /// Models that were run on the samples.
  public let sessions: Int

  /// `0.31 -> 0.018 (max, at most 0.02; 37 models tried)`.
  public var summary: String {
    "\(Figures.short(before)) -> \(Figures.short(after)) (\(measure.rawValue), at most \(Figures.short(limit)); "
      + "\(sessions) model\(sessions == 1 ? "" : "s") tried)"
  }
}

/// What the nodes of a graph have to do, for known sizes of the inputs' symbols.
struct NodeWork {
  /// A number that is read or written takes about the time of so many multiply-adds.
  private static let element = 8.0
  let graph: Graph
  private let inference: ShapeInference

  init(_ model: Model, bindings: [String: Int]) throws {
    graph = model.graph
    var settings = ShapeInference.Options()
    settings.isLenient = true
    settings.bindings = bindings.mapValues { Dim($0) }
    inference = ShapeInference(graph, functions: model.functions, options: settings)
    try inference.run()
  }

  func isFloat(_ value: ValueID?) -> Bool { value.map { inference[$0].dataType == .float } ?? false }

  func multiplyAdds(_ id: NodeID) -> Int? {
    let node = graph[id]
    let shapes = { (values: [ValueID?]) in values.map { $0.flatMap { inference[$0].shape } } }
    return Contraction.multiplyAdds(node, inputs: shapes(node.inputs), outputs: shapes(node.outputs))?.value
  }

  /// More than 0: multiply-adds, and the floats that are read and written.
  func work(_ id: NodeID) -> Double {
    let node = graph[id]
    let moved = (node.inputs + node.outputs).reduce(0.0) { $0 + elements($1) }
    return 1 + Double(multiplyAdds(id) ?? 0) + Self.element * moved
  }

  private func elements(_ value: ValueID?) -> Double {
    guard let value, isFloat(value), let shape = inference[value].shape else { return 0 }
    return shape.reduce(1) { $0 * Double($1.value ?? 1) }
  }
}
