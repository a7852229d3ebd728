import GraphIR
import Tensors

/// QuantizeLinear: saturate(round(x / scale) + zero point), halves to even; per tensor, axis or block.
struct QuantizeLinear: Operator {
  let name = OperatorName("QuantizeLinear")

  private func outputType(_ attributes: AttributeReader, _ zeroPoint: DataType?) throws -> DataType {
    let asked = try attributes.dataType("output_dtype")
    if let asked, let zeroPoint, asked != zeroPoint {
      throw CameoError.badInput(
        "attribute output_dtype is \(asked), but the zero point is \(zeroPoint): one type was expected")
    }
    return asked ?? zeroPoint ?? .uint8
  }

  func infer(_ context: inout InferenceContext) throws {
    let isOpen = context.hasInput(2) && context.dataType(2) == nil
    let type = try outputType(context.attributes, context.dataType(2))
    context.set(0, isOpen && context.attributes.node["output_dtype"] == nil ? nil : type, context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let zero = try context.optionalTensor(2)
    return [
      .tensor(
        try QuantizeLinear.compute(
          context.tensor(0), context.tensor(1), zero, type: outputType(context.attributes, zero?.dataType),
          axis: context.attributes.int("axis", default: 1), blockSize: context.attributes.int("block_size", default: 0),
          precision: context.attributes.dataType("precision"),
          saturates: context.attributes.int("saturate", default: 1) != 0))
    ]
  }

  /// `precision`: the type of the quotient, that of `x` where it is nil (of the scale for int32).
  static func compute(
    _ x: Tensor, _ scale: Tensor, _ zero: Tensor?, type: DataType, axis: Int, blockSize: Int = 0,
    precision: DataType? = nil, saturates: Bool = true
  ) throws -> Tensor {
    let at = try NNQuantizationLayout(shape: x.shape, scale: scale, axis: axis, blockSize: blockSize)
    if let zero, zero.count != scale.count {
      throw CameoError.badInput("scale \(scale) and zero point \(zero) must have one shape")
    }
    let precision = precision ?? (x.dataType == .int32 ? scale.dataType : x.dataType)
    func quotients<T: ComputeElement>(_: T.Type, _ divide: (T, T) -> Double) throws -> Tensor {
      try QuantizeLinear.quotients(x, scale, zero, type, at, saturates: saturates, T.self, divide)
    }
    if precision == .double || x.dataType == .int32 && precision == .float {
      return try quotients(Double.self) { $0 / $1 }
    }
    if precision == .float {
      if let fast = try QuantizedLinear.quantize(x, scale, zero, type, axis: axis, blockSize: blockSize) { return fast }
      return try quotients(Float.self) { Double($0 / $1) }
    }
    // Half-width quotients are rounded to their type before they are rounded to integers.
    return try quotients(Float.self) { a, b in
      switch precision {
      case .float16: Double(SmallFloats.float(fromHalf: SmallFloats.half(from: a / b)))
      case .bfloat16: Double(SmallFloats.float(fromBFloat16: SmallFloats.bfloat16(from: a / b)))
      default: Double(a / b)
      }
    }
  }

  private static func quotients<T: ComputeElement>(
    _ x: Tensor, _ scale: Tensor, _ zero: Tensor?, _ type: DataType, _ at: NNQuantizationLayout, saturates: Bool,
    _: T.Type, _ divide: (T, T) -> Double
  ) throws -> Tensor {
    let values = try ElementView<T>(x)
    let scales = try ElementView<T>(scale)
    if let range = NNIntegerRange.of(type) {
      let zeros = try zero.map { try ElementView<Int64>($0) }
      return try Tensor.make(type, x.shape, as: Int64.self) { out in
        for i in 0..<x.count {
          let place = at(i)
          let quotient = divide(values[i], scales[place]).rounded(.toNearestOrEven)
          // Clamped before the conversion: nothing that int32 cannot hold survives saturation.
          let whole = quotient.isNaN ? 0 : Int64(min(max(quotient, -0x1p40), 0x1p40))
          out[i] = min(max(whole + (zeros?[place] ?? 0), range.lowerBound), range.upperBound)
        }
      }
    }
    let isPlain = type == .float4e2m1 || type == .float6e2m3 || type == .float6e3m2
    let zeros = isPlain ? try zero.map { try ElementView<Double>($0) } : nil
    let format: SmallFloats.Format? =
      switch type {
      case .float8e4m3fn: .e4m3fn
      case .float8e4m3fnuz: .e4m3fnuz
      case .float8e5m2: .e5m2
      case .float8e5m2fnuz: .e5m2fnuz
      case _ where isPlain: nil
      default: throw CameoError.badInput("\(type) is no quantized type")
      }
    if let format {
      return try Tensor.makeRaw(type, x.shape) { out in
        for i in 0..<x.count { out[i] = format.encode(Float(divide(values[i], scales[at(i)])), saturate: saturates) }
      }
    }
    return try Tensor.make(type, x.shape, as: Double.self) { out in
      for i in 0..<x.count { out[i] = divide(values[i], scales[at(i)]) + (zeros?[at(i)] ?? 0) }
    }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    try NNVersions.dropAxisOfScalar(of: node, in: &graph, version: version)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QuantizeLinear(), to: $0) })
