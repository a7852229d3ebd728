import GraphIR
import Operators
public import PassKit
import Tensors

/// Evens out the channels between two convolutions: filter i of the first is divided by s[i], the second's weights for channel i are
/// multiplied by it, with s[i] = sqrt(r1[i] * r2[i]) / r2[i] of the weights' ranges.
///
/// Source: Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, 2019. Between the two may stand
/// Relu, LeakyRelu or PRelu of one slope, which a positive factor passes through; nothing else may read the value. It serves one scale
/// for all weights of a layer most.
public struct CrossLayerEqualization: Pass {
  public let name = "CrossLayerEqualization"
  public let summary = "evens out the channels' ranges between convolutions"
  public let level = 0
  private static let rounds = 8

  public init() {}

  public func run(_ context: PassContext) throws {
    for _ in 0..<Self.rounds {
      var greatest: Float = 1
      for id in context.graph.nodes where context.graph[id].is("Conv") {
        do {
          greatest = max(greatest, try equalize(id, context))
        } catch let refusal as Refusal {
          context.refuse(name, at: id, refusal)
        }
      }
      if greatest < 1.01 { break }
    }
  }

  /// The greatest factor that was applied between `first` and the convolution behind it; 1: none.
  private func equalize(_ first: NodeID, _ context: PassContext) throws -> Float {
    let graph = context.graph
    guard let second = try follower(of: first, graph), let (w1, b1) = try weights(of: first, graph),
      let (w2, _) = try weights(of: second, graph)
    else { return 1 }
    let channels = w1.shape[0]
    let groups = try AttributeReader(graph[second]).int("group", default: 1)
    let isDepthwise = groups == channels && w2.shape[1] == 1
    guard isDepthwise || groups == 1 && w2.shape[1] == channels else {
      throw Refusal("the convolution behind it has \(groups) groups")
    }
    guard !isDepthwise || w2.shape[0] == channels else {
      throw Refusal("the convolution behind it multiplies channels")
    }
    let (a, b) = (try w1.elements(as: Float.self), try w2.elements(as: Float.self))
    let (size, taps) = (a.count / channels, w2.shape[2...].reduce(1, *))
    func channel(_ index: Int) -> Int { isDepthwise ? index / taps : index / taps % channels }
    var (r1, r2) = ([Float](repeating: 0, count: channels), [Float](repeating: 0, count: channels))
    for index in a.indices { r1[index / size] = max(r1[index / size], abs(a[index])) }
    for index in b.indices { r2[channel(index)] = max(r2[channel(index)], abs(b[index])) }
    let factors = zip(r1, r2).map { $0 > 1e-8 && $1 > 1e-8 ? min(max(($0 / $1).squareRoot(), 1e-4), 1e4) : 1 }
    let greatest = factors.reduce(Float(1)) { max($0, max($1, 1 / $1)) }
    guard greatest >= 1.01 else { return 1 }
    var change = GraphChange(rule: name, covers: [], region: .main)
    change.setInput(
      1, of: first,
      to: change.constant(
        try Tensor.of(a.indices.map { a[$0] / factors[$0 / size] }, .float, shape: w1.shape)))
    if let b1 {
      let bias = try b1.elements(as: Float.self)
      change.setInput(
        2, of: first, to: change.constant(try Tensor.of(zip(bias, factors).map { $0 / $1 }, .float, shape: b1.shape)))
    }
    change.setInput(
      1, of: second,
      to: change.constant(
        try Tensor.of(b.indices.map { b[$0] * factors[channel($0)] }, .float, shape: w2.shape)))
    try context.apply(change)
    return greatest
  }

  /// The convolution that alone reads the result, through what a positive factor passes; nil where another node stands there.
  private func follower(of id: NodeID, _ graph: Graph) throws -> NodeID? {
    var value = graph[id].output(0)
    while let current = value, graph.hasSingleUse(current), !graph.isRegionOutput(current),
      let next = graph.consumers(current).first, graph[next].input(0) == current, graph[next].region == graph[id].region
    {
      if graph[next].is("Conv") { return next }
      guard graph[next].is("Relu") || graph[next].is("LeakyRelu") else { return nil }
      value = graph[next].output(0)
    }
    return nil
  }

  private func weights(of id: NodeID, _ graph: Graph) throws -> (Tensor, Tensor?)? {
    guard let weights = graph.constant(graph[id].input(1)), weights.dataType == .float, weights.rank >= 3 else {
      return nil
    }
    guard let bias = graph[id].input(2) else { return (weights, nil) }
    guard let tensor = graph.constant(bias) else { return nil }
    return (weights, tensor)
  }
}
