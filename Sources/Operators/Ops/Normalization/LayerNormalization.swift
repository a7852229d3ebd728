internal import CKernels
import GraphIR
import Tensors

/// LayerNormalization and RMSNormalization: normalises the axes from `axis` on, then scales (and shifts).
struct LayerNormalization: Operator {
  let name: OperatorName
  /// RMSNormalization: divides by the root mean square, subtracts nothing, has no bias.
  private let isRMS: Bool

  init(isRMS: Bool) {
    name = OperatorName(isRMS ? "RMSNormalization" : "LayerNormalization")
    self.isRMS = isRMS
  }

  private func stash(_ attributes: AttributeReader) throws -> DataType {
    guard let type = try attributes.dataType("stash_type") else { return .float }
    guard type == .float || type == .bfloat16 || type == .double || type == .float16 else {
      throw CameoError.badInput("stash_type is \(type), a floating-point type was expected")
    }
    return type
  }

  func infer(_ context: inout InferenceContext) throws {
    let x = context.shape(0)
    // RMSNormalization's scale may have another type: the result's.
    context.set(0, context.dataType(isRMS ? 1 : 0), x)
    guard !isRMS else {
      if let x { _ = try context.normalize(axis: context.attributes.int("axis", default: -1), rank: x.count) }
      return
    }
    var statistics: [Dim]?
    if let x {
      let axis = try context.normalize(axis: context.attributes.int("axis", default: -1), rank: x.count)
      statistics = Array(x[..<axis]) + x[axis...].map { _ in Dim(1) }
    }
    let type = try stash(context.attributes)
    context.set(1, type, statistics)
    context.set(2, type, statistics)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    var axis = try context.attributes.int("axis", default: -1)
    if axis < 0 { axis += x.rank }
    guard axis >= 0, axis < max(1, x.rank) else {
      throw CameoError.badInput("axis \(axis) lies outside a tensor of rank \(x.rank)")
    }
    let epsilon = Double(try context.attributes.float("epsilon", default: 1e-5))
    let rows = x.shape[..<axis].reduce(1, *)
    let n = x.shape[axis...].reduce(1, *)
    let scale = try context.tensor(1)
    let bias = isRMS ? nil : try context.optionalTensor(2)
    let isPlain = scale.count == n && (bias == nil || bias?.count == n) && scale.rank <= x.rank - axis
    let statisticsShape = Array(x.shape[..<axis]) + x.shape[axis...].map { _ in 1 }
    let statisticsType = try stash(context.attributes)
    // The stash type is the type that the first stage computes in: bfloat16 there rounds what double would keep.
    if isPlain, x.dataType != .double, !context.accumulatesInDouble, !context.hasOutput(1), !context.hasOutput(2) {
      let view = try ElementView<Float>(x)
      let factor = try ElementView<Float>(scale)
      let shift = try bias.map { try ElementView<Float>($0) }
      return [
        .tensor(
          try Tensor.make(isRMS ? scale.dataType : x.dataType, x.shape, as: Float.self) { out in
            NNParallel.ranges(rows, grain: max(1, 8192 / max(1, n))) { range in
              if isRMS {
                ck_rmsnorm_f32(
                  out, view.base, nil, nil, factor.base, n, Float(epsilon), range.lowerBound, range.upperBound, nil)
              } else {
                ck_layernorm_f32(
                  out, view.base, nil, nil, factor.base, shift?.base, n, Float(epsilon), range.lowerBound,
                  range.upperBound,
                  nil, nil)
              }
            }
          })
      ]
    }
    // Scale and bias broadcast to the whole input.
    guard try Broadcast.shape(x.shape, scale.shape) == x.shape else {
      throw CameoError.badInput("Scale \(scale) does not broadcast to \(x)")
    }
    let factor = try ElementView<Double>(scale)
    let factorAt = NNContraction.offsets(of: scale.shape, to: x.shape, size: 1)
    var shift: ElementView<Double>?
    var shiftAt: [Int] = []
    if let bias {
      guard try Broadcast.shape(x.shape, bias.shape) == x.shape else {
        throw CameoError.badInput("B \(bias) does not broadcast to \(x)")
      }
      shift = try ElementView<Double>(bias)
      shiftAt = NNContraction.offsets(of: bias.shape, to: x.shape, size: 1)
    }
    let view = try ElementView<Double>(x)
    var means = [Double](repeating: 0, count: rows)
    var inverses = means
    let y = try Tensor.make(isRMS ? scale.dataType : x.dataType, x.shape, as: Double.self) { out in
      for row in 0..<rows {
        var mean = 0.0
        if !isRMS {
          for i in 0..<n { mean += view[row * n + i] }
          mean /= Double(n)
        }
        var variance = 0.0
        for i in 0..<n {
          let difference = view[row * n + i] - mean
          variance += difference * difference
        }
        let inverse = 1 / (variance / Double(n) + epsilon).squareRoot()
        means[row] = mean
        inverses[row] = inverse
        for i in row * n..<(row + 1) * n {
          let value = (view[i] - mean) * inverse * factor[factorAt[i]]
          out[i] = shift.map { value + $0[shiftAt[i]] } ?? value
        }
      }
    }
    if isRMS { return [.tensor(y)] }
    return [
      .tensor(y), .tensor(try .of(means, statisticsType, shape: statisticsShape)),
      .tensor(try .of(inverses, statisticsType, shape: statisticsShape)),
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(LayerNormalization(isRMS: false), to: $0) })
