public import GraphIR
public import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What a reduction makes of the elements it meets.
public enum Reduction: Sendable {
  case sum, mean, max, min, product, l1, l2, logSum, logSumExp, sumSquare
}

/// Reductions over axes: `axes` as input 1 (all axes where left out or empty, unless `noop_with_empty_axes`), `keepdims`.
/// Floats are accumulated in double and rounded once; integers wrap.
public struct ReduceOperator: Operator {
  public let name: OperatorName
  private let kind: Reduction
  /// The since-version from which the axes are an input.
  private let axesInputVersion: Int

  public init(_ name: String, _ kind: Reduction, axesInputVersion: Int = 18) {
    self.name = OperatorName(name)
    self.kind = kind
    self.axesInputVersion = axesInputVersion
  }

  // MARK: Inference

  /// The reduced axes, ascending; all of them for none unless `noop`.
  private func reduced(_ axes: [Int]?, rank: Int, noop: Bool) throws -> [Int] {
    guard let axes, !axes.isEmpty else { return noop ? [] : Array(0..<rank) }
    return Set(try axes.map { try Axes.normalize($0, rank: rank) }).sorted()
  }

  public func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    let keeps = try context.attributes.int("keepdims", default: 1) != 0
    let noop = try context.attributes.bool("noop_with_empty_axes")
    guard let shape = context.shape(0) else {
      if !context.hasInput(1), !noop, !keeps { return context.set(0, type, []) }
      return context.set(0, type, nil)
    }
    if context.hasInput(1), context.ints(1) == nil {
      if keeps { return context.set(0, type, context.unknownShape(rank: shape.count)) }
      guard let length = context.length(1), length > 0, length <= shape.count else { return context.set(0, type, nil) }
      return context.set(0, type, context.unknownShape(rank: shape.count - length))
    }
    let axes = Set(try reduced(context.ints(1), rank: shape.count, noop: noop))
    var result: [Dim] = []
    for axis in shape.indices {
      if !axes.contains(axis) { result.append(shape[axis]) } else if keeps { result.append(1) }
    }
    context.set(0, type, result, symbols: symbols(context, axes: axes, rank: shape.count))
  }

  private func symbols(_ context: InferenceContext, axes: Set<Int>, rank: Int) -> [Dim]? {
    guard rank == 1, axes == [0], let type = context.dataType(0), type.isInteger, let own = context.symbols(0) else {
      return nil
    }
    switch kind {
    case .sum: return SymbolicContents.fitting([own.reduce(0, +)], type)
    case .product: return SymbolicContents.fitting([own.reduce(1, *)], type)
    case .max: return own.first.map { first in [own.dropFirst().reduce(first) { Dim.max($0, $1) }] }
    case .min: return own.first.map { first in [own.dropFirst().reduce(first) { Dim.min($0, $1) }] }
    default: return nil
    }
  }

  // MARK: Evaluation

  public func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let axes = try reduced(
      try context.optionalTensor(1)?.ints(), rank: data.rank, noop: try context.attributes.bool("noop_with_empty_axes"))
    let keeps = try context.attributes.int("keepdims", default: 1) != 0
    let isReduced = Set(axes)
    let shape = data.shape.indices.compactMap { axis -> Int? in
      isReduced.contains(axis) ? (keeps ? 1 : nil) : data.shape[axis]
    }
    let plan = try ReductionPlan(data.shape, axes: axes)
    switch data.dataType {
    case .double: return [.tensor(try floats(ElementView<Double>(data), data, shape, plan))]
    case let type where type.isFloatingPoint: return [.tensor(try floats(ElementView<Float>(data), data, shape, plan))]
    case .uint64: return [.tensor(try unsigned(data, shape, plan))]
    case let type where type.isInteger || type == .bool: return [.tensor(try integers(data, shape, plan))]
    default: throw CameoError.unsupported("\(name) of \(data.dataType)")
    }
  }

  private func floats<E: ComputeElement & BinaryFloatingPoint>(
    _ view: ElementView<E>, _ data: Tensor, _ shape: [Int], _ plan: ReductionPlan
  ) throws -> Tensor {
    let p = view.base
    let count = Double(plan.count)
    return try Tensor.make(data.dataType, shape, as: Double.self) { out in
      withExtendedLifetime(view) {
        switch kind {
        case .sum: plan.fold(p, 0, { $0 + Double($1) }) { out[$0] = $1 }
        case .mean: plan.fold(p, 0, { $0 + Double($1) }) { out[$0] = $1 / count }
        case .max: plan.fold(p, -Double.infinity, { $0.isNaN || $0 >= Double($1) ? $0 : Double($1) }) { out[$0] = $1 }
        case .min: plan.fold(p, Double.infinity, { $0.isNaN || $0 <= Double($1) ? $0 : Double($1) }) { out[$0] = $1 }
        case .product: plan.fold(p, 1, { $0 * Double($1) }) { out[$0] = $1 }
        case .l1: plan.fold(p, 0, { $0 + abs(Double($1)) }) { out[$0] = $1 }
        case .l2: plan.fold(p, 0, { $0 + Double($1) * Double($1) }) { out[$0] = $1.squareRoot() }
        case .sumSquare: plan.fold(p, 0, { $0 + Double($1) * Double($1) }) { out[$0] = $1 }
        case .logSum: plan.fold(p, 0, { $0 + Double($1) }) { out[$0] = log($1) }
        case .logSumExp:
          plan.fold(p, -Double.infinity, { $0.isNaN || $0 >= Double($1) ? $0 : Double($1) }) { out[$0] = $1 }
          // The greatest is taken out first, so that no exponential overflows.
          plan.foldIndexed(
            p, 0,
            { total, x, i in
              let top = out[i].isInfinite ? 0 : out[i]
              return total + exp(Double(x) - top)
            }
          ) { i, total in
            let top = out[i].isInfinite ? 0 : out[i]
            out[i] = log(total) + top
          }
        }
      }
    }
  }

  private func integers(_ data: Tensor, _ shape: [Int], _ plan: ReductionPlan) throws -> Tensor {
    let view = try ElementView<Int64>(data)
    let p = view.base
    let range = SymbolicContents.range(of: data.dataType) ?? Int.min...Int.max
    return try Tensor.make(data.dataType, shape, as: Int64.self) { out in
      withExtendedLifetime(view) {
        switch kind {
        case .sum: plan.fold(p, 0, { $0 &+ $1 }) { out[$0] = $1 }
        case .mean: plan.fold(p, 0, { $0 &+ $1 }) { out[$0] = plan.count == 0 ? 0 : $1 / Int64(plan.count) }
        case .max: plan.fold(p, Int64(range.lowerBound), { Swift.max($0, $1) }) { out[$0] = $1 }
        case .min: plan.fold(p, Int64(range.upperBound), { Swift.min($0, $1) }) { out[$0] = $1 }
        case .product: plan.fold(p, 1, { $0 &* $1 }) { out[$0] = $1 }
        case .l1: plan.fold(p, 0, { $0 &+ ($1 < 0 ? 0 &- $1 : $1) }) { out[$0] = $1 }
        case .sumSquare: plan.fold(p, 0, { $0 &+ $1 &* $1 }) { out[$0] = $1 }
        case .l2: plan.fold(p, 0.0, { $0 + Double($1) * Double($1) }) { out[$0] = truncated($1.squareRoot()) }
        case .logSum: plan.fold(p, 0.0, { $0 + Double($1) }) { out[$0] = truncated(log($1)) }
        case .logSumExp:
          plan.fold(p, -Double.infinity, { Swift.max($0, Double($1)) }) { out[$0] = truncated($1) }
          plan.foldIndexed(p, 0.0, { $0 + exp(Double($1) - Double(out[$2])) }) {
            out[$0] = truncated(log($1) + Double(out[$0]))
          }
        }
      }
    }
  }

  private func unsigned(_ data: Tensor, _ shape: [Int], _ plan: ReductionPlan) throws -> Tensor {
    let view = try ElementView<UInt64>(data)
    let p = view.base
    return try Tensor.make(data.dataType, shape, as: UInt64.self) { out in
      withExtendedLifetime(view) {
        switch kind {
        case .sum, .l1: plan.fold(p, 0, { $0 &+ $1 }) { out[$0] = $1 }
        case .mean: plan.fold(p, 0, { $0 &+ $1 }) { out[$0] = plan.count == 0 ? 0 : $1 / UInt64(plan.count) }
        case .max: plan.fold(p, 0, { Swift.max($0, $1) }) { out[$0] = $1 }
        case .min: plan.fold(p, UInt64.max, { Swift.min($0, $1) }) { out[$0] = $1 }
        case .product: plan.fold(p, 1, { $0 &* $1 }) { out[$0] = $1 }
        case .sumSquare: plan.fold(p, 0, { $0 &+ $1 &* $1 }) { out[$0] = $1 }
        case .l2: plan.fold(p, 0.0, { $0 + Double($1) * Double($1) }) { out[$0] = whole($1.squareRoot()) }
        case .logSum: plan.fold(p, 0.0, { $0 + Double($1) }) { out[$0] = whole(log($1)) }
        case .logSumExp:
          var tops = [Double](repeating: -.infinity, count: plan.results)
          plan.fold(p, -Double.infinity, { Swift.max($0, Double($1)) }) { tops[$0] = $1 }
          plan.foldIndexed(p, 0.0, { $0 + exp(Double($1) - tops[$2]) }) { out[$0] = whole(log($1) + tops[$0]) }
        }
      }
    }
  }

  private func whole(_ value: Double) -> UInt64 {
    UInt64(exactly: value.rounded(.towardZero)) ?? (value > 0 ? .max : 0)
  }

  private func truncated(_ value: Double) -> Int64 {
    Int64(exactly: value.rounded(.towardZero)) ?? (value > 0 ? .max : .min)
  }

  // MARK: Versions

  public func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < axesInputVersion { try graph.moveAttributeToInput("axes", of: node, at: 1) }
  }

  public func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < axesInputVersion else { return }
    let noop = try AttributeReader(graph[node]).bool("noop_with_empty_axes")
    let axes = graph[node].input(1)
    if axes != nil, graph.constant(axes) == nil {
      throw CameoError.unsupported("input axes is computed; the older version takes it as a fixed attribute")
    }
    let isEmpty = graph.constant(axes)?.count ?? 0 == 0
    if noop && isEmpty {
      guard let input = graph[node].input(0), [.sum, .mean, .max, .min, .product].contains(kind) else {
        throw CameoError.unsupported("the older version has no noop_with_empty_axes")
      }
      return graph.replaceNode(node, by: graph.emit("Identity", [input], like: node))
    }
    graph.setAttribute("noop_with_empty_axes", of: node, to: nil)
    if isEmpty {
      if axes != nil { graph.setInput(1, of: node, to: nil) }
      graph.trimInputs(of: node)
    } else {
      try graph.moveInputToAttribute(1, of: node, named: "axes", Attribute.ints)
    }
    if version < 11 { try graph.countAxesFromFront(node, rank: graph.rank(graph[node].input(0))) }
  }
}

/// Which elements of a row-major tensor come together in each element of its reduction.
struct ReductionPlan {
  /// Where each result's elements start, in row-major order of the kept axes.
  private let starts: [Int]
  private let walk: BroadcastWalk
  /// Results.
  var results: Int { starts.count }
  /// Elements that come together in one result.
  let count: Int

  /// `axes`: ascending, from the front. Throws `.limit` where the table of results is past the memory budget: a tensor without
  /// elements may have any number of them.
  init(_ shape: [Int], axes: [Int]) throws {
    let strides = Tensor.strides(shape)
    let isReduced = Set(axes)
    let kept = shape.indices.filter { !isReduced.contains($0) }
    let results = try Tensor.elementCount(kept.map { shape[$0] })
    try MemoryBudget.shared.check(
      results.multipliedReportingOverflow(by: MemoryLayout<Int>.stride).partialValue, for: "a reduction's table")
    var starts: [Int] = []
    starts.reserveCapacity(results)
    let outer = BroadcastWalk(kept.map { shape[$0] }, strides: [kept.map { strides[$0] }])
    outer.forEachRow { _, offsets in
      for i in 0..<outer.rowLength { starts.append(offsets[0] + i * outer.rowStrides[0]) }
    }
    self.starts = starts
    count = axes.reduce(1) { $0 * shape[$1] }
    walk = BroadcastWalk(axes.map { shape[$0] }, strides: [axes.map { strides[$0] }])
  }

  func fold<E, A>(_ base: UnsafePointer<E>, _ initial: A, _ step: (A, E) -> A, _ finish: (Int, A) -> Void) {
    let length = walk.rowLength
    let stride = walk.rowStrides[0]
    for (index, start) in starts.enumerated() {
      var total = initial
      walk.forEachRow { _, offsets in
        var p = base + (start + offsets[0])
        var i = 0
        while i < length {
          total = step(total, p.pointee)
          p += stride
          i &+= 1
        }
      }
      finish(index, total)
    }
  }

  /// As `fold`; the step also gets the result's index.
  func foldIndexed<E, A>(_ base: UnsafePointer<E>, _ initial: A, _ step: (A, E, Int) -> A, _ finish: (Int, A) -> Void) {
    for (index, start) in starts.enumerated() {
      var total = initial
      walk.forEachRow { _, offsets in
        for i in 0..<walk.rowLength { total = step(total, base[start + offsets[0] + i * walk.rowStrides[0]], index) }
      }
      finish(index, total)
    }
  }
}
