import GraphIR
import Tensors

/// Appends the nodes of a backward pass to a graph.
///
/// Shapes and types may be asked of forward values only; the gradient of a value has that value's own.
struct GradientBuilder {
  var graph: Graph
  /// Where new nodes go, and whose origins they take.
  private let region: RegionID
  private let origins: Origins
  /// By `ValueID.index`; forward values only.
  private let facts: [ValueFacts]

  init(_ graph: Graph, like node: NodeID, facts: [ValueFacts]) {
    self.graph = graph
    region = graph[node].region
    origins = graph[node].origins
    self.facts = facts
  }

  // MARK: What is known of forward values

  func type(_ value: ValueID) -> DataType? { fact(value)?.dataType }
  func shape(_ value: ValueID) -> [Dim]? { fact(value)?.shape }

  private func fact(_ value: ValueID) -> ValueFacts? {
    Int(value.index) < facts.count ? facts[Int(value.index)] : nil
  }

  /// The tensor that `value` always is.
  func constant(_ value: ValueID?) -> Tensor? { value.flatMap { graph.constant($0) ?? fact($0)?.tensor } }

  func rank(_ value: ValueID) throws -> Int {
    guard let rank = shape(value)?.count else {
      throw CameoError.unsupported("its derivative needs the rank of \(graph[value].name), which is not known")
    }
    return rank
  }

  // MARK: Nodes

  /// A node of one output.
  mutating func call(_ type: String, _ inputs: [ValueID?], _ attributes: [NamedAttribute] = []) -> ValueID {
    call(OperatorName(type), inputs, attributes, outputs: 1)[0]
  }

  mutating func call(
    _ name: OperatorName, _ inputs: [ValueID?], _ attributes: [NamedAttribute], outputs: Int
  ) -> [ValueID] {
    let results = (0..<outputs).map { _ in graph.addValue(name: graph.freshName("grad"), in: region) }
    graph.addNode(name, inputs: inputs, outputs: results, attributes: attributes, origins: origins, in: region)
    return results
  }

  mutating func add(_ a: ValueID, _ b: ValueID) -> ValueID { call("Add", [a, b]) }
  mutating func sub(_ a: ValueID, _ b: ValueID) -> ValueID { call("Sub", [a, b]) }
  mutating func mul(_ a: ValueID, _ b: ValueID) -> ValueID { call("Mul", [a, b]) }
  mutating func div(_ a: ValueID, _ b: ValueID) -> ValueID { call("Div", [a, b]) }
  mutating func neg(_ a: ValueID) -> ValueID { call("Neg", [a]) }
  mutating func square(_ a: ValueID) -> ValueID { call("Mul", [a, a]) }
  mutating func select(_ condition: ValueID, _ a: ValueID, _ b: ValueID) -> ValueID {
    call("Where", [condition, a, b])
  }

  mutating func constant(_ tensor: Tensor) -> ValueID {
    graph.addConstant(tensor, name: graph.freshName("const"), in: region)
  }

  mutating func ints(_ values: [Int]) throws -> ValueID { constant(try Tensor.ints(values)) }

  /// A scalar of the element type of the forward value `value`.
  mutating func scalar(_ number: Double, like value: ValueID) throws -> ValueID {
    if let type = type(value) { return constant(try Tensor.scalar(number, type)) }
    return call("CastLike", [constant(try Tensor.scalar(number, .double)), value])
  }

  mutating func add(_ a: ValueID, _ number: Double, like value: ValueID) throws -> ValueID {
    add(a, try scalar(number, like: value))
  }

  mutating func mul(_ a: ValueID, _ number: Double, like value: ValueID) throws -> ValueID {
    number == 1 ? a : mul(a, try scalar(number, like: value))
  }

  /// `gradient` where `condition` holds, else 0.
  mutating func pass(_ gradient: ValueID, where condition: ValueID, like value: ValueID) throws -> ValueID {
    select(condition, gradient, try scalar(0, like: value))
  }

  /// The shape of a forward value as an int64 tensor.
  mutating func shapeTensor(_ value: ValueID) throws -> ValueID {
    if let known = fact(value)?.type?.concreteShape { return try ints(known) }
    return call("Shape", [value])
  }

  /// `number` in the type and shape of a forward value.
  mutating func fill(_ number: Double, like value: ValueID) throws -> ValueID {
    let one = try scalar(number, like: value)
    return shape(value)?.isEmpty == true ? one : call("Expand", [one, try shapeTensor(value)])
  }

  /// `gradient` under the shape of a forward value of as many elements.
  mutating func reshape(_ gradient: ValueID, like value: ValueID) throws -> ValueID {
    call("Reshape", [gradient, try shapeTensor(value)], [NamedAttribute("allowzero", .int(1))])
  }

  /// `gradient` repeated to the shape of a forward value.
  mutating func expand(_ gradient: ValueID, like value: ValueID) throws -> ValueID {
    call("Expand", [gradient, try shapeTensor(value)])
  }

  mutating func transpose(_ value: ValueID, _ permutation: [Int]) -> ValueID {
    call("Transpose", [value], [NamedAttribute("perm", .ints(permutation.map(Int64.init)))])
  }

  // MARK: Broadcasting

  /// `gradient`, of the shape of a broadcast result, summed back to the operand `value`. `shape`: the result's, where known.
  mutating func unbroadcast(_ gradient: ValueID, to value: ValueID, from shape: [Dim]?) throws -> ValueID {
    guard let own = self.shape(value), let full = shape, let axes = summedAxes(own, full) else {
      return try unbroadcastAtRunTime(gradient, to: value)
    }
    var result = gradient
    if !axes.inner.isEmpty {
      result = call("ReduceSum", [result, try ints(axes.inner)], [NamedAttribute("keepdims", .int(1))])
    }
    if axes.leading > 0 {
      result = call("ReduceSum", [result, try ints(Array(0..<axes.leading))], [NamedAttribute("keepdims", .int(0))])
    }
    return result
  }

  /// Which axes of `full` an operand of shape `own` was repeated along; nil where that is not certain.
  private func summedAxes(_ own: [Dim], _ full: [Dim]) -> (leading: Int, inner: [Int])? {
    let leading = full.count - own.count
    guard leading >= 0 else { return nil }
    var inner: [Int] = []
    for (axis, dim) in own.enumerated() {
      let result = full[leading + axis]
      if dim == result || result.value == 1 { continue }
      guard let length = dim.value else { return nil }
      if length == 1 { inner.append(leading + axis) }
    }
    return (leading, inner)
  }

  /// As above where the shapes are known only when the graph runs: sums along every axis of length 1 in the padded shape.
  private mutating func unbroadcastAtRunTime(_ gradient: ValueID, to value: ValueID) throws -> ValueID {
    let own = call("Shape", [value])
    let missing = sub(call("Size", [call("Shape", [gradient])]), call("Size", [own]))
    let ones = call(
      "ConstantOfShape", [call("Unsqueeze", [missing, try ints([0])])],
      [NamedAttribute("value", .tensor(try Tensor.of([Int64(1)], .int64)))])
    let padded = call("Concat", [ones, own], [NamedAttribute("axis", .int(0))])
    let isOne = call("Equal", [padded, try ints([1])])
    let axes = call("Reshape", [call("NonZero", [isOne]), try ints([-1])])
    let sum = call(
      "ReduceSum", [gradient, axes],
      [NamedAttribute("keepdims", .int(1)), NamedAttribute("noop_with_empty_axes", .int(1))])
    return try reshape(sum, like: value)
  }
}
