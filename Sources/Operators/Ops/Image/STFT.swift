import GraphIR
import Tensors

/// STFT: Fourier transforms of overlapping windowed frames.
struct STFT: Operator {
  let name = OperatorName("STFT")

  func infer(_ context: inout InferenceContext) throws {
    let x = context.shape(0)
    if let x, x.count != 2, x.count != 3 { throw CameoError.badInput("STFT of rank \(x.count)") }
    let isOneSided = try context.attributes.int("onesided", default: 1) != 0
    let length = context.hasInput(3) ? context.symbols(3)?.first : context.shape(2)?.first
    let step = context.symbols(1)?.first
    var frames = context.unknownDim()
    if let x, let length, let step { frames = (x[1] - length).floorDiv(step) + 1 }
    let bins = length.map { isOneSided ? $0.floorDiv(2) + 1 : $0 } ?? context.unknownDim()
    context.set(0, context.dataType(0), [x?[0] ?? context.unknownDim(), frames, bins, 2])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let parts = x.rank == 3 ? x.shape[2] : 1
    guard x.rank == 2 || x.rank == 3, parts == 1 || parts == 2 else { throw CameoError.badInput("STFT of \(x)") }
    let step = Int(truncatingIfNeeded: try context.tensor(1).scalar(as: Int64.self))
    let window = try context.optionalTensor(2)?.elements(as: Double.self)
    let asked = try context.optionalTensor(3).map { Int(truncatingIfNeeded: try $0.scalar(as: Int64.self)) }
    let size = x.shape[1]
    let length = asked ?? window?.count ?? size
    guard length > 0, step > 0, length <= size, window == nil || window?.count == length else {
      throw CameoError.badInput("frames of \(length) every \(step) of \(x)")
    }
    let isOneSided = try context.attributes.int("onesided", default: 1) != 0
    let frames = (size - length) / step + 1
    let bins = isOneSided ? length / 2 + 1 : length
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(x.dataType, [x.shape[0], frames, bins, 2], as: Double.self) { out in
          for item in 0..<x.shape[0] {
            for frame in 0..<frames {
              var re = [Double](repeating: 0, count: length)
              var im = re
              for k in 0..<length {
                let at = (item * size + frame * step + k) * parts
                let weight = window?[k] ?? 1
                re[k] = view[at] * weight
                im[k] = parts == 2 ? view[at + 1] * weight : 0
              }
              NNFourier.transform(&re, &im, isInverse: false)
              for k in 0..<bins {
                out[((item * frames + frame) * bins + k) * 2] = re[k]
                out[((item * frames + frame) * bins + k) * 2 + 1] = im[k]
              }
            }
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(STFT(), to: $0) })
