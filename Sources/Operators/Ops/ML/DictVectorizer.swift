import GraphIR
import Tensors

/// DictVectorizer: the values of a map in the order of the vocabulary; a key that the map lacks gives 0 or "".
///
/// The result is [1, vocabulary], as ONNX Runtime gives it and as models that hold the operator rely on (the standard's text:
/// 1-D). Keys outside the vocabulary are left out, as in ONNX Runtime and `onnx.reference`.
struct DictVectorizer: Operator {
  let name = OperatorName("DictVectorizer", domain: "ai.onnx.ml")

  func infer(_ context: inout InferenceContext) throws {
    let vocabulary = try MLLabels(context.attributes, ints: "int64_vocabulary", strings: "string_vocabulary")
    var type: DataType?
    if case .map(let key, let value)? = context.type(0) {
      type = value.dataType
      if let vocabulary { try DictVectorizer.check(key, vocabulary) }
    }
    context.set(0, type, [1, Dim(vocabulary?.count ?? 0)])
  }

  private static func check(_ key: DataType, _ vocabulary: MLLabels) throws {
    guard key == vocabulary.dataType else {
      throw CameoError.badInput("the map's keys are \(key), the vocabulary's \(vocabulary.dataType)")
    }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    guard
      let vocabulary = try MLLabels(context.attributes, ints: "int64_vocabulary", strings: "string_vocabulary")
    else {
      throw CameoError.badInput("neither int64_vocabulary nor string_vocabulary is given, one of them was expected")
    }
    let map = try MLMap(try context.value(0))
    try DictVectorizer.check(map.keys.dataType, vocabulary)
    let places: [Int?]
    switch vocabulary {
    case .ints(let words):
      let known = Dictionary(zip(try map.keys.elements(as: Int64.self), 0..<map.keys.count)) { $1 }
      places = words.map { known[$0] }
    case .strings(let words):
      let known = Dictionary(zip(map.keys.strings, 0..<map.keys.count)) { $1 }
      places = words.map { known[$0] }
    }
    // An empty map does not say its values' type.
    let type = map.values.first?.dataType ?? .float
    var out = try ElementBuffer(type, [1, places.count])
    for (index, place) in places.enumerated() {
      guard let place else { continue }
      guard map.values[place].dataType == type else { throw CameoError.badInput("the map's values differ in type") }
      out.copy(map.values[place], from: 0, count: 1, to: index)
    }
    return [.tensor(try out.finish())]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(DictVectorizer(), to: $0) })
