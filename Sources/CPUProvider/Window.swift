internal import CKernels
import InferenceRuntime
import Operators

/// The sliding window of a pooling or convolution node whose input and output shapes are known.
struct Window {
  let c: ck_window
  let taps: Int
  let inputCount: Int
  let outputCount: Int
  let rank: Int
  /// True where the column matrix is the image itself.
  let isPointwise: Bool

  /// `input`, `output`: spatial extents. `transposed`: that of a ConvTranspose, whose window runs from output to input.
  init(_ attributes: AttributeReader, kernel: [Int], input: [Int], output: [Int], pads given: [Int]? = nil) throws {
    rank = input.count
    guard rank >= 1, rank <= 3, output.count == rank, kernel.count == rank else {
      throw Refusal("\(input.count) spatial axes")
    }
    func list(_ name: String) throws -> [Int] {
      let values = try attributes.optionalInts(name) ?? []
      return values.count == input.count ? values : [Int](repeating: 1, count: input.count)
    }
    let strides = try list("strides")
    let dilations = try list("dilations")
    var begin = [Int](repeating: 0, count: rank)
    var end = begin
    if let given {
      begin = Array(given[..<rank])
      end = Array(given[rank...])
    } else {
      switch try attributes.string("auto_pad", default: "NOTSET") {
      case "", "NOTSET":
        let pads = try attributes.optionalInts("pads") ?? []
        if pads.count == 2 * rank {
          begin = Array(pads[..<rank])
          end = Array(pads[rank...])
        }
      case "VALID": break
      case let mode:
        for axis in 0..<rank {
          let extent = (kernel[axis] - 1) * dilations[axis] + 1
          let total = max(0, (output[axis] - 1) * strides[axis] + extent - input[axis])
          begin[axis] = mode == "SAME_UPPER" ? total / 2 : total - total / 2
          end[axis] = total - begin[axis]
        }
      }
    }
    func three(_ values: [Int], _ fill: Int) -> (Int, Int, Int) {
      let v = [Int](repeating: fill, count: 3 - values.count) + values
      return (v[0], v[1], v[2])
    }
    c = ck_window(
      in: three(input, 1), out: three(output, 1), kernel: three(kernel, 1), stride: three(strides, 1),
      dilation: three(dilations, 1), pad_begin: three(begin, 0), pad_end: three(end, 0))
    taps = product(kernel)
    inputCount = product(input)
    outputCount = product(output)
    isPointwise =
      taps == 1 && strides.allSatisfy { $0 == 1 } && begin.allSatisfy { $0 == 0 } && end.allSatisfy { $0 == 0 }
      && input == output
  }
}
