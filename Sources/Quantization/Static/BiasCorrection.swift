import Tensors

/// What rounding the weights does to the mean of a product's results.
///
/// Source: Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, 2019, section 4.2, with the data's
/// means from calibration.
enum BiasCorrection {
  /// For each output channel the sum over its weights of (weight - dequantized code) * mean of the channel that it multiplies; nil where
  /// `means` do not fit the weights.
  ///
  /// Weights are [M, C / groups, taps..] with `channelAxis` 0, as a convolution has them, or a matrix.
  static func shift(_ weights: Tensor, _ codes: WeightCodes, channelAxis: Int, means: [Float]) throws -> [Float]? {
    let exact = try weights.elements(as: Float.self)
    let rounded = try codes.dequantized()
    let outputs = weights.shape[channelAxis]
    var result = [Double](repeating: 0, count: outputs)
    if channelAxis == 1 {
      guard weights.rank == 2, means.count == weights.shape[0] else { return nil }
      for index in exact.indices {
        result[index % outputs] += Double(exact[index] - rounded[index]) * Double(means[index / outputs])
      }
      return result.map { Float($0) }
    }
    let inputs = weights.shape[1]
    guard inputs > 0, means.count % inputs == 0 else { return nil }
    let groups = means.count / inputs
    guard outputs % groups == 0 else { return nil }
    let taps = weights.shape[2...].reduce(1, *)
    for index in exact.indices {
      let (output, input) = (index / (inputs * taps), index / taps % inputs)
      let channel = output / (outputs / groups) * inputs + input
      result[output] += Double(exact[index] - rounded[index]) * Double(means[channel])
    }
    return result.map { Float($0) }
  }
}
