import GraphIR
import Tensors

/// StringSplit: the parts of each string, padded with empty ones, and their numbers.
struct StringSplit: Operator {
  let name = OperatorName("StringSplit")

  func infer(_ context: inout InferenceContext) throws {
    let shape = context.shape(0)
    context.set(0, .string, shape.map { $0 + [context.unknownDim()] })
    context.set(1, .int64, shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let delimiter = Array(try context.attributes.optionalString("delimiter") ?? "")
    let limit = try context.attributes.optionalInt("maxsplit") ?? -1
    let parts = x.strings.map { StringSplit.split(Array($0), delimiter, limit) }
    let longest = parts.map(\.count).max() ?? 0
    var strings: [String] = []
    for part in parts { strings += part + [String](repeating: "", count: longest - part.count) }
    return [
      .tensor(try Tensor(strings: strings, shape: x.shape + [longest])),
      .tensor(try .of(parts.map { Int64($0.count) }, .int64, shape: x.shape)),
    ]
  }

  private static func split(_ text: [Character], _ delimiter: [Character], _ limit: Int) -> [String] {
    var result: [String] = []
    var index = 0
    var splits = 0
    if delimiter.isEmpty {
      // Runs of white space, none at the ends.
      while true {
        while index < text.count, text[index].isWhitespace { index += 1 }
        if index >= text.count { return result }
        if limit >= 0 && splits >= limit {
          var end = text.count
          while end > index, text[end - 1].isWhitespace { end -= 1 }
          return result + [String(text[index..<end])]
        }
        let start = index
        while index < text.count, !text[index].isWhitespace { index += 1 }
        result.append(String(text[start..<index]))
        splits += 1
      }
    }
    var start = 0
    while index + delimiter.count <= text.count {
      if limit >= 0 && splits >= limit { break }
      if text[index..<index + delimiter.count].elementsEqual(delimiter) {
        result.append(String(text[start..<index]))
        index += delimiter.count
        start = index
        splits += 1
      } else {
        index += 1
      }
    }
    return result + [String(text[start...])]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(StringSplit(), to: $0) })
