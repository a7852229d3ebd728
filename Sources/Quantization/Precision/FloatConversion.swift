import GraphIR
import Operators
public import PassKit
import Tensors

/// Lets a model of float32 compute in float16 or bfloat16, bodies of control flow included.
///
/// Products, convolutions and other heavy operators are converted; element-wise operators and data movement follow what
/// they read, so that a Cast stands only where the precision changes, one for each value. Constants are converted once
/// for all their readers. What stays in float32: the operators of `FloatConversionOptions.sensitive`, whatever its
/// signature does not allow (the scales of Resize, the condition of If), nodes that the caller names, and nodes whose
/// constants the type cannot hold. Numbers beyond float16's range, such as a mask of -3.4e38, keep all in float32 that
/// they flow through, up to the next Softmax. Each node that stays says why.
public struct FloatConversion: Pass {
  public let name = "ConvertFloats"
  public let summary = "lets float32 models compute in float16 or bfloat16"
  public let level = 1
  let options: FloatConversionOptions
  let journal: FloatConversionJournal?

  public init(_ options: FloatConversionOptions, journal: FloatConversionJournal? = nil) {
    self.options = options
    self.journal = journal
  }

  public func run(_ context: PassContext) throws {
    var work = FloatConversionRun(self, context)
    for id in context.graph.allNodes where context.graph[id].isAlive { try work.visit(id) }
    if !options.keepsPorts { try work.convertPorts() }
  }
}

/// One run of the pass: nodes in the graph's order, each replaced by one that computes in the narrower type, with a
/// Cast behind it for those readers that stay.
struct FloatConversionRun {
  private struct Place: Hashable {
    let constant: ValueID
    let region: RegionID
  }

  private let options: FloatConversionOptions
  private let journal: FloatConversionJournal?
  private let rule: String
  private let context: PassContext
  /// The same value in the narrower type, by the float32 one.
  private var narrow: [ValueID: ValueID] = [:]
  private var constants: [Place: ValueID] = [:]
  private var seen: [ValueID: NarrowFloats] = [:]
  /// Values that may hold numbers beyond the range.
  private var wide: Set<ValueID> = []

  init(_ pass: FloatConversion, _ context: PassContext) {
    (options, journal, rule, self.context) = (pass.options, pass.journal, pass.name, context)
  }

  mutating func visit(_ id: NodeID) throws {
    let node = context.graph[id]
    let isCast = node.is("Cast")
    let floats = node.inputs.indices.filter { context.dataType(node.input($0)) == .float }
    let results = node.outputs.indices.filter { context.dataType(node.output($0)) == .float }
    if floats.isEmpty && !(isCast && !results.isEmpty) { return }
    if isCast { return try visitCast(id, node) }
    do {
      let slots = try convertible(id, node, floats, results)
      try convert(id, node, slots.inputs.intersection(floats), slots.outputs.intersection(results))
    } catch let refusal as Refusal {
      if refusal.reason.isEmpty { return }
      context.refuse(rule, at: id, refusal)
      journal?.note(kept: context.graph.describe(id), refusal.reason)
    }
  }

  /// The slots that can be narrow. Throws a `Refusal` where the node stays; one without a reason where it has none of
  /// its own.
  private mutating func convertible(
    _ id: NodeID, _ node: Node, _ floats: [Int], _ results: [Int]
  ) throws -> (inputs: Set<Int>, outputs: Set<Int>) {
    if !node.regions.isEmpty { throw Refusal("", at: id) }
    if options.keptNodes.contains(id) {
      if try readsBeyondRange(node, floats) { carry(node, results) }
      throw Refusal(options.reasons[id] ?? "kept in float32 as asked", at: id)
    }
    if floats.contains(where: { node.input($0).map(wide.contains) ?? false }) {
      carry(node, results)
      throw Refusal("it reads numbers that \(options.type) cannot hold", at: id)
    }
    let constants = floats.filter { context.graph.constant(node.input($0)) != nil }
    let slots = OperatorPrecision.slots(node, options.type, opset: context.emittableOpset)
    for slot in constants where slots?.inputs.contains(slot) == true {
      if let reason = try obstacle(node.input(slot)) {
        if reason.isOverflow { carry(node, results) }
        throw Refusal(reason.text, at: id)
      }
    }
    if options.keptOperators.contains(node.operatorName.description) {
      throw Refusal("\(node.operatorName) stays in float32", at: id)
    }
    guard let slots, !slots.inputs.isDisjoint(with: floats), results.allSatisfy(slots.outputs.contains) else {
      throw Refusal("\(node.operatorName) takes no \(options.type)", at: id)
    }
    if node["dtype"] != nil || node["output_dtype"] != nil { throw Refusal("its element type is an attribute", at: id) }
    if OperatorPrecision.isLight(node), !options.leadingNodes.contains(id) {
      let values = floats.filter { !constants.contains($0) && slots.inputs.contains($0) }
      let follows =
        values.isEmpty ? !constants.isEmpty : values.contains { node.input($0).map { narrow[$0] != nil } ?? false }
      if !follows { throw Refusal("", at: id) }
    }
    return slots
  }

  /// Whether an operand holds numbers that are too large for the type, or a constant does.
  private mutating func readsBeyondRange(_ node: Node, _ floats: [Int]) throws -> Bool {
    for slot in floats {
      if node.input(slot).map(wide.contains) ?? false { return true }
      if try obstacle(node.input(slot))?.isOverflow ?? false { return true }
    }
    return false
  }

  /// A node that stays in float32 hands numbers beyond the range on.
  private mutating func carry(_ node: Node, _ results: [Int]) {
    guard OperatorPrecision.carriers.contains(node.type), options.overflow == .keep else { return }
    for slot in results { node.output(slot).map { _ = wide.insert($0) } }
  }

  /// Why a constant cannot be converted.
  private mutating func obstacle(_ value: ValueID?) throws -> (text: String, isOverflow: Bool)? {
    guard let value, let tensor = context.graph.constant(value) else { return nil }
    let isNew = seen[value] == nil
    let floats = try seen[value] ?? NarrowFloats(tensor, as: options.type)
    seen[value] = floats
    let overflows = floats.overflowing > 0 && options.overflow == .keep
    let vanishes = floats.underflow > options.greatestUnderflow
    if isNew, floats.overflowing + floats.underflowing > 0 {
      journal?.note(
        ConvertedConstant(
          name: context.graph[value].name, elements: tensor.count, overflowing: floats.overflowing,
          underflowing: floats.underflowing, isConverted: !overflows && !vanishes))
    }
    if overflows { return ("a constant has numbers that \(options.type) cannot hold", true) }
    if vanishes { return ("numbers of a constant would become 0 in \(options.type)", false) }
    return nil
  }

  /// Puts a narrow node in the place of `id`.
  private mutating func convert(_ id: NodeID, _ node: Node, _ inputs: Set<Int>, _ outputs: Set<Int>) throws {
    var change = GraphChange(rule: rule, covers: [id], region: node.region)
    var references: [GraphChange.Ref?] = []
    var added: [(slot: Int, constant: ValueID)] = []
    for (slot, input) in node.inputs.enumerated() {
      guard let input, inputs.contains(slot) else {
        references.append(input.map { .existing($0) })
        continue
      }
      if let tensor = context.graph.constant(input) {
        if let there = constants[Place(constant: input, region: node.region)] {
          references.append(.existing(there))
        } else {
          let floats = try seen[input] ?? NarrowFloats(tensor, as: options.type)
          references.append(change.constant(try floats.tensor(), name: context.graph.freeName(input)))
          added.append((slot, input))
        }
        continue
      }
      references.append(.existing(try narrowed(input)))
    }
    let present = node.outputs.map { $0 != nil }
    let results = change.nodes(
      node.type, domain: node.domain, references, node.attributes, present: present, name: node.name)
    for (slot, output) in node.outputs.enumerated() {
      guard let output, let result = results[slot] else { continue }
      guard outputs.contains(slot) else {
        change.replace(output, with: result)
        continue
      }
      change.replace(output, with: change.node("Cast", [result], [Self.to(.float)], covers: []))
    }
    let made = try context.apply(change).added
    guard let main = made.first(where: { context.graph[$0].operatorName == node.operatorName }) else { return }
    journal?.note(ConvertedNode(id: id, follows: OperatorPrecision.isLight(node)))
    for (slot, constant) in added {
      constants[Place(constant: constant, region: node.region)] = context.graph[main].input(slot)
    }
    for slot in outputs {
      guard let result = context.graph[main].output(slot) else { continue }
      for cast in context.graph.consumers(result) where context.graph[cast].is("Cast") {
        context.graph[cast].output(0).map { narrow[$0] = result }
      }
    }
  }

  /// The narrow form of a value: what it was made from, or a Cast beside it.
  private mutating func narrowed(_ value: ValueID) throws -> ValueID {
    if let there = narrow[value] { return there }
    var change = GraphChange(rule: rule, covers: [], region: context.graph[value].region)
    _ = change.node("Cast", [.existing(value)], [Self.to(options.type)], covers: [])
    guard let cast = try context.apply(change).added.first, let result = context.graph[cast].output(0) else {
      throw CameoError(.invariant, "a Cast went missing")
    }
    narrow[value] = result
    return result
  }

  /// A Cast to float32 has a narrow form that is a Cast of the same value; its float32 form goes where nobody reads it.
  private mutating func visitCast(_ id: NodeID, _ node: Node) throws {
    guard let source = node.input(0), let output = node.output(0), context.dataType(output) == .float,
      let type = context.dataType(source), !options.keptNodes.contains(id)
    else { return }
    if wide.contains(source) { return carry(node, [0]) }
    if type == options.type { narrow[output] = source }
  }

  static func to(_ type: DataType) -> NamedAttribute { NamedAttribute("to", .int(Int64(type.rawValue))) }

  /// Gives the model's inputs and outputs the narrower type.
  mutating func convertPorts() throws {
    for input in context.graph.inputs where context.dataType(input) == .float && context.graph[input].constant == nil {
      try convertInput(input)
    }
    for output in context.graph.outputs {
      guard context.dataType(output) == .float, let producer = context.graph.producer(output) else { continue }
      var change = GraphChange(rule: rule, covers: [], region: .main)
      if context.graph[producer].is("Cast"), context.graph.consumers(output).isEmpty {
        change.setAttribute("to", of: producer, to: .int(Int64(options.type.rawValue)))
        if let type = context.graph[output].type { change.setType(type.with(options.type), of: output) }
        try context.apply(change)
      } else {
        let refusal = Refusal("the output stays float32: it is computed and read in float32", at: producer)
        context.refuse(rule, at: producer, refusal)
      }
    }
  }

  /// The input's Cast becomes its first reader's business: it reads the narrow type, and whoever needs float32 reads a
  /// Cast of it.
  private mutating func convertInput(_ input: ValueID) throws {
    guard let type = context.graph[input].type else { return }
    let readers = context.graph[input].uses.compactMap { use -> (NodeID, Int)? in
      if case .node(let id, let slot) = use { return (id, slot) }
      return nil
    }
    var change = GraphChange(rule: rule, covers: [], region: .main)
    change.setType(type.with(options.type), of: input)
    let wide = readers.filter { !context.graph[$0.0].is("Cast") }
    if !wide.isEmpty {
      let cast = change.node("Cast", [.existing(input)], [Self.to(.float)], covers: [])
      for (id, slot) in wide { change.setInput(slot, of: id, to: cast) }
    }
    try context.apply(change)
  }
}

extension ValueType {
  /// The same tensor type with other elements.
  fileprivate func with(_ type: DataType) -> ValueType {
    if case .tensor(_, let shape) = self { return .tensor(type, shape) }
    return self
  }
}

extension Graph {
  /// A label for the narrow form of a constant.
  fileprivate func freeName(_ value: ValueID) -> String {
    self[value].name.isEmpty ? "" : self[value].name + "_narrow"
  }
}
