import GraphIR
import Tensors

/// StringConcat: joins two string tensors element by element, broadcasting.
struct StringConcat: Operator {
  let name = OperatorName("StringConcat")

  func infer(_ context: inout InferenceContext) throws { context.set(0, .string, try context.broadcastInputs()) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let a = try context.tensor(0)
    let b = try context.tensor(1)
    guard a.dataType == .string, b.dataType == .string else {
      throw CameoError.badInput("input 0 is no tensor of strings, which was expected")
    }
    let shape = try Broadcast.shape(a.shape, b.shape)
    let x = NNContraction.offsets(of: a.shape, to: shape, size: 1)
    let y = NNContraction.offsets(of: b.shape, to: shape, size: 1)
    return [.tensor(try Tensor(strings: x.indices.map { a.strings[x[$0]] + b.strings[y[$0]] }, shape: shape))]
  }
}

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

/// StringNormalizer: drops stop words, then changes case.
struct StringNormalizer: Operator {
  let name = OperatorName("StringNormalizer")

  func infer(_ context: inout InferenceContext) throws {
    guard let shape = context.shape(0) else { return context.set(0, .string, nil) }
    guard shape.count == 1 || shape.count == 2 else {
      throw CameoError.badInput("input 0 (X) has rank \(shape.count), 1 or 2 was expected")
    }
    let hasStops = try context.attributes.optionalStrings("stopwords").map { !$0.isEmpty } ?? false
    context.set(0, .string, hasStops ? Array(shape.dropLast()) + [context.unknownDim()] : shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    guard x.rank == 1 || x.rank == 2 && x.shape[0] == 1 else {
      throw CameoError.badInput("input 0 (X) is \(x), the shape [C] or [1, C] was expected")
    }
    let action = try context.attributes.string("case_change_action", default: "NONE")
    guard ["NONE", "LOWER", "UPPER"].contains(action) else {
      throw CameoError.badInput("attribute case_change_action is \(action); NONE, LOWER or UPPER was expected")
    }
    let isSensitive = try context.attributes.bool("is_case_sensitive")
    let stops = try context.attributes.optionalStrings("stopwords") ?? []
    let words = Set(isSensitive ? stops : stops.map { $0.lowercased() })
    var kept = x.strings.filter { !words.contains(isSensitive ? $0 : $0.lowercased()) }
    if action == "LOWER" { kept = kept.map { $0.lowercased() } }
    if action == "UPPER" { kept = kept.map { $0.uppercased() } }
    if kept.isEmpty { kept = [""] }
    return [.tensor(try Tensor(strings: kept, shape: x.rank == 2 ? [1, kept.count] : [kept.count]))]
  }
}

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
private let concatRegistration: RegistryRecord = (0, { OperatorRegistry.submit(StringConcat(), to: $0) })
@used @section("cameo_operators")
private let splitRegistration: RegistryRecord = (0, { OperatorRegistry.submit(StringSplit(), to: $0) })
@used @section("cameo_operators")
private let normalizerRegistration: RegistryRecord = (0, { OperatorRegistry.submit(StringNormalizer(), to: $0) })
@used @section("cameo_operators")
private let regexRegistration: RegistryRecord = (0, { OperatorRegistry.submit(RegexFullMatch(), to: $0) })
