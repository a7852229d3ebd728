import GraphIR
import Operators
import PassKit
import Tensors

/// A Conv, ConvTranspose, MatMul or Gemm with constant weights: W x + b, whose channels can be scaled and shifted in W and b.
struct ConstantProduct {
  let id: NodeID
  /// The Add of a constant row behind a MatMul.
  let sum: NodeID?
  let data: ValueID
  let result: ValueID
  /// The axis of the result that counts its channels, and that of the data.
  let resultAxis: Int
  let dataAxis: Int
  private let weight: Tensor
  private let bias: [Double]?
  private let group: Int
  /// The weights' first axis counts channels of the result (Conv, Gemm with transB), else those of the data.
  private let isResultFirst: Bool
  /// Gemm's factor of the product.
  private let alpha: Double

  /// Most weights that are computed anew.
  private static let limit = 1 << 25

  /// nil where the node is none of `types` in the standard domain.
  init?(_ id: NodeID, _ types: Set<String>, _ context: PassContext) throws {
    let graph = context.graph
    let node = graph[id]
    guard node.domain.isEmpty, types.contains(node.type), let data = node.input(0), let output = node.output(0) else {
      return nil
    }
    guard let weight = graph.constant(node.input(1)) else { throw Refusal("the weights are not constant", at: id) }
    let floats: Set<DataType> = [.float, .double, .float16, .bfloat16]
    guard floats.contains(weight.dataType) else { throw Refusal("the weights are \(weight.dataType)", at: id) }
    guard weight.count > 0, weight.count <= Self.limit else {
      throw Refusal("the weights have \(weight.count) elements", at: id)
    }
    self.id = id
    self.data = data
    self.weight = weight
    let reader = AttributeReader(node)
    switch node.type {
    case "Conv", "ConvTranspose":
      guard weight.rank >= 3 else { throw Refusal("the weights have rank \(weight.rank)", at: id) }
      group = try reader.int("group", default: 1)
      let (_, overflows) = weight.shape[1].multipliedReportingOverflow(by: group)
      guard group >= 1, !overflows, weight.shape[0] % group == 0 else {
        throw Refusal("the weights \(weight) do not fit \(group) groups", at: id)
      }
      isResultFirst = node.type == "Conv"
      (resultAxis, dataAxis, alpha) = (1, 1, 1)
      (sum, result) = (nil, output)
    default:
      guard weight.rank == 2 else { throw Refusal("the weights are no matrix", at: id) }
      guard node.input(1).map({ graph[$0].uses.count }) == 1 else {
        throw Refusal("the weights are read elsewhere", at: id)
      }
      let isGemm = node.type == "Gemm"
      guard let rank = context.rank(data), rank >= 2 else {
        throw Refusal("the rank of the product is not known", at: id)
      }
      group = 1
      isResultFirst = try isGemm && reader.int("transB", default: 0) != 0
      dataAxis = try isGemm && reader.int("transA", default: 0) != 0 ? 0 : rank - 1
      resultAxis = rank - 1
      alpha = isGemm ? Double(try reader.float("alpha", default: 1)) : 1
      sum = isGemm ? nil : Self.sum(behind: output, weight.shape[1], in: node.region, context)
      result = sum.flatMap { graph[$0].output(0) } ?? output
    }
    let count = isResultFirst ? weight.shape[0] : weight.shape[1] * group
    bias = try Self.bias(of: id, sum, count, context)
  }

  /// The Add behind a MatMul, and nothing else, of one number a column.
  private static func sum(behind value: ValueID, _ count: Int, in region: RegionID, _ context: PassContext) -> NodeID? {
    let graph = context.graph
    guard graph.hasSingleUse(value), let add = graph.consumers(value).first, graph[add].is("Add"),
      graph[add].region == region, let rank = context.rank(value),
      let tensor = graph.constant(graph[add].input(graph[add].input(0) == value ? 1 : 0)), tensor.rank <= rank,
      tensor.count == 1 || tensor.count == count && tensor.shape.last == count
    else { return nil }
    return add
  }

  private static func bias(of id: NodeID, _ sum: NodeID?, _ count: Int, _ context: PassContext) throws -> [Double]? {
    let graph = context.graph
    let node = graph[id]
    var input = node.input(2)
    var factor = 1.0
    if let sum { input = graph[sum].inputs.compactMap { $0 }.first { graph.constant($0) != nil } }
    guard let input else { return nil }
    guard let tensor = graph.constant(input) else { throw Refusal("the bias is not constant", at: id) }
    if node.type == "Gemm" {
      factor = Double(try AttributeReader(node).float("beta", default: 1))
      guard tensor.count == 1 || tensor.count == count && tensor.shape.last == count else {
        throw Refusal("the bias of shape \(tensor.shape) is not one number for each column", at: id)
      }
    }
    let values = try tensor.elements(as: Double.self).map { $0 * factor }
    if values.count == 1 { return [Double](repeating: values[0], count: count) }
    guard values.count == count else { throw Refusal("the bias has not one number a channel", at: id) }
    return values
  }

  var resultCount: Int { isResultFirst ? weight.shape[0] : weight.shape[1] * group }
  var dataCount: Int { isResultFirst ? weight.shape[1] * group : weight.shape[0] }
  /// All nodes of it.
  var nodes: [NodeID] { [id] + (sum.map { [$0] } ?? []) }
  var hasBias: Bool { bias != nil }

  /// Where weight `first`, `second` of the first two axes stands: `kernel` numbers from `base` on, between channels of the result and of
  /// the data.
  @inline(__always)
  private func forEachPair(_ body: (_ base: Int, _ kernel: Int, _ result: Int, _ data: Int) -> Void) {
    let inner = weight.shape[1]
    let kernel = weight.shape.dropFirst(2).reduce(1, *)
    let perGroup = max(1, weight.shape[0] / group)
    for first in 0..<weight.shape[0] {
      for second in 0..<inner {
        let other = first / perGroup * inner + second
        let base = (first * inner + second) * kernel
        isResultFirst ? body(base, kernel, first, other) : body(base, kernel, other, first)
      }
    }
  }

  /// The weights times a factor for each channel of the result, or of the data. Throws a refusal where one is too large for the type.
  private func weights(times factors: [Double], ofResult: Bool) throws -> Tensor {
    if weight.dataType == .float { return try floatWeights(times: factors, ofResult: ofResult) }
    let numbers = try products(factors, ofResult: ofResult)
    try check(numbers)
    return try .of(numbers, weight.dataType, shape: weight.shape)
  }

  private func products(_ factors: [Double], ofResult: Bool) throws -> [Double] {
    let view = try ElementView<Double>(weight)
    var numbers = [Double](repeating: 0, count: weight.count)
    forEachPair { base, kernel, result, data in
      let factor = factors[ofResult ? result : data]
      for index in base..<base + kernel { numbers[index] = view[index] * factor }
    }
    return numbers
  }

  /// The same without a copy as doubles in between: there may be tens of millions.
  private func floatWeights(times factors: [Double], ofResult: Bool) throws -> Tensor {
    let most = Double(Float.greatestFiniteMagnitude)
    let (inner, kernel) = (weight.shape[1], weight.shape.dropFirst(2).reduce(1, *))
    let perGroup = max(1, weight.shape[0] / group)
    var isBeyond = false
    let made = try Tensor.makeRaw(.float, weight.shape) { target in
      weight.withUnsafeBytes { source in
        guard let source = source.baseAddress, let target = target.baseAddress else { return }
        /// Numbers that have one factor.
        func scale(_ base: Int, _ count: Int, _ factor: Double) {
          for index in base..<base + count {
            let number = Double(source.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)) * factor
            isBeyond = isBeyond || !(number.magnitude <= most)
            target.storeBytes(of: Float(number), toByteOffset: 4 * index, as: Float.self)
          }
        }
        factors.withUnsafeBufferPointer { factors in
          for first in 0..<weight.shape[0] {
            let base = first * inner * kernel
            if ofResult == isResultFirst {
              scale(base, inner * kernel, factors[first])
              continue
            }
            let others = first / perGroup * inner
            for second in 0..<inner { scale(base + second * kernel, kernel, factors[others + second]) }
          }
        }
      }
    }
    if isBeyond { try check(products(factors, ofResult: ofResult)) }
    return made
  }

  /// Adds to `row` for each channel of the result the sum of its weights times `offset` of the data's channels.
  private func add(_ offset: [Double], to row: inout [Double]) throws {
    guard weight.dataType == .float else {
      let view = try ElementView<Double>(weight)
      return add(offset, to: &row) { view[$0] }
    }
    weight.withUnsafeBytes { source in
      guard let source = source.baseAddress else { return }
      add(offset, to: &row) { Double(source.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)) }
    }
  }

  @inline(__always)
  private func add(_ offset: [Double], to row: inout [Double], _ number: (Int) -> Double) {
    forEachPair { base, kernel, result, data in
      var sum = 0.0
      for index in base..<base + kernel { sum += number(index) }
      row[result] += alpha * sum * offset[data]
    }
  }

  private func check(_ numbers: [Double]) throws {
    let type = weight.dataType
    let limit =
      type == .float16 ? 65504 : type == .double ? .greatestFiniteMagnitude : Double(Float.greatestFiniteMagnitude)
    if let number = numbers.first(where: { !($0.magnitude <= limit) }) {
      throw Refusal("a weight would be \(number), more than \(type) holds", at: id)
    }
  }

  /// y * scale + offset for each channel of the result.
  func scaled(_ scale: [Double], _ offset: [Double], _ change: inout GraphChange, _ context: PassContext) throws
    -> GraphChange.Ref
  {
    let isBiased = bias != nil || offset.contains { $0 != 0 }
    let row = offset.indices.map { (bias?[$0] ?? 0) * scale[$0] + offset[$0] }
    let matrix = try scale.allSatisfy { $0 == 1 } ? nil : weights(times: scale, ofResult: true)
    return try write(matrix, isBiased ? row : nil, &change, context)
  }

  /// W (x * scale + offset) + b for each channel of `source`, which the product is to read.
  func scalingData(
    _ scale: [Double], _ offset: [Double], from source: GraphChange.Ref, _ change: inout GraphChange,
    _ context: PassContext
  ) throws -> GraphChange.Ref {
    var row = bias ?? [Double](repeating: 0, count: resultCount)
    if offset.contains(where: { $0 != 0 }) { try add(offset, to: &row) }
    let isBiased = bias != nil || offset.contains { $0 != 0 }
    let matrix = try scale.allSatisfy { $0 == 1 } ? nil : weights(times: scale, ofResult: false)
    return try write(matrix, isBiased ? row : nil, from: source, &change, context)
  }

  private func write(
    _ weights: Tensor?, _ row: [Double]?, from source: GraphChange.Ref? = nil, _ change: inout GraphChange,
    _ context: PassContext
  ) throws -> GraphChange.Ref {
    let node = context.graph[id]
    let type = weight.dataType
    try check(row ?? [])
    let data = source ?? .existing(self.data)
    var matrix = node.input(1).map { GraphChange.Ref.existing($0) }
    if let weights {
      let name = node.input(1).map { context.graph[$0].name + "_scaled" } ?? ""
      matrix = change.constant(weights, name: name)
    }
    let bias = try row.map { change.constant(try .of($0, type)) }
    switch node.type {
    case "MatMul" where bias == nil: return change.node("MatMul", [data, matrix], name: node.name)
    case "MatMul" where sum == nil && resultAxis == 1:
      return change.node("Gemm", [data, matrix, bias], name: node.name)
    case "MatMul":
      let product = change.node("MatMul", [data, matrix], name: node.name, covers: [id])
      return change.node("Add", [product, bias], name: sum.map { context.graph[$0].name } ?? "")
    default:
      let attributes = node.type == "Gemm" ? node.attributes.filter { $0.name != "beta" } : node.attributes
      return change.node(node.type, [data, matrix] + (bias.map { [$0] } ?? []), attributes, name: node.name)
    }
  }
}
