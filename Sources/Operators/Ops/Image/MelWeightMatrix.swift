import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// MelWeightMatrix: triangular filters on the mel scale, [dft_length / 2 + 1, num_mel_bins].
struct MelWeightMatrix: Operator {
  let name = OperatorName("MelWeightMatrix")

  func infer(_ context: inout InferenceContext) throws {
    let bins = context.symbols(0)?.first ?? context.unknownDim()
    let length = context.symbols(1)?.first.map { $0.floorDiv(2) + 1 } ?? context.unknownDim()
    context.set(0, try context.attributes.dataType("output_datatype") ?? .float, [length, bins])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let type = try context.attributes.dataType("output_datatype") ?? .float
    let bins = Int(truncatingIfNeeded: try context.scalar(0, as: Int64.self))
    let length = Int(truncatingIfNeeded: try context.scalar(1, as: Int64.self))
    let rate = try context.scalar(2, as: Double.self)
    let low = try context.scalar(3, as: Double.self)
    let high = try context.scalar(4, as: Double.self)
    guard bins >= 0, bins < 1 << 24, length >= 0, length < 1 << 32, rate > 0 else {
      throw CameoError.badInput("\(bins) mel bins of \(length) samples at \(rate) Hz: positive numbers were expected")
    }
    func mel(_ hertz: Double) -> Double { 2595 * log1p(hertz / 700) / log(10) }
    let step = (mel(high) - mel(low)) / Double(bins + 2)
    let rows = length / 2 + 1
    let places = try (0..<bins + 2).map { index in
      let hertz = 700 * expm1((Double(index) * step + mel(low)) / 2595 * log(10))
      let place = (Double(length + 1) * hertz / rate).rounded(.down)
      guard place >= 0, place < Double(rows) else {
        throw CameoError.badInput("an edge of \(hertz) Hz lies outside the spectrum")
      }
      return Int(place)
    }
    return [
      .tensor(
        try Tensor.make(type, [rows, bins], as: Double.self) { out in
          for bin in 0..<bins {
            let (left, centre, right) = (places[bin], places[bin + 1], places[bin + 2])
            if left == centre {
              out[centre * bins + bin] = 1
            } else {
              for row in left..<max(left, centre) + 1 {
                out[row * bins + bin] = Double(row - left) / Double(centre - left)
              }
            }
            for row in centre..<max(centre, right) {
              out[row * bins + bin] = Double(right - row) / Double(right - centre)
            }
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MelWeightMatrix(), to: $0) })
