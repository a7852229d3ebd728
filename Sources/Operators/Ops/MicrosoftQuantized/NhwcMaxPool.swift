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
    context.set(0, context.dataType(0), try NNPooling.shape(context.channelsFirst()).map(ChannelsLast.toLast))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let given = try Quantized.tensor(context, 0)
    guard given.rank >= 2 else { throw CameoError.badInput("pooling needs [N, .., C], the input is \(given)") }
    let geometry = try NNPooling.geometry(context, try ChannelsLast.toFirst(given))
    let channels = given.shape[given.rank - 1]
    let shape = [given.shape[0]] + geometry.output + [channels]
    // With the sign bit turned, int8 orders as uint8 does.
    let flip: UInt8 = given.dataType == .int8 ? 0x80 : 0
    let (positions, plane) = (geometry.outputCount, geometry.inputCount)
    let result = try Tensor.makeRaw(given.dataType, shape) { out in
      given.withUnsafeBytes { source in
        nonisolated(unsafe) let (source, out) = (source, out)
        NNParallel.ranges(shape[0] * positions, grain: max(1, 10_000 / max(1, channels * geometry.taps))) { range in
          for place in range {
            let image = place / positions * plane
            let target = place * channels
            for c in 0..<channels { out[target + c] = flip }
            geometry.forEachTap(place % positions) { _, index in
              guard index >= 0 else { return }
              let from = (image + index) * channels
              for c in 0..<channels where source[from + c] ^ flip > out[target + c] ^ flip {
                out[target + c] = source[from + c]
              }
            }
          }
        }
      }
    }
    return [.tensor(result)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(NhwcMaxPool(), to: $0) })
