import Tensors

/// Samples a channel-first image of any rank at fractional places: GridSample and DeformConv.
struct NNSampler {
  enum Mode { case nearest, linear, cubic }
  enum Padding { case zeros, border, reflection }

  let mode: Mode
  let padding: Padding
  let alignsCorners: Bool
  let sizes: [Int]

  /// The index and weight of each tap on one axis; nil index: a zero of the padding.
  private func taps(_ place: Double, axis: Int) -> [(index: Int?, weight: Double)] {
    switch mode {
    case .nearest: return [(resolved(Int(place), axis), 1)]
    case .linear:
      let floor = place.rounded(.down)
      let ratio = place - floor
      let first = Int(floor)
      return [(resolved(first, axis), 1 - ratio), (resolved(first + 1, axis), ratio)]
    case .cubic:
      let floor = place.rounded(.down)
      let ratio = place - floor
      let first = Int(floor) - 1
      return (0..<4).map { (resolved(first + $0, axis), NNSampler.cubic(abs(ratio + 1 - Double($0)))) }
    }
  }

  private static func cubic(_ x: Double) -> Double {
    let a = -0.75
    return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
  }

  private func border(_ axis: Int) -> (Double, Double) {
    alignsCorners ? (0, Double(sizes[axis] - 1)) : (-0.5, Double(sizes[axis]) - 0.5)
  }

  private func resolved(_ index: Int, _ axis: Int) -> Int? {
    let size = sizes[axis]
    switch padding {
    case .zeros: return index >= 0 && index < size ? index : nil
    case .border: return min(max(index, 0), size - 1)
    case .reflection: return min(max(Int(reflected(Double(index), axis)), 0), size - 1)
    }
  }

  private func reflected(_ x: Double, _ axis: Int) -> Double {
    let (low, high) = border(axis)
    let range = high - low
    if x >= low && x <= high || range <= 0 { return range <= 0 ? low : x }
    let distance = x < low ? low - x : x - high
    let turns = (distance / range).rounded(.towardZero)
    let rest = distance - turns * range
    let isEven = turns.truncatingRemainder(dividingBy: 2) == 0
    return (x < low) == isEven ? low + rest : high - rest
  }

  /// The weighted elements of the image at `place`, in elements per axis: linear index and weight.
  func weights(at given: [Double]) -> [(index: Int, weight: Double)] {
    var result: [(index: Int, weight: Double)] = [(0, 1)]
    for axis in sizes.indices {
      // The reference keeps coordinates in float.
      var place = Double(Float(given[axis]))
      // Far outside every padding rule gives the same as here.
      place = place.isNaN ? -2 : min(max(place, -0x1p40), 0x1p40)
      if mode == .nearest { place = place.rounded(.toNearestOrEven) }
      let (low, high) = border(axis)
      if place < low || place > high {
        switch padding {
        case .zeros: break
        case .border: place = min(max(place, 0), Double(sizes[axis] - 1))
        case .reflection: place = reflected(place, axis)
        }
      }
      let own = taps(place, axis: axis)
      var next: [(index: Int, weight: Double)] = []
      for entry in result {
        for tap in own {
          if let index = tap.index, tap.weight != 0 {
            next.append((entry.index * sizes[axis] + index, entry.weight * tap.weight))
          }
        }
      }
      result = next
    }
    return result
  }
}
