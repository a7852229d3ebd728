import GraphIR
import Operators
import PassKit
import Tensors

/// Which trailing elements of values are equal whatever the inputs: cosines of angles that were doubled by a Concat, equal
/// columns of a constant table. Element-wise operators are seen through; nodes that work on the leading axes alone treat equal
/// elements alike.
final class ElementIdentity {
  /// Equal numbers: equal elements, up to the sign.
  struct Element: Hashable {
    var number: Int
    var isNegative: Bool
  }

  private indirect enum Origin: Hashable {
    case leaf(ValueID, Int, Int)
    case number(UInt64)
    case column(ValueID, Int)
    case computed(String, [Element])
  }

  private struct Key: Hashable {
    let value: ValueID
    let trailing: Int
  }

  private let context: PassContext
  private let elements: TrailingElements
  private var numbers: [Origin: Int] = [:]
  private var origins: [Origin] = []
  private var memo: [Key: [Element]] = [:]
  /// Most elements of a constant table whose columns are compared.
  private static let limit = 1 << 24

  static let unary: Set<String> = [
    "Cos", "Sin", "Cast", "Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Tanh", "Sigmoid", "Floor", "Identity", "Tan",
  ]
  static let binary: Set<String> = ["Mul", "Div", "Add", "Sub", "Pow", "Max", "Min"]

  init(_ context: PassContext, region: RegionID) {
    self.context = context
    elements = TrailingElements(context, region: region)
  }

  func of(_ value: ValueID, trailing: Int, depth: Int = 0) throws -> [Element]? {
    let key = Key(value: value, trailing: trailing)
    if let known = memo[key] { return known }
    guard let count = elements.count(value, trailing) else { return nil }
    let result = try compute(value, trailing, count, depth)
    let found =
      result?.count == count
      ? result : (0..<count).map { Element(number: intern(.leaf(value, trailing, $0)), isNegative: false) }
    memo[key] = found
    return found
  }

  private func intern(_ origin: Origin) -> Int {
    if let known = numbers[origin] { return known }
    numbers[origin] = origins.count
    origins.append(origin)
    return origins.count - 1
  }

  /// The constant's column that an element is made of by nodes of one operand; nil where there is none.
  func column(_ number: Int) -> (table: ValueID, index: Int)? {
    switch origins[number] {
    case .column(let table, let index): return (table, index)
    case .computed(_, let parts) where parts.count == 1: return column(parts[0].number)
    default: return nil
    }
  }

  /// What a node does to each of the last `trailing` axes' elements, its first operand left out: equal for equal nodes.
  private func operation(_ node: Node, _ trailing: Int) -> String {
    let attributes = node.attributes.map { "\($0.name)=\($0.value)" }.sorted()
    let others = node.type == "Concat" ? [] : node.inputs.dropFirst()
    let operands = others.map { operand -> String in
      guard let operand else { return "" }
      if let tensor = context.constant(operand), tensor.count <= 64, let numbers = try? tensor.ints() {
        return "\(tensor.shape)\(numbers)"
      }
      return "%\(operand.index)"
    }
    return ([node.type, "\(trailing)"] + attributes + operands).joined(separator: " ")
  }

  private func compute(_ value: ValueID, _ trailing: Int, _ count: Int, _ depth: Int) throws -> [Element]? {
    if let tensor = context.constant(value) { return try columns(value, tensor, count) }
    guard depth < 24, let id = context.graph.producer(value), context.graph[id].domain.isEmpty else { return nil }
    if let step = try elements.step(value, trailing) {
      let inputs = try step.inputs.map { try of($0.value, trailing: $0.trailing, depth: depth + 1) }
      if !inputs.contains(where: { $0 == nil }) {
        return step.sources.compactMap { source in
          guard let input = inputs[source.input], source.index < input.count else { return nil }
          var element = input[source.index]
          if step.isNegated { element.isNegative.toggle() }
          return element
        }
      }
    }
    let node = context.graph[id]
    if Self.unary.contains(node.type), let input = node.input(0) {
      let attributes = node.attributes.map { "\($0.name)=\($0.value)" }.sorted().joined(separator: ",")
      return try of(input, trailing: trailing, depth: depth + 1)?.map { inner in
        Element(number: intern(.computed("\(node.type) \(attributes)", [inner])), isNegative: false)
      }
    }
    if Self.binary.contains(node.type) { return try binary(node, value, trailing, depth) }
    if let inner = reshapedTrailing(node, value, trailing), let input = node.input(0) {
      let key = operation(node, trailing) + " \(inner)"
      return try of(input, trailing: inner, depth: depth + 1)?.map {
        Element(number: intern(.computed(key, [$0])), isNegative: false)
      }
    }
    guard try Self.isLeading(node, value, trailing, context) else { return nil }
    let inputs = try movedInputs(node).map { try of($0, trailing: trailing, depth: depth + 1) }
    guard let first = inputs.first, let first, inputs.allSatisfy({ $0?.count == count }), first.count == count else {
      return nil
    }
    let key = operation(node, trailing)
    return (0..<count).map { index in
      let parts = inputs.compactMap { $0?[index] }
      return Element(number: intern(.computed(key, parts)), isNegative: false)
    }
  }

  /// How many last axes of a Reshape's input hold the elements of the last `trailing` ones of its output: the leading axes
  /// then hold each other's, too, in one order.
  func reshapedTrailing(_ node: Node, _ value: ValueID, _ trailing: Int) -> Int? {
    guard ["Reshape", "Unsqueeze", "Squeeze", "Flatten"].contains(node.type), let input = node.input(0),
      let rank = context.rank(input), let count = elements.count(value, trailing)
    else { return nil }
    return (0...rank).first { elements.count(input, $0) == count && $0 > 0 }
  }

  private func movedInputs(_ node: Node) -> [ValueID] {
    node.type == "Concat" ? node.inputs.compactMap { $0 } : [node.input(0)].compactMap { $0 }
  }

  private func binary(_ node: Node, _ value: ValueID, _ trailing: Int, _ depth: Int) throws -> [Element]? {
    guard let to = elements.dimensions(value, trailing), let a = node.input(0), let b = node.input(1) else {
      return nil
    }
    func operand(_ operand: ValueID) throws -> [Element]? {
      guard let rank = context.rank(operand) else { return nil }
      let kept = min(rank, trailing)
      guard let sizes = elements.dimensions(operand, kept), let list = try of(operand, trailing: kept, depth: depth + 1)
      else { return nil }
      return TrailingElements.broadcast(sizes, to: to).map { list[$0] }
    }
    guard let x = try operand(a), let y = try operand(b) else { return nil }
    let isProduct = node.type == "Mul" || node.type == "Div"
    return zip(x, y).map { p, q in
      guard isProduct else { return Element(number: intern(.computed(node.type, [p, q])), isNegative: false) }
      let parts = [p, q].map { Element(number: $0.number, isNegative: false) }
      return Element(number: intern(.computed(node.type, parts)), isNegative: p.isNegative != q.isNegative)
    }
  }

  /// True where the node works on the leading axes alone and treats every trailing element alike.
  static func isLeading(_ node: Node, _ value: ValueID, _ trailing: Int, _ context: PassContext) throws -> Bool {
    guard let input = node.input(0), let from = context.shape(input), let to = context.shape(value),
      from.count >= trailing, to.count >= trailing, from.suffix(trailing) == to.suffix(trailing),
      to.suffix(trailing).allSatisfy(\.isKnown)
    else { return false }
    let leading = from.count - trailing
    func axis(_ given: Int) -> Int { given < 0 ? given + from.count : given }
    switch node.type {
    case "Unsqueeze", "Squeeze", "Reshape", "Expand": return true
    case "Transpose":
      guard let order = try AttributeReader(node).optionalInts("perm"), order.count == from.count else { return false }
      return Array(order.suffix(trailing)) == Array(leading..<from.count)
    case "Gather": return axis(try AttributeReader(node).int("axis", default: 0)) < leading
    case "Concat": return axis(try AttributeReader(node).int("axis")) < leading
    case "Slice":
      guard let given = node.input(3) else { return false }
      guard let axes = try context.constant(given)?.ints() else { return false }
      return axes.allSatisfy { axis($0) < leading }
    default: return false
    }
  }

  /// Elements of a constant: numbers where each is one number, else columns, equal (or opposite) ones found where rotations
  /// have them: half a row apart, or side by side.
  private func columns(_ value: ValueID, _ tensor: Tensor, _ count: Int) throws -> [Element]? {
    guard tensor.dataType.isFloatingPoint || tensor.dataType.isInteger, count > 0, tensor.count % count == 0,
      tensor.count <= Self.limit
    else { return nil }
    let view = try ElementView<Double>(tensor)
    let rows = tensor.count / count
    if rows == 1 {
      return (0..<count).map {
        Element(number: intern(.number(view[$0].magnitude.bitPattern)), isNegative: view[$0] < 0)
      }
    }
    func isSame(_ i: Int, _ j: Int, _ sign: Double) -> Bool {
      for row in 0..<rows where view[row * count + i] != sign * view[row * count + j] { return false }
      return true
    }
    var result: [Element] = []
    for index in 0..<count {
      var found: Element?
      let half = count % 2 == 0 && index >= count / 2 ? index - count / 2 : nil
      let pair = index % 2 == 1 ? index - 1 : nil
      for other in [half, pair].compactMap({ $0 }) where found == nil {
        if isSame(index, other, 1) {
          found = result[other]
        } else if isSame(index, other, -1) {
          found = Element(number: result[other].number, isNegative: !result[other].isNegative)
        }
      }
      result.append(found ?? Element(number: intern(.column(value, index)), isNegative: false))
    }
    return result
  }
}
