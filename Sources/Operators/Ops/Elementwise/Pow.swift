import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Pow: x to the power y. The types may differ; the result has x's. Integers wrap; an integer to a negative power is the
/// truncated quotient (0 unless x is 1 or -1).
struct Pow: Operator {
  let name = OperatorName("Pow")
  let traits: OperatorTraits = .elementwise

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, context.dataType(0), try context.broadcastInputs())
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (x, y) = (try context.tensor(0), try context.tensor(1))
    let shape = try Broadcast.shape(x.shape, y.shape)
    let type = x.dataType
    if type == .double || type.isFloatingPoint && y.dataType == .double {
      return [.tensor(try ElementwiseMaps.map(x, y, to: type, shape) { (a: Double, b: Double) in pow(a, b) })]
    }
    if type.isFloatingPoint {
      // In double and rounded once: squares and square roots come out as a multiplication or sqrt would give them.
      if y.count == 1 {
        let exponent = try y.scalar(as: Double.self)
        if exponent == 2 {
          return [.tensor(try ElementwiseMaps.map(x, y, to: type, shape) { (a: Float, _: Float) in a * a })]
        }
      }
      return [
        .tensor(
          try ElementwiseMaps.map(x, y, to: type, shape) { (a: Float, b: Float) in Float(pow(Double(a), Double(b))) })
      ]
    }
    guard type.isInteger else { throw CameoError.unsupported("Pow of \(type)") }
    if y.dataType.isFloatingPoint {
      return [.tensor(try ElementwiseMaps.map(x, y, to: type, shape) { (a: Double, b: Double) in pow(a, b) })]
    }
    return [.tensor(try ElementwiseMaps.map(x, y, to: type, shape) { (a: Int64, b: Int64) in integerPower(a, b) })]
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 7 { try graph.upgradeLegacyBroadcast(node) }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 12, let x = graph.dataType(graph[node].input(0)), let y = graph.dataType(graph[node].input(1)), x != y
    {
      // Before opset 12 both have one type.
      guard let base = graph[node].input(0), let exponent = graph[node].input(1) else { return }
      guard x.isFloatingPoint || y.isFloatingPoint else {
        throw CameoError.unsupported("before opset 12 Pow takes no integers, \(x) and \(y) are there")
      }
      if !x.isFloatingPoint {
        lowerIntegerBase(&graph, node, base, exponent, x)
        if version < 7 { try graph.lowerLegacyBroadcast(node, commutes: false) }
        return
      }
      if let tensor = graph.constant(exponent) {
        graph.setInput(1, of: node, to: graph.emitConstant(try tensor.converted(to: x), like: node))
      } else {
        let cast = graph.emit("Cast", [exponent], [NamedAttribute("to", .int(Int64(x.rawValue)))], like: node)
        graph.setInput(1, of: node, to: cast)
      }
    }
    if version < 7 { try graph.lowerLegacyBroadcast(node, commutes: false) }
  }

  /// An integer to a fractional power: in double, as the newest version is computed, and back.
  private func lowerIntegerBase(
    _ graph: inout Graph, _ node: NodeID, _ base: ValueID, _ exponent: ValueID, _ type: DataType
  ) {
    let source = graph[node]
    func cast(_ value: ValueID) -> ValueID {
      let result = graph.emit(
        "Cast", [value], [NamedAttribute("to", .int(Int64(DataType.double.rawValue)))], like: node)
      graph.setType(.tensor(.double, graph[value].type?.shape), of: result)
      return result
    }
    graph.replaceInputs(of: node, with: [cast(base), cast(exponent)])
    guard let output = source.output(0) else { return }
    let wide = graph.addValue(
      name: graph.freshName("Pow"), type: .tensor(.double, graph[output].type?.shape), in: source.region)
    graph.rebindOutput(0, of: node, to: wide)
    graph.addNode(
      OperatorName("Cast"), inputs: [wide], outputs: [output],
      attributes: [NamedAttribute("to", .int(Int64(type.rawValue)))], origins: source.origins, in: source.region)
  }
}

private func integerPower(_ base: Int64, _ exponent: Int64) -> Int64 {
  if exponent < 0 { return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0 }
  var (result, factor, rest) = (Int64(1), base, exponent)
  while rest > 0 {
    if rest & 1 == 1 { result = result &* factor }
    factor = factor &* factor
    rest >>= 1
  }
  return result
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Pow(), to: $0) })
