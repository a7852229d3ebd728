import GraphIR
import Tensors

/// com.microsoft.DynamicQuantizeLSTM: LSTM with 8-bit weights W [directions, input, 4 * hidden] and R [directions, hidden,
/// 4 * hidden]; X as far as a sequence goes and, in each step, the hidden states of the batch are rounded to uint8 over their range.
///
/// ONNX Runtime takes the range of the part of the batch that one of its threads has, so that its results for batches depend
/// on the number of threads.
struct DynamicQuantizeLSTM: Operator {
  let name = OperatorName("DynamicQuantizeLSTM", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O DynamicQuantizeLSTM 1 12 12 0 3
    a activation_alpha floats
    a activation_beta floats
    a activations strings
    a clip float
    a direction string=forward
    a hidden_size int
    a input_forget int=0
    i X T
    i W T2
    i R T2
    i? B T
    i? sequence_lens T1
    i? initial_h T
    i? initial_c T
    i? P T
    i W_scale T
    i W_zero_point T2
    i R_scale T
    i R_zero_point T2
    o? Y T
    o? Y_h T
    o? Y_c T
    c T tensor(*):float
    c T1 tensor(*):int32
    c T2 tensor(*):uint8,int8
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    let directions = Dim(try NNRecurrent.direction(context.attributes) == .bidirectional ? 2 : 1)
    for input in [0, 1, 2] { try context.require(rank: 3...3, of: input) }
    try Quantized.require(context, 0, [.float])
    for input in [1, 2] { try Quantized.require(context, input, Quantized.eightBit) }
    let hidden: Dim =
      if let r = context.shape(2) { r[1] } else if let size = try context.attributes.optionalInt("hidden_size") {
        Dim(size)
      } else { context.unknownDim() }
    let x = context.shape(0)
    if let x, let w = context.shape(1) { _ = try context.unify(x[2], w[1], "the features of X and the rows of W") }
    let (length, batch) = (x?[0] ?? context.unknownDim(), x?[1] ?? context.unknownDim())
    context.set(0, .float, [length, directions, batch, hidden])
    for index in 1...2 { context.set(index, .float, [directions, batch, hidden]) }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    guard x.dataType == .float, x.rank == 3 else {
      throw CameoError.badInput("X is \(x), float of rank 3 was expected")
    }
    let (input, weight, recurrence) = (
      try rounded(x, steps: context.optionalTensor(4)?.ints().max()), try weights(context, 1, scale: 8),
      try weights(context, 2, scale: 10)
    )
    var net = try NNRecurrent(
      context, gates: 4, defaults: ["Sigmoid", "Tanh", "Tanh"],
      tensors: (input, weight, recurrence))
    net.roundsStates = { states in
      var (low, high): (Float, Float) = (0, 0)
      for state in states { (low, high) = (min(low, Float(state)), max(high, Float(state))) }
      let scale = low == high ? 1 : (high - low) / 255
      let point = min(max(-low / scale, 0), 255).rounded(.toNearestOrEven)
      let range = QuantizedScale(scale: scale, zero: point.isNaN ? 0 : Int32(point))
      return states.map { Double(range.quantize(Float($0), in: 0...255) - Int64(range.zero)) * Double(scale) }
    }
    return try LSTM.run(net, context)
  }

  /// X in double, its first `steps` (those that a sequence has) rounded to uint8 over their range.
  private func rounded(_ x: Tensor, steps: Int?) throws -> Tensor {
    let steps = min(max(steps ?? x.shape[0], 0), x.shape[0])
    let read = try Tensor(
      dataType: .float, shape: [steps] + x.shape[1...], storage: x.storage, byteOffset: x.byteOffset)
    let (codes, scale, zero) = try QuantizedLinear.dynamic(read)
    let values = try ElementView<Double>(codes)
    return try Tensor.make(.double, x.shape, as: Double.self) { out in
      for i in 0..<codes.count { out[i] = (values[i] - Double(zero)) * Double(scale) }
    }
  }

  /// The weights at `input` as [directions, 4 * hidden, rows], dequantized by one scale and zero point a direction or a column.
  private func weights(_ context: EvaluationContext, _ input: Int, scale: Int) throws -> Tensor {
    let tensor = try Quantized.tensor(context, input)
    let (scales, zeros) = (try context.tensor(scale), try context.tensor(scale + 1))
    guard tensor.rank == 3 else { throw CameoError.badInput("input \(input) is \(tensor), rank 3 was expected") }
    let (directions, rows, columns) = (tensor.shape[0], tensor.shape[1], tensor.shape[2])
    for parameter in [scales, zeros] {
      guard parameter.count == directions || parameter.count == directions * columns else {
        throw CameoError.badInput("\(parameter) for the weights \(tensor)")
      }
    }
    guard zeros.dataType == tensor.dataType else {
      throw CameoError.badInput("the zero points are \(zeros), the weights \(tensor)")
    }
    let (values, factors, points) = (
      try ElementView<Double>(tensor), try ElementView<Double>(scales), try ElementView<Double>(zeros)
    )
    let (p, q) = (scales.count / max(1, directions), zeros.count / max(1, directions))
    return try Tensor.make(.double, [directions, columns, rows], as: Double.self) { out in
      for d in 0..<directions {
        for j in 0..<columns {
          let (factor, point) = (factors[d * p + (p == 1 ? 0 : j)], points[d * q + (q == 1 ? 0 : j)])
          for i in 0..<rows {
            out[(d * columns + j) * rows + i] = (values[(d * rows + i) * columns + j] - point) * factor
          }
        }
      }
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(DynamicQuantizeLSTM(), to: $0) })
