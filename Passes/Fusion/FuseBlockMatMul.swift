import GraphIR
import Operators
import PassKit
import Tensors

/// A product with constant quantized weights becomes one node that keeps them as they are. The result runs in Cameo only (domain
/// ai.cameo).
///
/// Before: `MatMul(x, DequantizeLinear<axis = 0, block_size = 32>(W, scales))`. After:
/// `ai.cameo.BlockMatMul<axis = 0, block_size = 32>(x, W, scales)`.
/// The same for Gemm, for weights behind Transpose and Reshape, with one scale for all, for each column, or for each block of a column;
/// with the bias behind it; for codes that are places in a book of 16 numbers, as NF4's are. What reads dequantized weights otherwise is named: a session widens them to float.
public enum FuseBlockMatMul {
  public static let pass = RewritePass(
    "FuseBlockMatMul", level: 3, summary: "keeps the quantized weights of products as they are, for a run",
    rules: [Product(), Bias(), Rest()])

  static let domain = "ai.cameo"

  /// Whether rows of `depth` numbers are computed with these weights, where the product sums over `axis`.
  private static func check(_ form: BlockWeightForm, depthAxis: Int, at id: NodeID) throws {
    let depth = form.shape[depthAxis]
    if form.hasOneScale { return }
    if form.block == 0 {
      guard form.axis != depthAxis else { throw Refusal("each number of a column has a scale of its own", at: id) }
      return
    }
    guard form.axis == depthAxis else { throw Refusal("the blocks lie across the columns of the product", at: id) }
    guard form.block % 16 == 0 || form.block >= depth else {
      throw Refusal("blocks of \(form.block); multiples of 16 are needed", at: id)
    }
  }

  struct Product: RewriteRule {
    let name = "BlockMatMul"
    let anchors: Set<OperatorName> = [OperatorName("MatMul"), OperatorName("Gemm")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard context.options.target != .ort, let data = node.input(0), let operand = node.input(1),
        let output = node.output(0), !isDequantized(data, context),
        let form = try BlockWeightForm.find(operand, context)
      else { return nil }
      guard let type = context.dataType(output), type == .float, context.dataType(data) == .float else {
        throw Refusal(
          "products with such weights are of float, this is \(context.dataType(output)?.description ?? "unknown")",
          at: id)
      }
      var (isTransposed, bias) = (form.isTransposed, ValueID?.none)
      if node.is("Gemm") {
        let reader = AttributeReader(node)
        guard try !reader.bool("transA"), try reader.float("alpha", default: 1) == 1 else {
          throw Refusal("x is transposed or scaled", at: id)
        }
        if try reader.bool("transB") { isTransposed.toggle() }
        if let c = node.input(2) {
          guard try reader.float("beta", default: 1) == 1, isRow(c, context.shape(output)?.last, context) else {
            throw Refusal("C is no row of the result's width", at: id)
          }
          bias = c
        }
      }
      try check(form, depthAxis: isTransposed ? 1 : 0, at: form.nodes[0])
      var change = GraphChange(rule: name, covers: form.nodes + [id], isFusion: true)
      var inputs = [.existing(data)] + form.operands(&change, context)
      inputs.append(bias.map { .existing($0) })
      inputs.append(form.book.map { .existing($0) })
      while inputs.last == .some(nil) { inputs.removeLast() }
      var attributes: [NamedAttribute] = []
      if !form.hasOneScale { attributes.append(NamedAttribute("axis", .int(Int64(form.axis)))) }
      if form.block > 0 { attributes.append(NamedAttribute("block_size", .int(Int64(form.block)))) }
      if isTransposed { attributes.append(NamedAttribute("transB", .int(1))) }
      change.replace(output, with: change.node("BlockMatMul", domain: domain, inputs, attributes, name: node.name))
      return change
    }
  }

  /// True for values that a product of integers could take: dequantized, and perhaps moved.
  private static func isDequantized(_ value: ValueID, _ context: PassContext) -> Bool {
    var current = value
    for _ in 0..<8 {
      guard let id = context.graph.producer(current) else { return false }
      let node = context.graph[id]
      if node.is("DequantizeLinear") { return true }
      guard node.domain.isEmpty, movements.contains(node.type), let input = node.input(0) else { return false }
      current = input
    }
    return false
  }

  private static let movements: Set<String> = [
    "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Gather", "Expand", "MaxPool", "Relu",
  ]

  private static func isRow(_ value: ValueID, _ width: Dim?, _ context: PassContext) -> Bool {
    guard let shape = context.shape(value), let width, shape.last == width else { return false }
    return shape.dropLast().allSatisfy { $0 == 1 } && shape.count <= 2 && context.dataType(value) == .float
  }

  /// The sum behind the product.
  struct Bias: RewriteRule {
    let name = "BlockMatMulBias"
    let anchors: Set<OperatorName> = [OperatorName("Add")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let output = graph[id].output(0), let a = graph[id].input(0), let b = graph[id].input(1) else { return nil }
      for (data, bias) in [(a, b), (b, a)] {
        guard let product = graph.producer(data), graph[product].region == graph[id].region, graph.hasSingleUse(data),
          context.options.target != .ort, context.shape(data) == context.shape(output),
          graph.constant(bias) != nil, isRow(bias, context.shape(output)?.last, context)
        else { continue }
        let node = graph[product]
        let isBlock = node.operatorName == OperatorName("BlockMatMul", domain: domain)
        let place = isBlock ? 4 : 5
        guard isBlock || node.operatorName == OperatorName("MatMulNBits", domain: "com.microsoft"),
          node.input(place) == nil
        else { continue }
        var change = GraphChange(rule: name, covers: [product, id], isFusion: true)
        var inputs = node.inputs.map { $0.map { GraphChange.Ref.existing($0) } }
        while inputs.count <= place { inputs.append(nil) }
        guard let row = graph.constant(bias) else { continue }
        inputs[place] = row.rank == 1 ? .existing(bias) : change.constant(try row.reshaped([row.count]))
        change.replace(
          output, with: change.node(node.type, domain: node.domain, inputs, node.attributes, name: node.name))
        return change
      }
      return nil
    }
  }

  /// Large weights whose readers have no form that keeps them quantized.
  struct Rest: RewriteRule {
    let name = "WidenedWeights"
    let anchors: Set<OperatorName> = [OperatorName("DequantizeLinear")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard context.options.target != .ort, let weights = graph.constant(graph[id].input(0)),
        weights.count >= 1 << 16,
        let value = graph[id].output(0)
      else { return nil }
      for reader in graph.consumers(value) {
        let node = graph[reader]
        if node.domain.isEmpty, ["MatMul", "Gemm", "Transpose", "Reshape", "Gather"].contains(node.type) { continue }
        if node.inputs.contains(where: { $0.map { isDequantized($0, context) && $0 != value } ?? false }) { continue }
        throw Refusal(
          "\(node.type) reads these weights as float; a session widens them to \(weights.count >> 18) MiB", at: id)
      }
      return nil
    }
  }
}
