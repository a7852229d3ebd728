internal import CKernels
import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Softmax, LogSoftmax and Hardmax along one axis.
///
/// Before opset 13 they flattened the input to two dimensions at `axis`; that is Flatten, Softmax, Reshape now.
struct Softmax: Operator {
  enum Kind { case plain, logarithm, hard }

  let name: OperatorName
  private let kind: Kind

  init(_ name: String, _ kind: Kind) {
    self.name = OperatorName(name)
    self.kind = kind
  }

  func infer(_ context: inout InferenceContext) throws {
    let shape = context.shape(0)
    try context.require(rank: 1...Int.max, of: 0)
    if let shape {
      _ = try context.normalize(axis: context.attributes.int("axis", default: -1), rank: shape.count)
    }
    context.set(0, context.dataType(0), shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    var axis = try context.attributes.int("axis", default: -1)
    if axis < 0 { axis += max(1, x.rank) }
    guard axis >= 0, axis < max(1, x.rank) else {
      throw CameoError.badInput("axis \(axis) lies outside a tensor of rank \(x.rank)")
    }
    if x.isEmpty { return [.tensor(x)] }
    let n = x.rank == 0 ? 1 : x.shape[axis]
    let inner = x.shape.dropFirst(axis + 1).reduce(1, *)
    let lines = x.shape.prefix(axis).reduce(inner, *)
    let kind = kind
    let rounded = NarrowRounding(x.dataType)
    let isExact = x.dataType == .double || context.accumulatesInDouble || kind == .plain && rounded.isActive
    if kind != .hard && !isExact {
      let view = try ElementView<Float>(x)
      return [
        .tensor(
          try Tensor.make(x.dataType, x.shape, as: Float.self) { out in
            NNParallel.ranges(lines, grain: max(1, 8192 / max(1, n))) { range in
              if inner == 1 {
                ck_softmax_f32(out, view.base, n, range.lowerBound, range.upperBound, 1, nil, 0, kind == .logarithm)
              } else {
                ck_softmax_strided_f32(out, view.base, n, inner, range.lowerBound, range.upperBound, kind == .logarithm)
              }
            }
          })
      ]
    }
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(x.dataType, x.shape, as: Double.self) { out in
          NNParallel.ranges(n == 0 ? 0 : lines, grain: max(1, 4096 / max(1, n))) { range in
            for line in range {
              let start = line / inner * inner * n + line % inner
              Softmax.line(view.base + start, out + start, n, inner, kind, rounded)
            }
          }
        })
    ]
  }

  private static func line(
    _ x: UnsafePointer<Double>, _ y: UnsafeMutablePointer<Double>, _ n: Int, _ step: Int, _ kind: Kind,
    _ rounded: NarrowRounding
  ) {
    var largest = x[0]
    var place = 0
    for i in 1..<max(1, n) where x[i * step] > largest {
      largest = x[i * step]
      place = i
    }
    if kind == .hard {
      for i in 0..<n { y[i * step] = i == place ? 1 : 0 }
      return
    }
    var sum = 0.0
    if kind == .plain {
      for i in 0..<n {
        y[i * step] = rounded(exp(rounded(x[i * step] - largest)))
        sum += y[i * step]
      }
      sum = rounded(sum)
      for i in 0..<n { y[i * step] /= sum }
    } else {
      for i in 0..<n { sum += exp(x[i * step] - largest) }
      let logarithm = log(sum)
      for i in 0..<n { y[i * step] = x[i * step] - largest - logarithm }
    }
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    guard version < 13 else { return }
    var axis: Int64 = 1
    switch graph[node]["axis"] {
    case .int(let value): axis = value
    case .reference: throw CameoError.unsupported("an axis that refers to a function's attribute, before opset 13")
    default: break
    }
    guard let input = graph[node].input(0) else { throw CameoError.badInput("input 0 is missing") }
    let rank = graph[input].type?.shape?.count
    if axis == -1 || rank.map({ Int(axis) == $0 - 1 }) == true {
      graph.setAttribute("axis", of: node, to: .int(-1))
      return
    }
    let shape = graph.emit("Shape", [input], like: node)
    let flat = graph.emit("Flatten", [input], [NamedAttribute("axis", .int(axis))], like: node)
    let result = graph.emit(name.name, [flat], [NamedAttribute("axis", .int(-1))], like: node)
    graph.replaceNode(node, by: graph.emit("Reshape", [result, shape], like: node))
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 13 else { return }
    var axis = -1
    if case .int(let value) = graph[node]["axis"] { axis = Int(value) }
    let input = graph[node].input(0)
    let rank = input.flatMap { graph[$0].type?.shape?.count }
    if version >= 11 && axis == -1 { return graph.setAttribute("axis", of: node, to: .int(-1)) }
    guard let rank, let input, rank > 0 else {
      throw CameoError.unsupported("\(name) before opset 13 on a tensor of unknown rank")
    }
    if axis < 0 { axis += rank }
    guard axis >= 0, axis < rank else { throw CameoError.badInput("axis \(axis) is outside rank \(rank)") }
    graph.setAttribute("axis", of: node, to: .int(Int64(rank - 1)))
    if axis == rank - 1 { return }
    guard let output = graph[node].output(0) else { return }
    var order = (0..<rank).map { Int64($0) }
    order.swapAt(axis, rank - 1)
    let permutation = NamedAttribute("perm", .ints(order))
    let moved = graph.emit("Transpose", [input], [permutation], like: node)
    graph.setInput(0, of: node, to: moved)
    let result = graph.addValue(name: graph.freshName("softmax"), in: graph[node].region)
    graph.rebindOutput(0, of: node, to: result)
    graph.addNode(
      OperatorName("Transpose"), inputs: [result], outputs: [output], attributes: [permutation],
      origins: graph[node].origins, in: graph[node].region)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Softmax("Softmax", .plain), to: $0) })
