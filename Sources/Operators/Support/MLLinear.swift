import GraphIR
import Tensors

/// The linear function of LinearClassifier and LinearRegressor: x W^T + b, in double.
struct MLLinear {
  let targets: Int
  private let weights: [Double]
  private let intercepts: [Double]

  /// Throws where `coefficients` is not [targets, features] or `intercepts` neither empty nor [targets].
  init(_ attributes: AttributeReader, targets: Int, _ shape: MLRows) throws {
    weights = (try attributes.optionalFloats("coefficients") ?? []).map { Double($0) }
    intercepts = (try attributes.optionalFloats("intercepts") ?? []).map { Double($0) }
    let (expected, overflow) = targets.multipliedReportingOverflow(by: shape.features)
    guard targets > 0, !overflow, weights.count == expected else {
      throw CameoError.badInput(
        "coefficients has \(weights.count) entries, \(targets) times \(shape.features) features were expected")
    }
    guard intercepts.isEmpty || intercepts.count == targets else {
      throw CameoError.badInput("intercepts has \(intercepts.count) entries, none or \(targets) were expected")
    }
    self.targets = targets
  }

  /// The scores of each row into the first `targets` of its `columns` in `out`.
  func run(_ x: UnsafePointer<Double>, _ shape: MLRows, columns: Int, into out: UnsafeMutablePointer<Double>) {
    weights.withUnsafeBufferPointer { weights in
      // No features, no products: the output is zeroed.
      guard let base = weights.baseAddress, !weights.isEmpty else { return }
      NNContraction.multiply(
        out, ldc: columns, NNMatrix(x, row: shape.features, col: 1), NNMatrix(base, row: 1, col: shape.features),
        m: shape.rows, n: targets, k: shape.features, inDouble: true)
    }
    if intercepts.isEmpty { return }
    for row in 0..<shape.rows { for i in 0..<targets { out[row * columns + i] += intercepts[i] } }
  }
}
