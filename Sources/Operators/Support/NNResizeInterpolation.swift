import Tensors

/// Which input elements make one output element of an axis, and with what weights.
package struct ResizeInterpolation {
  package struct Taps {
    package var indices: [Int]
    package var weights: [Double]

    package init(indices: [Int], weights: [Double]) {
      self.indices = indices
      self.weights = weights
    }
  }

  let mode: String
  let transformation: String
  let nearestMode: String
  let cubic: Double
  let excludesOutside: Bool
  let antialias: Bool
  let extrapolation: Double
  var roi = (0.0, 1.0)

  package init(_ attributes: AttributeReader) throws {
    mode = try attributes.string("mode", default: "nearest")
    transformation = try attributes.string("coordinate_transformation_mode", default: "half_pixel")
    nearestMode = try attributes.string("nearest_mode", default: "round_prefer_floor")
    cubic = Double(try attributes.float("cubic_coeff_a", default: -0.75))
    excludesOutside = try attributes.bool("exclude_outside")
    antialias = try attributes.bool("antialias")
    extrapolation = Double(try attributes.float("extrapolation_value", default: 0))
    guard ["nearest", "linear", "cubic"].contains(mode) else {
      throw CameoError.badInput("attribute mode is \(mode); nearest, linear or cubic was expected")
    }
    if mode == "nearest" && antialias { throw CameoError.unsupported("antialias of mode nearest") }
  }

  /// One entry a position; nil where the extrapolation value stands.
  package func table(input: Int, output: Int, scale: Double) throws -> [Taps?] {
    try (0..<output).map { position in
      guard let x = try origin(Double(position), input: input, output: output, scale: scale) else { return nil }
      guard x.magnitude < 0x1p52 else { throw CameoError.badInput("place \(position) comes from \(x)") }
      let floor = x.rounded(.down)
      // An exact place counts as the right end of the interval to its left.
      let ratio = x == floor ? 1 : x - floor
      var weights = try weights(ratio, scale)
      let n = weights.count
      var start: Int
      if n % 2 == 0 {
        start = Int(floor) - n / 2 + (x == floor ? 0 : 1)
      } else {
        start = Int(floor) - (n - 1) / 2 + (x - floor <= 0.5 ? 0 : 1)
      }
      if excludesOutside {
        for i in weights.indices where start + i < 0 || start + i >= input { weights[i] = 0 }
        let sum = weights.reduce(0, +)
        if sum != 0 { weights = weights.map { $0 / sum } }
      }
      var taps = Taps(indices: [], weights: [])
      for weight in weights {
        if weight != 0 {
          taps.indices.append(min(max(start, 0), input - 1))
          taps.weights.append(weight)
        }
        start += 1
      }
      return taps
    }
  }

  private func origin(_ x: Double, input: Int, output: Int, scale: Double) throws -> Double? {
    let width = Double(input)
    let resized = scale * width
    switch transformation {
    case "align_corners": return resized == 1 ? 0 : x * (width - 1) / (resized - 1)
    case "asymmetric": return x / scale
    case "half_pixel": return (x + 0.5) / scale - 0.5
    case "pytorch_half_pixel": return resized == 1 ? -0.5 : (x + 0.5) / scale - 0.5
    case "half_pixel_symmetric":
      let adjustment = Double(output) / resized
      return width / 2 * (1 - adjustment) + (x + 0.5) / scale - 0.5
    case "tf_crop_and_resize":
      let extent = (roi.1 - roi.0) * (width - 1)
      let place = (resized == 1 ? extent / 2 : x * extent / (resized - 1)) + roi.0 * (width - 1)
      return place >= 0 && place <= width - 1 ? place : nil
    default:
      throw CameoError.badInput(
        "attribute coordinate_transformation_mode is \(transformation), which the standard does not list")
    }
  }

  private func weights(_ ratio: Double, _ scale: Double) throws -> [Double] {
    switch mode {
    case "nearest":
      if ratio == 1 { return [0, 1] }
      switch nearestMode {
      case "round_prefer_floor": return ratio <= 0.5 ? [1, 0] : [0, 1]
      case "round_prefer_ceil": return ratio < 0.5 ? [1, 0] : [0, 1]
      case "floor": return [1, 0]
      case "ceil": return [0, 1]
      default:
        throw CameoError.badInput(
          "attribute nearest_mode is \(nearestMode); round_prefer_floor, round_prefer_ceil, floor or ceil was expected")
      }
    case "linear":
      guard antialias else { return [1 - ratio, ratio] }
      let s = min(scale, 1)
      let start = Int((-1 / s).rounded(.down)) + 1
      return normalized((start..<2 - start).map { min(max(1 - abs((Double($0) - ratio) * s), 0), 1) })
    default:
      guard antialias else { return [ratio + 1, ratio, 1 - ratio, 2 - ratio].map(cubicWeight) }
      let s = min(scale, 1)
      let start = Int((-2 / s).rounded(.down)) + 1
      return normalized((start..<2 - start).map { cubicWeight(s * (Double($0) - ratio)) })
    }
  }

  private func normalized(_ weights: [Double]) -> [Double] {
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
  }

  /// Keys' cubic kernel.
  private func cubicWeight(_ value: Double) -> Double {
    let x = abs(value)
    if x <= 1 { return ((cubic + 2) * x - (cubic + 3)) * x * x + 1 }
    if x < 2 { return ((cubic * x - 5 * cubic) * x + 8 * cubic) * x - 4 * cubic }
    return 0
  }
}
