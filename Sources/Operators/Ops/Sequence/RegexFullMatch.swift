import GraphIR
import Tensors

/// RegexFullMatch: which strings the pattern matches as a whole.
struct RegexFullMatch: Operator {
  let name = OperatorName("RegexFullMatch")

  func infer(_ context: inout InferenceContext) throws { context.set(0, .bool, context.shape(0)) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let pattern = try context.attributes.string("pattern")
    let expression: Regex<AnyRegexOutput>
    do { expression = try Regex(pattern).wordBoundaryKind(.simple) } catch {
      throw CameoError.badInput("the pattern \(pattern) cannot be read")
    }
    guard x.dataType == .string else {
      throw CameoError.badInput("input 0 is no tensor of strings, which was expected")
    }
    let matches = x.strings.map { text in (try? expression.wholeMatch(in: text)) != nil }
    return [.tensor(try .of(matches, .bool, shape: x.shape))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(RegexFullMatch(), to: $0) })
