internal import CKernels
import GraphIR
import Tensors

/// com.microsoft.NhwcMaxPool: MaxPool of an 8-bit tensor [N, .., C]. Padding never wins; a window of padding alone gives the
/// type's least number.
struct NhwcMaxPool: Operator {
  let name = OperatorName("NhwcMaxPool", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O NhwcMaxPool 1 1 1 1 1
    a auto_pad string=NOTSET
    a ceil_mode int=0
    a dilations ints
    a kernel_shape ints!
    a pads ints
    a strides ints
    i x T
    o y T
    c T tensor(*):int8,uint8
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    try Quantized.require(context, 0, Quantized.eightBit)
    context.set(0, context.dataType(0), try NNPooling.shape(context.channelsFirst()).map(LastChannels.toLast))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let given = try Quantized.tensor(context, 0)
    guard given.rank >= 2 else { throw CameoError.badInput("pooling needs [N, .., C], the input is \(given)") }
    let channels = given.shape[given.rank - 1]
    let geometry = try NNWindow(context.attributes, kernel: nil).resolved(Array(given.shape[1..<given.rank - 1]))
    let shape = [given.shape[0]] + geometry.output + [channels]
    let window = try geometry.kernelWindow()
    let result = try Tensor.makeRaw(given.dataType, shape) { raw in
      guard let out = raw.baseAddress?.assumingMemoryBound(to: UInt8.self), raw.count > 0 else { return }
      withExtendedLifetime(given) {
        let source = given.baseAddress.assumingMemoryBound(to: UInt8.self)
        let grain = max(1, 50_000 / max(1, channels * geometry.taps))
        NNParallel.ranges(shape[0] * geometry.outputCount, grain: grain) { places in
          var window = window
          ck_maxpool_u8(
            out, source, &window, given.dataType == .int8, channels, places.lowerBound, places.upperBound)
        }
      }
    }
    return [.tensor(result)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(NhwcMaxPool(), to: $0) })
