internal import CKernels
import GraphIR
import Tensors

/// com.microsoft.QLinearAveragePool: the mean of each window of a quantized tensor, quantized; `channels_last` for [N, .., C].
///
/// Dequantized numbers are summed in float, tap by tap, and divided by the number of taps inside the input, with
/// `count_include_pad` by that of all taps of the kernel.
struct QLinearAveragePool: Operator {
  let name = OperatorName("QLinearAveragePool", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O QLinearAveragePool 1 4 5 1 1
    a auto_pad string=NOTSET
    a ceil_mode int=0
    a channels_last int=0
    a count_include_pad int=0
    a kernel_shape ints!
    a pads ints
    a strides ints
    i X T
    i x_scale tensor(float)
    i? x_zero_point T
    i y_scale tensor(float)
    i? y_zero_point T
    o Y T
    c T tensor(*):uint8,int8
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    try Quantized.require(context, 0, Quantized.eightBit)
    for input in 1...4 { try Quantized.requireScalar(context, input) }
    let isLast = try context.attributes.bool("channels_last")
    let shape = try NNPooling.shape(isLast ? context.channelsFirst() : context)
    context.set(0, context.dataType(0), isLast ? shape.map(LastChannels.toLast) : shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let given = try Quantized.tensor(context, 0)
    let isLast = try context.attributes.bool("channels_last")
    let from = try QuantizedScale(context, scale: 1, zero: 2, of: given.dataType)
    let to = try QuantizedScale(context, scale: 3, zero: 4, of: given.dataType)
    let countsPadding = try context.attributes.bool("count_include_pad")
    let x = isLast ? try LastChannels.toFirst(given) : given
    let window = try NNPooling.geometry(context, x)
    let sizes = try window.kernelWindow()
    let isSigned = x.dataType == .int8
    let table = (0..<256).map { code in
      from.scale * Float((isSigned ? Int32(Int8(truncatingIfNeeded: code)) : Int32(code)) - from.zero)
    }
    let result = try Tensor.makeRaw(x.dataType, Array(x.shape[..<2]) + window.output) { raw in
      guard let out = raw.baseAddress?.assumingMemoryBound(to: UInt8.self), raw.count > 0 else { return }
      let source = x.baseAddress.assumingMemoryBound(to: UInt8.self)
      let grain = max(1, 50_000 / max(1, window.outputCount * window.taps))
      withExtendedLifetime(x) {
        NNParallel.ranges(x.shape[0] * x.shape[1], grain: grain) { planes in
          var sizes = sizes
          ck_avgpool_u8(
            out, isSigned, source, table, &sizes, countsPadding, to.scale, Float(to.zero), planes.lowerBound,
            planes.upperBound)
        }
      }
    }
    return [.tensor(isLast ? try LastChannels.toLast(result) : result)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QLinearAveragePool(), to: $0) })
