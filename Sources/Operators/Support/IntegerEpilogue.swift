import GraphIR
import Tensors

/// What ai.cameo's integer products share beside the product: the places of their inputs, what is asked of those, and what is done
/// with each int32 sum.
///
/// With s the sum: f = Float(s) * (a_scale * b_scale[column]); f + bias[column]; f + z; the activation;
/// saturate(round(f * (1 / y_scale)) + y_zero), halves to even, NaN as y_zero. All in float32, each step rounded by itself.
enum IntegerEpilogue {
  /// Positions of the inputs; A is X and B is W of a convolution.
  enum Input {
    static let (a, aScale, aZero) = (0, 1, 2)
    static let (b, bScale, bZero) = (3, 4, 5)
    static let bias = 6
    static let (yScale, yZero) = (7, 8)
    static let (z, zScale, zZero) = (9, 10, 11)
  }

  /// The inputs' checks that shapes and types allow; the type of Y. `columns`: how many the result has, nil where that is open.
  static func infer(_ context: inout InferenceContext, columns: Dim?) throws -> DataType? {
    _ = try FusedActivation(context.attributes)
    for input in [Input.aScale, Input.aZero, Input.yScale, Input.yZero, Input.zScale, Input.zZero] {
      try Quantized.requireScalar(context, input)
    }
    for input in [Input.bScale, Input.bZero, Input.bias] {
      guard let shape = context.shape(input), !shape.allSatisfy({ $0.value == 1 }) else { continue }
      guard shape.count == 1 else {
        throw CameoError.badInput("input \(input) has rank \(shape.count), one element or one a column was expected")
      }
      if let columns, shape[0].value != nil {
        _ = try context.unify(shape[0], columns, "input \(input) and the columns")
      }
    }
    guard context.hasInput(Input.yScale) == context.hasInput(Input.yZero) else {
      throw CameoError.badInput("y_scale and y_zero are only given together")
    }
    guard context.hasInput(Input.z) || !context.hasInput(Input.zScale) else {
      throw CameoError.badInput("z_scale is given without Z")
    }
    guard context.hasInput(Input.zScale) || !context.hasInput(Input.zZero) else {
      throw CameoError.badInput("z_zero is given without z_scale")
    }
    if let type = context.dataType(Input.z) {
      guard Quantized.isEightBit(type) == context.hasInput(Input.zScale) else {
        throw CameoError.badInput("Z is \(type) \(type == .float ? "with" : "without") a scale")
      }
      if let zero = context.dataType(Input.zZero), zero != type {
        throw CameoError.badInput("the zero point of Z is \(zero), Z \(type)")
      }
    }
    return context.hasInput(Input.yZero) ? context.dataType(Input.yZero) : .float
  }

  /// The result's shape with what Z says of it. Throws where the two differ for certain.
  static func unify(_ context: inout InferenceContext, _ shape: [Dim]?) throws -> [Dim]? {
    guard let z = context.shape(Input.z) else { return shape }
    guard let shape else { return z }
    guard shape.count == z.count else {
      throw CameoError.badInput("Z has rank \(z.count), the result \(shape.count)")
    }
    return try zip(shape, z).map { try context.unify($0, $1, "the result and Z") }
  }

  /// Y of the sums, whose last axis holds `columns` columns.
  static func finish(_ context: EvaluationContext, _ sums: Tensor, columns: Int) throws -> Tensor {
    let a = try context.tensor(Input.a)
    let from = try QuantizedScale(context, scale: Input.aScale, zero: Input.aZero, of: a.dataType)
    let scales = try row(context, Input.bScale, columns) ?? [1]
    let factors = scales.map { from.scale * $0 }
    let bias = try row(context, Input.bias, columns)
    let (z, residual) = try self.residual(context, sums.shape)
    let function = try FusedActivation(context.attributes)?.function
    let target = try self.target(context)
    let source = sums.baseAddress.assumingMemoryBound(to: Int32.self)
    return try Tensor.makeRaw(target?.type ?? .float, sums.shape) { raw in
      guard let out = raw.baseAddress, raw.count > 0 else { return }
      withExtendedLifetime((sums, z)) {
        NNParallel.ranges(sums.count / columns, grain: max(1, (1 << 14) / columns)) { rows in
          var column = 0
          for i in rows.lowerBound * columns..<rows.upperBound * columns {
            var f = Float(source[i]) * factors[factors.count == 1 ? 0 : column]
            if let bias { f += bias[bias.count == 1 ? 0 : column] }
            if let z { f += residual.map { (z[i] - Float($0.zero)) * $0.scale } ?? z[i] }
            if let function { f = function(f) }
            if let target {
              out.storeBytes(of: target.quantize(f), toByteOffset: i, as: UInt8.self)
            } else {
              out.storeBytes(of: f, toByteOffset: 4 * i, as: Float.self)
            }
            column = column + 1 == columns ? 0 : column + 1
          }
        }
      }
    }
  }

  /// Throws where the zero point of B is neither one nor one a column.
  static func checkZero(_ context: EvaluationContext, columns: Int) throws {
    guard let zero = try context.optionalTensor(Input.bZero) else { return }
    guard zero.count == 1 || zero.rank == 1 && zero.count == columns else {
      throw CameoError.badInput("the zero point (input \(Input.bZero)) is \(zero) for \(columns) columns")
    }
  }

  /// One float, or one a column.
  private static func row(_ context: EvaluationContext, _ index: Int, _ columns: Int) throws -> [Float]? {
    guard let tensor = try context.optionalTensor(index) else { return nil }
    guard tensor.dataType == .float, tensor.count == 1 || tensor.rank == 1 && tensor.count == columns else {
      throw CameoError.badInput("input \(index) is \(tensor), one float or \(columns) were expected")
    }
    return try tensor.elements(as: Float.self)
  }

  private static func residual(
    _ context: EvaluationContext, _ shape: [Int]
  ) throws -> (ElementView<Float>?, QuantizedScale?) {
    guard let z = try context.optionalTensor(Input.z) else { return (nil, nil) }
    guard z.shape == shape else { throw CameoError.badInput("Z is \(z), the result has the shape \(shape)") }
    guard context.hasInput(Input.zScale) else {
      guard z.dataType == .float else { throw CameoError.badInput("Z is \(z.dataType) without a scale") }
      return (try ElementView<Float>(z), nil)
    }
    guard Quantized.isEightBit(z.dataType) else { throw CameoError.badInput("Z is \(z.dataType) with a scale") }
    let scale = try QuantizedScale(context, scale: Input.zScale, zero: Input.zZero, of: z.dataType)
    return (try ElementView<Float>(z), scale)
  }

  private static func target(_ context: EvaluationContext) throws -> Target? {
    guard context.hasInput(Input.yScale) || context.hasInput(Input.yZero) else { return nil }
    let type = try context.tensor(Input.yZero).dataType
    guard Quantized.isEightBit(type) else { throw CameoError.badInput("the zero point of Y is \(type)") }
    let scale = try QuantizedScale(context, scale: Input.yScale, zero: Input.yZero, of: type)
    return Target(type: type, inverse: 1 / scale.scale, zero: scale.zero)
  }

  private struct Target {
    let type: DataType
    let inverse: Float
    let zero: Int32

    func quantize(_ value: Float) -> UInt8 {
      let (least, most): (Int32, Int32) = type == .int8 ? (-128, 127) : (0, 255)
      let rounded = (value * inverse).rounded(.toNearestOrEven)
      let whole = rounded.isNaN ? 0 : Int32(min(max(rounded, Float(least - zero)), Float(most - zero)))
      return UInt8(truncatingIfNeeded: whole + zero)
    }
  }
}
