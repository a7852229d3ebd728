internal import CKernels
import GraphIR
import Tensors

/// AveragePool: the mean of each window, of its part inside the input unless `count_include_pad`.
struct AveragePool: Operator {
  let name = OperatorName("AveragePool")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, context.dataType(0), try NNPooling.shape(context))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let geometry = try NNPooling.geometry(context, x)
    let countsPadding = try context.attributes.bool("count_include_pad")
    let result = try NNPooling.evaluate(x, geometry) { out, input, window, planes in
      var window = window
      ck_avgpool_f32(out, input, &window, countsPadding, planes.lowerBound, planes.upperBound)
    } double: { input, position in
      var sum = 0.0
      var count = 0.0
      geometry.forEachTap(position) { tap, index in
        if index >= 0 { sum += input[index] }
        if index >= 0 || countsPadding && geometry.isInsidePadding(position, tap) { count += 1 }
      }
      return sum / count
    }
    return [.tensor(result)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(AveragePool(), to: $0) })
