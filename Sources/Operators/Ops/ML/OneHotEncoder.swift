import GraphIR
import Tensors

/// OneHotEncoder: a new last axis with 1 at the place of the element's category and 0 elsewhere, in float.
///
/// Strings are looked up in `cats_strings`, numbers (cut to integers) in `cats_int64s`. An element of no category gives zeros,
/// or is an error where `zeros` is 0. Of equal categories the last one is marked, as in ONNX Runtime.
struct OneHotEncoder: Operator {
  let name = OperatorName("OneHotEncoder", domain: "ai.onnx.ml")

  private struct Plan: Sendable {
    let count: Int
    let strings: [String: Int]
    let numbers: [Int: Int]
  }

  private let plans = MLPlanCache<Plan>()

  private func makePlan(_ attributes: AttributeReader) throws -> Plan {
    let numbers = try attributes.optionalInts("cats_int64s") ?? []
    let strings = try attributes.optionalStrings("cats_strings") ?? []
    guard numbers.isEmpty != strings.isEmpty else {
      throw CameoError.badInput(
        "\(numbers.isEmpty ? "neither" : "both") of cats_int64s and cats_strings given, one of them was expected")
    }
    return Plan(
      count: max(numbers.count, strings.count), strings: Dictionary(zip(strings, strings.indices)) { $1 },
      numbers: Dictionary(zip(numbers, numbers.indices)) { $1 })
  }

  func infer(_ context: inout InferenceContext) throws {
    let attributes = context.attributes
    let numbers = try attributes.optionalInts("cats_int64s")?.count ?? 0
    let strings = try attributes.optionalStrings("cats_strings")?.count ?? 0
    context.set(0, .float, context.shape(0).map { $0 + [Dim(max(numbers, strings))] })
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let plan = try plans.plan(for: context.node) { try makePlan(context.attributes) }
    guard plan.strings.isEmpty == (x.dataType != .string) else {
      throw CameoError.badInput(
        "the input is \(x), \(plan.strings.isEmpty ? "numbers were" : "strings were") expected: the categories are")
    }
    let allowsMissing = try context.attributes.int("zeros", default: 1) != 0
    return [
      .tensor(
        try Tensor.make(.float, x.shape + [plan.count], as: Float.self) { out in
          func mark(_ index: Int, _ place: Int?, _ text: @autoclosure () -> String) throws {
            if let place {
              out[index * plan.count + place] = 1
            } else if !allowsMissing {
              throw CameoError.badInput("\(text()) is of no category, and zeros is 0")
            }
          }
          if x.dataType == .string {
            for (index, text) in x.strings.enumerated() { try mark(index, plan.strings[text], "\"\(text)\"") }
          } else if x.dataType.isInteger {
            let view = try ElementView<Int64>(x)
            for index in 0..<x.count { try mark(index, plan.numbers[Int(view[index])], "\(view[index])") }
          } else {
            let view = try ElementView<Double>(x)
            for index in 0..<x.count {
              // NaN and what is beyond 64 bits is of no category.
              let whole = Int(exactly: view[index].rounded(.towardZero))
              try mark(index, whole.flatMap { plan.numbers[$0] }, "\(view[index])")
            }
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(OneHotEncoder(), to: $0) })
