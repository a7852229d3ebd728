import GraphIR
import Tensors

/// What the sequence operators share.
enum NNSequence {
  static func elements(_ value: Value) throws -> [Value] {
    switch value {
    case .sequence(let elements): return elements
    case .optional(.some(let inner)): return try elements(inner)
    default: throw CameoError.badInput("a sequence was expected")
    }
  }

  static func elementType(_ type: ValueType?) -> ValueType? {
    switch type {
    case .sequence(let element): element
    case .optional(let inner): elementType(inner)
    default: nil
    }
  }

  /// A place in a sequence of `count`, counted from the end where negative.
  static func position(_ tensor: Tensor, count: Int, isInsertion: Bool = false) throws -> Int {
    let given = Int(truncatingIfNeeded: try tensor.scalar(as: Int64.self))
    let place = given < 0 ? given + count : given
    guard place >= 0, place < count || isInsertion && place == count else {
      throw CameoError.badInput("position \(given) lies outside a sequence of \(count)")
    }
    return place
  }
}

struct SequenceConstruct: Operator {
  let name = OperatorName("SequenceConstruct")

  func infer(_ context: inout InferenceContext) throws {
    guard var type = context.type(0) else { return }
    for index in 1..<max(1, context.inputs.count) {
      guard let merged = context.merged(type, context.type(index)) else { return }
      type = merged
    }
    context.set(0, ValueFacts(type: .sequence(type)))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    [.sequence(try context.inputs.indices.map { try context.value($0) })]
  }
}

struct SequenceEmpty: Operator {
  let name = OperatorName("SequenceEmpty")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, ValueFacts(type: .sequence(.tensor(try context.attributes.dataType("dtype") ?? .float, nil))))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] { [.sequence([])] }
}

struct SequenceAt: Operator {
  let name = OperatorName("SequenceAt")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, ValueFacts(type: NNSequence.elementType(context.type(0))))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let elements = try NNSequence.elements(context.value(0))
    return [elements[try NNSequence.position(context.tensor(1), count: elements.count)]]
  }
}

struct SequenceInsert: Operator {
  let name = OperatorName("SequenceInsert")

  func infer(_ context: inout InferenceContext) throws {
    if let held = NNSequence.elementType(context.type(0))?.dataType, let type = context.dataType(1), held != type {
      throw CameoError.badInput("input 1 (tensor) is \(type), but the sequence holds \(held)")
    }
    let element = context.merged(NNSequence.elementType(context.type(0)), context.type(1))
    context.set(
      0,
      ValueFacts(type: element.map { .sequence($0) } ?? context.type(1)?.dataType.map { .sequence(.tensor($0, nil)) }))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    var elements = try NNSequence.elements(context.value(0))
    let place = try context.optionalTensor(2).map {
      try NNSequence.position($0, count: elements.count, isInsertion: true)
    }
    elements.insert(try context.value(1), at: place ?? elements.count)
    return [.sequence(elements)]
  }
}

struct SequenceErase: Operator {
  let name = OperatorName("SequenceErase")

  func infer(_ context: inout InferenceContext) throws { context.set(0, ValueFacts(type: context.type(0))) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    var elements = try NNSequence.elements(context.value(0))
    guard !elements.isEmpty else { throw CameoError.badInput("nothing can be erased from an empty sequence") }
    let place = try context.optionalTensor(1).map { try NNSequence.position($0, count: elements.count) }
    elements.remove(at: place ?? elements.count - 1)
    return [.sequence(elements)]
  }
}

struct SequenceLength: Operator {
  let name = OperatorName("SequenceLength")

  func infer(_ context: inout InferenceContext) throws { context.set(0, .int64, []) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    [.tensor(try .scalar(Int64(NNSequence.elements(context.value(0)).count), .int64))]
  }
}

@used @section("cameo_operators")
private let constructRegistration: RegistryRecord = (0, { OperatorRegistry.submit(SequenceConstruct(), to: $0) })
@used @section("cameo_operators")
private let emptyRegistration: RegistryRecord = (0, { OperatorRegistry.submit(SequenceEmpty(), to: $0) })
@used @section("cameo_operators")
private let atRegistration: RegistryRecord = (0, { OperatorRegistry.submit(SequenceAt(), to: $0) })
@used @section("cameo_operators")
private let insertRegistration: RegistryRecord = (0, { OperatorRegistry.submit(SequenceInsert(), to: $0) })
@used @section("cameo_operators")
private let eraseRegistration: RegistryRecord = (0, { OperatorRegistry.submit(SequenceErase(), to: $0) })
@used @section("cameo_operators")
private let lengthRegistration: RegistryRecord = (0, { OperatorRegistry.submit(SequenceLength(), to: $0) })
