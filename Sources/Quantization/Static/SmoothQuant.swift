public import GraphIR
import Operators
public import PassKit
import Tensors

/// Moves what is hard to quantize from the data of a product to its weights: channel j of the data is divided by s[j], row j of the
/// weights multiplied by it, with s[j] = max|x[j]|^alpha / max|W[j]|^(1 - alpha).
///
/// Source: Xiao et al., SmoothQuant, 2023. The division goes into the LayerNormalization or RMSNormalization that makes the data where
/// nothing else reads it, else into a Mul, which an integer runtime fuses with the QuantizeLinear behind it.
public struct SmoothQuant: Pass {
  public let name = "SmoothQuant"
  public let summary = "moves outliers of a product's data to its weights"
  public let level = 0
  private let products: [ValueID: [QuantizationPlacement.Product]]
  private let moments: [ValueID: ChannelSummary]
  private let alpha: Float?

  /// `alpha` nil: for each value the one with the least expected error, see `expectedError`. `moments` are of the products' data
  /// along its last axis; a value without any is left alone.
  public init(_ placement: QuantizationPlacement, _ moments: [ValueID: ChannelSummary], alpha: Float?) {
    products = Dictionary(grouping: placement.products, by: \.data)
    self.moments = moments
    self.alpha = alpha
  }

  public func run(_ context: PassContext) throws {
    for (data, readers) in products.sorted(by: { $0.key < $1.key }) {
      guard let moments = moments[data] else { continue }
      do {
        try smooth(data, readers, moments, context)
      } catch let refusal as Refusal {
        for reader in readers { context.refuse(name, at: reader.node, refusal) }
      }
    }
  }

  private func smooth(
    _ data: ValueID, _ readers: [QuantizationPlacement.Product], _ moments: ChannelSummary, _ context: PassContext
  ) throws {
    let graph = context.graph
    let channels = moments.channels
    var matrices: [ProductWeights] = []
    for reader in readers {
      guard !graph[reader.node].is("Conv") else {
        throw Refusal("a convolution's data is not smoothed", at: reader.node)
      }
      guard let weights = graph.constant(reader.weights), weights.rank == 2,
        weights.shape[1 - reader.channelAxis] == channels
      else { throw Refusal("its weights do not fit \(channels) channels", at: reader.node) }
      matrices.append(try ProductWeights(weights, channelAxis: reader.channelAxis))
    }
    let magnitude = matrices.map(\.rowMagnitudes).reduce([Float](repeating: 0, count: channels)) {
      zip($0, $1).map(max)
    }
    let candidates = alpha.map { [$0] } ?? stride(from: Float(0.2), through: 0.95, by: 0.05).map { $0 }
    var best: (error: Double, factors: [Float]) = (.infinity, [])
    if alpha == nil {
      let plain = [Float](repeating: 1, count: channels)
      best = (expectedError(plain, moments, matrices), plain)
    }
    for candidate in candidates {
      let factors = SmoothQuant.factors(moments.magnitude, magnitude, candidate)
      let error = expectedError(factors, moments, matrices)
      if error < best.error { best = (error, factors) }
    }
    guard !best.factors.allSatisfy({ $0 == 1 }) else { throw Refusal("no alpha makes the expected error smaller") }
    try apply(best.factors, data, readers, matrices, context)
  }

  /// s[j], 1 where a channel of the data or a row of the weights is all zeros.
  static func factors(_ data: [Float], _ weights: [Float], _ alpha: Float) -> [Float] {
    zip(data, weights).map { x, w in
      guard x > 1e-6, w > 1e-6 else { return 1 }
      return min(max(power(x, alpha) / power(w, 1 - alpha), 1e-4), 1e4)
    }
  }

  /// The expected square error of the products' results, from the steps' uniform error: data step^2 / 12 for each weight, and each
  /// column's weight step^2 / 12 for each mean square of the data.
  private func expectedError(_ factors: [Float], _ moments: ChannelSummary, _ matrices: [ProductWeights]) -> Double {
    var (low, high): (Float, Float) = (0, 0)
    var energy = 0.0
    let squares = moments.meanSquare
    for j in factors.indices {
      low = min(low, moments.least[j] / factors[j])
      high = max(high, moments.greatest[j] / factors[j])
      energy += Double(squares[j]) / Double(factors[j] * factors[j])
    }
    let step = Double(high - low) / 255
    return matrices.reduce(0) { sum, matrix in
      let (weightEnergy, columns) = matrix.scaled(by: factors)
      let weightError = columns.reduce(0.0) { $0 + Double($1) / 127 * Double($1) / 127 }
      return sum + (step * step * weightEnergy + weightError * energy) / 12
    }
  }

  private func apply(
    _ factors: [Float], _ data: ValueID, _ readers: [QuantizationPlacement.Product], _ matrices: [ProductWeights],
    _ context: PassContext
  ) throws {
    let graph = context.graph
    var change = GraphChange(rule: name, covers: [], region: .main)
    let inverse = factors.map { 1 / $0 }
    let nodes = Set(readers.map(\.node))
    let isAlone = !graph.isRegionOutput(data) && graph.consumers(data).allSatisfy { nodes.contains($0) }
    if isAlone, let producer = graph.producer(data),
      let places = try Self.parameters(of: producer, context, factors.count)
    {
      for (index, tensor) in places {
        let scaled = try zip(tensor.elements(as: Float.self), inverse).map { $0 * $1 }
        change.setInput(index, of: producer, to: change.constant(try Tensor.of(scaled, .float, shape: tensor.shape)))
      }
    } else {
      let smoothed = change.node(
        "Mul", [.existing(data), change.constant(try Tensor.of(inverse, .float, shape: [inverse.count]))], covers: [])
      for reader in readers { change.setInput(0, of: reader.node, to: smoothed) }
    }
    for (reader, matrix) in zip(readers, matrices) {
      change.setInput(1, of: reader.node, to: change.constant(try matrix.multiplied(by: factors)))
    }
    try context.apply(change)
  }

  /// Scale and bias of a normalization over the last axis, constants both, with their places.
  private static func parameters(of id: NodeID, _ context: PassContext, _ count: Int) throws -> [(Int, Tensor)]? {
    let node = context.graph[id]
    guard node.is("LayerNormalization") || node.is("RMSNormalization"),
      node.outputs.dropFirst().allSatisfy({ $0 == nil })
    else { return nil }
    var places: [(Int, Tensor)] = []
    for index in 1..<node.inputs.count {
      guard let input = node.input(index) else { continue }
      guard let tensor = context.graph.constant(input), tensor.count == count, tensor.shape.last == count else {
        return nil
      }
      places.append((index, tensor))
    }
    return places.isEmpty ? nil : places
  }
}

/// The weights of a product, seen as rows of the data's channels.
private struct ProductWeights {
  private let tensor: Tensor
  private let values: [Float]
  private let rows: Int
  private let columns: Int
  private let isTransposed: Bool

  /// `channelAxis` counts output channels.
  init(_ tensor: Tensor, channelAxis: Int) throws {
    self.tensor = tensor
    values = try tensor.elements(as: Float.self)
    isTransposed = channelAxis == 0
    (rows, columns) = isTransposed ? (tensor.shape[1], tensor.shape[0]) : (tensor.shape[0], tensor.shape[1])
  }

  private func index(_ row: Int, _ column: Int) -> Int { isTransposed ? column * rows + row : row * columns + column }

  var rowMagnitudes: [Float] {
    (0..<rows).map { row in (0..<columns).reduce(Float(0)) { max($0, abs(values[index(row, $1)])) } }
  }

  /// With rows multiplied: the sum of squares, and the greatest magnitude of each column.
  func scaled(by factors: [Float]) -> (energy: Double, columns: [Float]) {
    var greatest = [Float](repeating: 0, count: columns)
    var energy = 0.0
    for row in 0..<rows {
      var sum: Float = 0
      for column in 0..<columns {
        let x = abs(values[index(row, column)]) * factors[row]
        sum += x * x
        greatest[column] = max(greatest[column], x)
      }
      energy += Double(sum)
    }
    return (energy, greatest)
  }

  func multiplied(by factors: [Float]) throws -> Tensor {
    try Tensor.make(.float, tensor.shape, as: Float.self) { out in
      for row in 0..<rows {
        for column in 0..<columns { out[index(row, column)] = values[index(row, column)] * factors[row] }
      }
    }
  }
}
