import GraphIR
import Tensors

/// com.microsoft.QLinearWhere: x where the condition holds, else y, each brought to the result's scale and zero point.
struct QLinearWhere: Operator {
  let name = OperatorName("QLinearWhere", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O QLinearWhere 1 9 9 1 1
    i condition B
    i X T
    i x_scale TF
    i x_zero_point T
    i Y T
    i y_scale TF
    i y_zero_point T
    i z_scale TF
    i z_zero_point T
    o Z T
    c B tensor(*):bool
    c TF tensor(*):float
    c T tensor(*):uint8,int8
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    try Quantized.require(context, 0, [.bool])
    for input in [1, 4] { try Quantized.require(context, input, Quantized.eightBit) }
    for input in [2, 3, 5, 6, 7, 8] { try Quantized.requireScalar(context, input) }
    var shape: [Dim]?
    if let c = context.shape(0), let x = context.shape(1), let y = context.shape(4) {
      shape = try Broadcast.shape(try Broadcast.shape(c, x), y)
    }
    context.set(0, context.dataType(1) ?? context.dataType(4), shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let condition = try context.tensor(0)
    guard condition.dataType == .bool else { throw CameoError.badInput("the condition is \(condition.dataType)") }
    let (x, y) = (try Quantized.tensor(context, 1), try Quantized.tensor(context, 4))
    guard x.dataType == y.dataType else {
      throw CameoError.badInput("inputs 1 and 4 must agree in type, \(x.dataType) and \(y.dataType) are there")
    }
    let to = try QuantizedScale(context, scale: 7, zero: 8, of: x.dataType)
    func moved(_ tensor: Tensor, _ input: Int) throws -> Tensor {
      let from = try QuantizedScale(context, scale: input + 1, zero: input + 2, of: x.dataType)
      if from == to { return tensor }
      return try QuantizedTable(from: from, to: to, isSigned: x.dataType == .int8) { $0 }.apply(to: tensor)
    }
    let (a, b) = (try moved(x, 1), try moved(y, 4))
    let shape = try Broadcast.shape(try Broadcast.shape(condition.shape, x.shape), y.shape)
    let result = try Tensor.makeRaw(x.dataType, shape) { out in
      withExtendedLifetime((condition, a, b)) {
        let walk = BroadcastWalk(shape, broadcasting: [condition.shape, a.shape, b.shape])
        let (c, p, q) = (condition.baseAddress, a.baseAddress, b.baseAddress)
        let steps = walk.rowStrides
        walk.forEachRow { position, offsets in
          for i in 0..<walk.rowLength {
            let holds = c.load(fromByteOffset: offsets[0] + i * steps[0], as: UInt8.self) != 0
            out[position + i] =
              holds
              ? p.load(fromByteOffset: offsets[1] + i * steps[1], as: UInt8.self)
              : q.load(fromByteOffset: offsets[2] + i * steps[2], as: UInt8.self)
          }
        }
      }
    }
    return [.tensor(result)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QLinearWhere(), to: $0) })
