import GraphIR
import Tensors

/// LabelEncoder: each element's value by its key, the default where it is no key; keys and values are two lists or tensors of
/// one length.
///
/// Of equal keys the last one counts, as version 4 says (ONNX Runtime: the first). Versions 1 (indices of `classes_strings`)
/// and 2 are brought to version 4: 2 says nothing about equal keys, there the first counts as in ONNX Runtime.
struct LabelEncoder: Operator {
  let name = OperatorName("LabelEncoder", domain: "ai.onnx.ml")

  private struct Plan: Sendable {
    let keys: MLLookup
    /// The values, then the default.
    let values: Tensor
  }

  private let plans = MLPlanCache<Plan>()

  func infer(_ context: inout InferenceContext) throws {
    let tables = MLLabelTables(context.attributes)
    context.set(0, try tables.valueType() ?? tables.classType(for: context.dataType(0)), context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let plan = try plans.plan(for: context.node, variant: x.dataType) {
      let tables = MLLabelTables(context.attributes)
      let (keys, values) = try tables.lists(for: x.dataType)
      guard keys.count == values.count else {
        throw CameoError.badInput("\(keys.count) keys and \(values.count) values, as many were expected")
      }
      return Plan(keys: try MLLookup(keys), values: try tables.withDefault(values))
    }
    let places = try plan.keys.places(of: x, missing: plan.values.count - 1)
    return [.tensor(try DataMovement.gather(plan.values, x.shape) { places[$0] })]
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 2 {
      try LabelEncoderVersions.upgradeClasses(&graph, node)
    } else if version < 4 {
      LabelEncoderVersions.keepFirstKeys(&graph, node)
    }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 4 { try LabelEncoderVersions.lowerTensors(&graph, node, to: version) }
    if version < 2 { try LabelEncoderVersions.lowerToClasses(&graph, node) }
  }
}

/// The keys, values and default of a LabelEncoder.
struct MLLabelTables {
  private let attributes: AttributeReader

  init(_ attributes: AttributeReader) { self.attributes = attributes }

  private static let types: [(suffix: String, type: DataType)] = [
    ("strings", .string), ("int64s", .int64), ("floats", .float),
  ]

  /// The attribute `keys_*` or `values_*` as a vector. Throws unless there is exactly one.
  func list(_ prefix: String) throws -> Tensor {
    var found: [Tensor] = []
    if let values = try attributes.optionalStrings("\(prefix)_strings") {
      found.append(try Tensor(strings: values, shape: [values.count]))
    }
    if let values = try attributes.optionalInts("\(prefix)_int64s") { found.append(try Tensor.ints(values)) }
    if let values = try attributes.optionalFloats("\(prefix)_floats") { found.append(try Tensor.of(values, .float)) }
    if let tensor = try attributes.tensor("\(prefix)_tensor") {
      guard tensor.rank == 1 else { throw CameoError.badInput("\(prefix)_tensor is \(tensor), a vector was expected") }
      found.append(tensor)
    }
    guard found.count == 1 else {
      throw CameoError.badInput("\(found.count) attributes \(prefix)_* are given, one was expected")
    }
    return found[0]
  }

  /// Keys and values. Those of version 1, where the graph does not tell which way it goes, follow from the input's type.
  func lists(for input: DataType) throws -> (keys: Tensor, values: Tensor) {
    guard let classes = try attributes.optionalStrings("classes_strings"), !attributes.has("keys_strings"),
      !attributes.has("keys_int64s")
    else { return (try list("keys"), try list("values")) }
    let texts = try Tensor(strings: classes, shape: [classes.count])
    let numbers = try Tensor.ints(Array(classes.indices))
    return input == .string ? (texts, numbers) : (numbers, texts)
  }

  /// The element type of version 1's result, likewise.
  func classType(for input: DataType?) -> DataType? {
    guard attributes.has("classes_strings"), let input else { return nil }
    return input == .string ? .int64 : .string
  }

  /// The element type of the values; nil where no attribute says it.
  func valueType() throws -> DataType? {
    for (suffix, type) in MLLabelTables.types where attributes.has("values_\(suffix)") { return type }
    return try attributes.tensor("values_tensor")?.dataType
  }

  /// The values with the default behind them.
  func withDefault(_ values: Tensor) throws -> Tensor {
    let type = values.dataType
    var fallback = try attributes.tensor("default_tensor")
    if let given = fallback {
      guard given.dataType == type, given.count == 1 else {
        throw CameoError.badInput("default_tensor is \(given), one element of \(type) was expected")
      }
    } else {
      switch type {
      case .string: fallback = try Tensor(strings: [try attributes.string("default_string")], shape: [1])
      case .int64: fallback = try Tensor.ints([try attributes.int("default_int64")])
      case .float: fallback = try Tensor.of([try attributes.float("default_float")], .float)
      default: fallback = try type.isFloatingPoint ? Tensor.of([-0.0], type) : Tensor.of([Int64(-1)], type)
      }
    }
    guard let fallback else { return values }
    var out = try ElementBuffer(type, [values.count + 1])
    out.copy(values, from: 0, count: values.count, to: 0)
    out.copy(fallback, from: 0, count: 1, to: values.count)
    return try out.finish()
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(LabelEncoder(), to: $0) })
