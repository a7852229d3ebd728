import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Max, average and Lp pooling over one to three spatial axes, channels first or last.
enum PoolKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "MaxPool": { try make($0, .greatest) }, "AveragePool": { try make($0, .mean) }, "LpPool": { try make($0, .norm) },
    "ai.cameo.ChannelsLastMaxPool": { try make($0, .greatest, isLast: true) },
    "ai.cameo.ChannelsLastAveragePool": { try make($0, .mean, isLast: true) },
  ]

  /// pool.cu's KIND.
  private enum Operation: Int { case greatest, mean, norm }

  /// Everything for three spatial axes; those that are not there have the size 1 and come first.
  private struct Window {
    var kernel, strides, dilations, begin, end, input, output: [Int]

    init(_ attributes: AttributeReader, input: [Int], output: [Int]) throws {
      let rank = input.count
      let kernel = try attributes.ints("kernel_shape")
      guard rank >= 1, rank <= 3, output.count == rank, kernel.count == rank else {
        throw Refusal("\(rank) spatial axes")
      }
      func list(_ name: String) throws -> [Int] {
        let values = try attributes.optionalInts(name) ?? []
        return values.count == rank ? values : [Int](repeating: 1, count: rank)
      }
      let (strides, dilations) = (try list("strides"), try list("dilations"))
      var (begin, end) = ([Int](repeating: 0, count: rank), [Int](repeating: 0, count: rank))
      switch try attributes.string("auto_pad", default: "NOTSET") {
      case "", "NOTSET":
        if let pads = try attributes.optionalInts("pads"), pads.count == 2 * rank {
          (begin, end) = (Array(pads[..<rank]), Array(pads[rank...]))
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
      func three(_ values: [Int], _ fill: Int) -> [Int] { [Int](repeating: fill, count: 3 - rank) + values }
      (self.kernel, self.strides, self.dilations) = (three(kernel, 1), three(strides, 1), three(dilations, 1))
      (self.begin, self.end) = (three(begin, 0), three(end, 0))
      (self.input, self.output) = (three(input, 1), three(output, 1))
      let all = self.kernel + self.strides + self.dilations + self.begin + self.end + self.input + self.output
      guard all.allSatisfy({ abs($0) < 1 << 24 }) else { throw Refusal("sizes over 2^24") }
    }
  }

  private static func make(_ request: CUDARequest, _ operation: Operation, isLast: Bool = false) throws
    -> PreparedKernel
  {
    let (x, y) = (try request.operand(0), try request.result())
    let isBytes = operation == .greatest && (x.type == .uint8 || x.type == .int8 || x.type == .double)
    guard isBytes ? x.type == y.type : x.type.isSmallFloat && y.type.isSmallFloat else {
      throw Refusal("\(x.type) to \(y.type)")
    }
    guard x.rank >= 3, y.rank == x.rank else { throw Refusal("rank \(x.rank)") }
    let spatial = isLast ? 1..<x.rank - 1 : 2..<x.rank
    let window = try Window(request.attributes, input: Array(x.shape[spatial]), output: Array(y.shape[spatial]))
    let channels = isLast ? x.shape[x.rank - 1] : 1
    let vector = isLast ? RowForm.vector([x.type, y.type], dividing: [channels]) : 1
    let count = y.count / vector
    guard count < 1 << 31, product(window.input) * channels < 1 << 31 else { throw Refusal("\(y.count) results") }
    let p = operation == .norm ? try request.attributes.int("p", default: 2) : 2
    let function = try request.function(
      "pool", in: ["elements.cuh", "rows.cuh", "pool.cu"],
      macros: [
        "X": x.type.code, "Y": y.type.code, "KIND": operation.rawValue, "LAST": isLast ? 1 : 0, "VEC": vector,
      ])
    let sizes = [
      window.input, window.output, window.kernel, window.strides, window.dilations, window.begin, window.end,
    ].joined()
    let countsPadding = operation == .mean ? try request.attributes.bool("count_include_pad") : false
    let isColumnMajor = operation == .greatest && !isLast ? try request.attributes.bool("storage_order") : false
    var arguments: [Launch.Argument] = [
      .input(0), .output(), request.output(1) == nil ? .null : .output(1), .int32(count),
    ]
    arguments += sizes.map { .int32($0) }
    arguments += [.divisor(channels / vector)] + window.output.reversed().map { .divisor($0) }
    arguments += [.float(Float(p)), .int32(countsPadding ? 1 : 0), .int32(isColumnMajor ? 1 : 0), .end]
    let launch = Launch(function, grid: LaunchSize(parts(count, of: 256)), block: LaunchSize(256), arguments)
    let name = ["maxpool", "avgpool", "lppool"][operation.rawValue]
    return PreparedKernel(LaunchKernel(isLast ? name + ", channels last" : name, [launch]))
  }
}
