import GraphIR
import Tensors

/// CategoryMapper: strings to the integers beside them, or integers to strings; the input's type says which way. What is not
/// listed becomes the default. Of equal entries the last one counts, as in ONNX Runtime.
struct CategoryMapper: Operator {
  let name = OperatorName("CategoryMapper", domain: "ai.onnx.ml")

  private struct Plan: Sendable {
    let numbers: [Int]
    let strings: [String]
    let byString: [String: Int]
    let byNumber: [Int: Int]
  }

  private let plans = MLPlanCache<Plan>()

  func infer(_ context: inout InferenceContext) throws {
    let type: DataType?
    switch context.dataType(0) {
    case .string: type = .int64
    case .int64: type = .string
    case nil: type = nil
    case let other?: throw CameoError.badInput("the input holds \(other), string or int64 was expected")
    }
    context.set(0, type, context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let attributes = context.attributes
    let x = try context.tensor(0)
    let plan = try plans.plan(for: context.node) {
      let numbers = try attributes.optionalInts("cats_int64s") ?? []
      let strings = try attributes.optionalStrings("cats_strings") ?? []
      guard numbers.count == strings.count else {
        throw CameoError.badInput(
          "cats_int64s has \(numbers.count) entries and cats_strings \(strings.count), as many were expected")
      }
      return Plan(
        numbers: numbers, strings: strings,
        byString: Dictionary(zip(strings, strings.indices)) { $1 },
        byNumber: Dictionary(zip(numbers, numbers.indices)) { $1 })
    }
    switch x.dataType {
    case .string:
      let missing = Int64(try attributes.int("default_int64"))
      return [
        .tensor(
          try Tensor.of(
            x.strings.map { text in plan.byString[text].map { Int64(plan.numbers[$0]) } ?? missing }, .int64,
            shape: x.shape))
      ]
    case .int64:
      let missing = try attributes.string("default_string")
      let strings = try x.ints().map { number in plan.byNumber[number].map { plan.strings[$0] } ?? missing }
      return [.tensor(try Tensor(strings: strings, shape: x.shape))]
    default: throw CameoError.badInput("the input is \(x), string or int64 was expected")
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(CategoryMapper(), to: $0) })
