public import GraphIR
import Operators
public import PassKit
import Tensors

/// Moves what is hard to quantize from the data of a product to its weights: channel j of the data is divided by s[j], row j of the
/// weights multiplied by it, with s[j] = max|x[j]|^alpha / max|W[j]|^(1 - alpha).
///
/// Source: Xiao et al., SmoothQuant, 2023. The division goes into the LayerNormalization or RMSNormalization that makes the data where
/// nothing else reads it, else into a Mul, which an integer runtime fuses with the QuantizeLinear behind it. A convolution's data is divided
/// by channels of the image; where each filter has one channel of its own, that costs the weights nothing.
public struct SmoothQuant: Pass {
  public let name = "SmoothQuant"
  public let summary = "moves outliers of a product's data to its weights"
  public let level = 0
  private let products: [ValueID: [QuantizationPlacement.Product]]
  private let moments: [ValueID: ChannelSummary]
  private let alpha: Float?

  /// `alpha` nil: for each value the one with the least expected error, see `expectedError`. `moments` are of the products' data
  /// along its last axis, of convolutions' data along axis 1; a value without any is left alone.
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
      guard graph[reader.node].is("Conv") == graph[readers[0].node].is("Conv") else {
        throw Refusal("a convolution and a product of matrices read its data", at: reader.node)
      }
      guard let weights = graph.constant(reader.weights), weights.rank >= 2,
        let matrix = try ProductWeights(weights, graph[reader.node], reader.channelAxis, channels: channels)
      else { throw Refusal("its weights do not fit \(channels) channels", at: reader.node) }
      matrices.append(matrix)
    }
    let magnitude = matrices.map(\.rowMagnitudes).reduce([Float](repeating: 0, count: channels)) {
      zip($0, $1).map(max)
    }
    let candidates = alpha.map { [$0] } ?? stride(from: Float(0.2), through: 1, by: 0.05).map { $0 }
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
    let squares = moments.meanSquare
    var energies = [Double](repeating: 0, count: factors.count)
    for j in factors.indices {
      low = min(low, moments.least[j] / factors[j])
      high = max(high, moments.greatest[j] / factors[j])
      energies[j] = Double(squares[j]) / Double(factors[j] * factors[j])
    }
    let step = Double(high - low) / 255
    return matrices.reduce(0) { sum, matrix in
      let (weightEnergy, columns) = matrix.scaled(by: factors)
      let weightError = zip(columns, matrix.gathered(energies)).reduce(0.0) {
        $0 + Double($1.0) / 127 * Double($1.0) / 127 * $1.1
      }
      return sum + (step * step * weightEnergy + weightError) / 12
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
    let isImage = graph[readers[0].node].is("Conv")
    let scaling = ChannelFolding(
      factors: inverse, axis: isImage ? 1 : -1, rank: graph.constant(readers[0].weights)?.rank ?? 2, graph: graph)
    if try !isAlone || !scaling.fold(into: data, &change) {
      let smoothed = change.node("Mul", [.existing(data), change.constant(try scaling.row())], covers: [])
      for reader in readers { change.setInput(0, of: reader.node, to: smoothed) }
    }
    for (reader, matrix) in zip(readers, matrices) {
      change.setInput(1, of: reader.node, to: change.constant(try matrix.multiplied(by: factors)))
    }
    try context.apply(change)
  }
}

/// The weights of a product, seen as rows of the data's channels and columns of results.
private struct ProductWeights {
  private let tensor: Tensor
  private let values: [Float]
  private let rows: Int
  private let columns: Int
  /// Filters that read the same channels, the channels that a filter reads, and the numbers of each; for a matrix one group.
  private let filters: Int
  private let inputs: Int
  private let taps: Int
  private let isTransposed: Bool

  /// nil where the weights do not fit. `channelAxis` counts output channels.
  init?(_ tensor: Tensor, _ node: Node, _ channelAxis: Int, channels: Int) throws {
    let groups = node.is("Conv") ? try AttributeReader(node).int("group", default: 1) : 1
    isTransposed = channelAxis == 0
    columns = tensor.shape[channelAxis]
    inputs = tensor.shape[1 - channelAxis]
    taps = tensor.shape[2...].reduce(1, *)
    rows = channels
    guard groups > 0, columns % groups == 0, inputs * groups == channels, node.is("Conv") || tensor.rank == 2 else {
      return nil
    }
    filters = columns / groups
    self.tensor = tensor
    values = try tensor.elements(as: Float.self)
  }

  /// Calls `body` with each number's index, row and column.
  private func forEach(_ body: (_ index: Int, _ row: Int, _ column: Int) -> Void) {
    guard isTransposed else {
      for row in 0..<rows { for column in 0..<columns { body(row * columns + column, row, column) } }
      return
    }
    var index = 0
    for column in 0..<columns {
      let first = column / filters * inputs
      for row in first..<first + inputs {
        for _ in 0..<taps {
          body(index, row, column)
          index += 1
        }
      }
    }
  }

  var rowMagnitudes: [Float] {
    var greatest = [Float](repeating: 0, count: rows)
    forEach { index, row, _ in greatest[row] = max(greatest[row], abs(values[index])) }
    return greatest
  }

  /// For each column the sum of `rows` over the numbers that it is multiplied with.
  func gathered(_ rows: [Double]) -> [Double] {
    var sums = [Double](repeating: 0, count: columns)
    guard isTransposed else { return [Double](repeating: rows.reduce(0, +), count: columns) }
    for column in 0..<columns {
      let first = column / filters * inputs
      sums[column] = rows[first..<first + inputs].reduce(0, +) * Double(taps)
    }
    return sums
  }

  /// With rows multiplied: the sum of squares, and the greatest magnitude of each column.
  func scaled(by factors: [Float]) -> (energy: Double, columns: [Float]) {
    var greatest = [Float](repeating: 0, count: columns)
    var energy = 0.0
    forEach { index, row, column in
      let x = abs(values[index]) * factors[row]
      energy += Double(x) * Double(x)
      greatest[column] = max(greatest[column], x)
    }
    return (energy, greatest)
  }

  func multiplied(by factors: [Float]) throws -> Tensor {
    try Tensor.make(.float, tensor.shape, as: Float.self) { out in
      forEach { index, row, _ in out[index] = values[index] * factors[row] }
    }
  }
}
