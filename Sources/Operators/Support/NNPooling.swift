internal import CKernels
import GraphIR
import Tensors

/// What the windowed pooling operators share: shape inference and the walk over planes.
enum NNPooling {
  /// The output shape of a window over input 0, [N, C, outputs..].
  static func shape(_ context: InferenceContext) throws -> [Dim]? {
    let window = try NNWindow(context.attributes, kernel: nil)
    guard let x = context.shape(0) else { return nil }
    guard x.count >= 2 else { throw CameoError.badInput("input 0 (X) has rank \(x.count), [N, C, ..] was expected") }
    return Array(x[..<2]) + (try window.outputs(Array(x[2...])))
  }

  static func geometry(_ context: EvaluationContext, _ x: Tensor) throws -> NNGeometry {
    guard x.rank >= 2 else { throw CameoError.badInput("input 0 (X) is \(x), [N, C, ..] was expected") }
    return try NNWindow(context.attributes, kernel: nil).resolved(Array(x.shape[2...]))
  }

  /// Runs `float` (a C kernel over planes) for 32-bit floats and less, `double` (one position of one plane) otherwise.
  static func evaluate(
    _ x: Tensor, _ geometry: NNGeometry,
    float: (UnsafeMutablePointer<Float>, UnsafePointer<Float>, ck_window, Range<Int>) -> Void,
    double: (UnsafePointer<Double>, Int) -> Double
  ) throws -> Tensor {
    let planes = x.shape[0] * x.shape[1]
    let shape = Array(x.shape[..<2]) + geometry.output
    let positions = geometry.outputCount
    if x.dataType != .double && geometry.rank <= 3 {
      let window = try geometry.kernelWindow()
      let view = try ElementView<Float>(x)
      return try Tensor.make(x.dataType, shape, as: Float.self) { out in
        NNParallel.ranges(planes, grain: max(1, 4096 / max(1, positions))) { float(out, view.base, window, $0) }
      }
    }
    let view = try ElementView<Double>(x)
    return try Tensor.make(x.dataType, shape, as: Double.self) { out in
      for plane in 0..<planes {
        for position in 0..<positions {
          out[plane * positions + position] = double(view.base + plane * geometry.inputCount, position)
        }
      }
    }
  }
}
