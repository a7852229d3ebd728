import GraphIR
import Operators
import Tensors

/// What shape inference says of a node test's outputs, held against the outputs that the test ships.
///
/// Declared types of everything but the inputs are taken away first, so that only inference speaks. The modes differ in what
/// inference is told; the actual numbers are put for the symbols afterwards.
public struct ShapeAudit {
  public enum Mode: String, CaseIterable, Sendable {
    /// Actual shapes, unknown contents.
    case shapes
    /// Actual shapes and contents; nothing is evaluated.
    case contents
    /// A symbol of its own for each dimension.
    case fresh
    /// One symbol for equal dimensions.
    case shared
    /// Symbols as in `fresh`; parameters (shapes, axes, pads, counts, ...) are constants.
    case freshWithParameters
    /// Symbols as in `shared`; parameters are constants.
    case sharedWithParameters

    var knowsParameters: Bool { self == .contents || self == .freshWithParameters || self == .sharedWithParameters }
    var isSymbolic: Bool { self != .shapes && self != .contents }
  }

  public struct Finding: CustomStringConvertible, Sendable {
    public let test: String
    public let operators: Set<String>
    public let mode: Mode
    public let output: Int
    /// Says something that is not so, as opposed to saying nothing.
    public let isWrong: Bool
    public let text: String
    public var description: String { "\(test) (\(mode.rawValue)) output \(output): \(text)" }
  }

  private let test: NodeTest
  private let mode: Mode
  private var bindings: [String: Dim] = [:]
  private var findings: [Finding] = []

  /// What is wrong or left open in one mode. Throws where inference does.
  public static func findings(_ test: NodeTest, _ mode: Mode) throws -> [Finding] {
    var audit = ShapeAudit(test: test, mode: mode)
    try audit.run()
    return audit.findings
  }

  private init(test: NodeTest, mode: Mode) {
    self.test = test
    self.mode = mode
  }

  private mutating func run() throws {
    var graph = test.model.graph
    for value in graph.allValues where !graph[value].isConstant {
      if case .node = graph[value].producer { graph.setType(nil, of: value) }
    }
    var options = ShapeInference.Options()
    // A function body's inner arithmetic is folded; an operator says its shape without being run.
    options.evaluatesSmallConstants = test.operatorName == nil
    for (index, id) in graph.inputs.enumerated() {
      guard let value = test.inputs[index] else { continue }
      if mode == .contents || (mode.knowsParameters && isParameter(value, index)) {
        options.inputConstants[id] = value
      } else if let type = type(of: value, index) {
        options.inputTypes[id] = type
      }
    }
    let inference = ShapeInference(graph, functions: test.model.functions, options: options)
    try inference.run()
    for (index, id) in graph.outputs.enumerated() {
      guard let actual = test.outputs[index] else { continue }
      compare(inference[id].type, actual, index)
    }
  }

  /// Numbers that a shape may depend on: small integers of rank 0 or 1, and scales.
  private func isParameter(_ value: Value, _ index: Int) -> Bool {
    guard let tensor = value.tensor, tensor.rank <= 1, tensor.count <= 16 else { return false }
    if tensor.dataType.isInteger || tensor.dataType == .bool { return true }
    return tensor.rank == 0 || index > 0 && tensor.count <= 8
  }

  private mutating func type(of value: Value, _ index: Int) -> ValueType? {
    guard let tensor = value.tensor, mode.isSymbolic else {
      return value.tensor == nil ? nil : value.staticType
    }
    let dims = tensor.shape.enumerated().map { axis, size in
      let name = mode == .fresh || mode == .freshWithParameters ? "in\(index)axis\(axis)" : "size\(size)"
      bindings[name] = Dim(size)
      return Dim.symbol(name)
    }
    return .tensor(tensor.dataType, dims)
  }

  private mutating func note(_ index: Int, wrong: Bool, _ text: String) {
    let names = test.model.graph.allNodes.map { test.model.graph[$0].operatorName.description }
    findings.append(
      Finding(test: test.name, operators: Set(names), mode: mode, output: index, isWrong: wrong, text: text))
  }

  private mutating func compare(_ type: ValueType?, _ actual: Value, _ index: Int) {
    guard let type else { return note(index, wrong: false, "the type is open") }
    switch (type, actual) {
    case (.tensor(let element, let shape), .tensor(let tensor)): compare(element, shape, tensor, index)
    case (.sequence(let element), .sequence(let values)):
      // Elements differ in size: what is open there is no weakness.
      let before = findings
      for value in values { compare(element, value, index) }
      findings = before + findings.dropFirst(before.count).filter(\.isWrong)
    case (.optional(let element), .optional(let value)): if let value { compare(element, value, index) }
    // The runner's files hold an optional's content.
    case (.optional(let element), let value): compare(element, value, index)
    case (.map, .map), (.sparse, .sparse): break
    default: note(index, wrong: true, "\(type) was inferred, \(actual.staticType.map { "\($0)" } ?? "?") came out")
    }
  }

  private mutating func compare(_ element: DataType?, _ shape: [Dim]?, _ tensor: Tensor, _ index: Int) {
    if let element {
      if element != tensor.dataType { note(index, wrong: true, "\(element) was inferred, \(tensor.dataType) came out") }
    } else {
      note(index, wrong: false, "the element type is open")
    }
    guard let shape else { return note(index, wrong: false, "the rank is open") }
    let text = "[" + shape.map(\.description).joined(separator: ", ") + "]"
    let found = shape.map { $0.substituting(bindings) }
    if found.count != tensor.rank || zip(found, tensor.shape).contains(where: { $0.value != nil && $0.value != $1 }) {
      let numbers = bindings.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)" }.joined(separator: ", ")
      return note(index, wrong: true, "\(text) was inferred, \(tensor.shape) came out; \(numbers)")
    }
    if found.contains(where: { $0.value == nil }) {
      note(index, wrong: false, "\(text) is open, \(tensor.shape) came out")
    }
  }
}
