import GraphIR
import Tensors

/// Imputer: puts a number in the place of every element that equals another one (NaN equals NaN). One number for all, or one a
/// feature (the last axis). Floats are replaced by `imputed_value_floats`, integers by `imputed_value_int64s`.
struct Imputer: Operator {
  let name = OperatorName("Imputer", domain: "ai.onnx.ml")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 1...Int.max, of: 0)
    context.set(0, context.dataType(0), context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let attributes = context.attributes
    let x = try context.tensor(0)
    let floats = try attributes.optionalFloats("imputed_value_floats") ?? []
    let ints = try attributes.optionalInts("imputed_value_int64s") ?? []
    guard floats.isEmpty || ints.isEmpty else {
      throw CameoError.badInput(
        "both imputed_value_floats and imputed_value_int64s are given, one of them was expected")
    }
    if x.dataType.isFloatingPoint {
      let replaced = Double(try attributes.float("replaced_value_float"))
      return [
        .tensor(
          try impute(x, floats.map { Double($0) }, "imputed_value_floats") {
            $0 == replaced || $0.isNaN && replaced.isNaN
          })
      ]
    }
    guard x.dataType != .int32 || ints.allSatisfy({ Int32(exactly: $0) != nil }) else {
      throw CameoError.badInput("imputed_value_int64s holds a number outside int32, the type of the input")
    }
    let replaced = Int64(try attributes.int("replaced_value_int64"))
    return [.tensor(try impute(x, ints.map { Int64($0) }, "imputed_value_int64s") { $0 == replaced })]
  }

  private func impute<T: ComputeElement>(_ x: Tensor, _ values: [T], _ name: String, _ isReplaced: (T) -> Bool) throws
    -> Tensor
  {
    guard let features = x.shape.last else { throw CameoError.badInput("the input is a scalar, [.., F] was expected") }
    guard !values.isEmpty, values.count == 1 || values.count == features else {
      throw CameoError.badInput("\(name) has \(values.count) entries, 1 or \(features) (features) were expected")
    }
    let view = try ElementView<T>(x)
    return try Tensor.make(x.dataType, x.shape, as: T.self) { out in
      NNParallel.ranges(x.count, grain: 1 << 16) { range in
        for i in range { out[i] = isReplaced(view[i]) ? values[values.count == 1 ? 0 : i % features] : view[i] }
      }
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Imputer(), to: $0) })
