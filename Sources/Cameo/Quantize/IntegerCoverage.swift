public import GraphIR
import Operators
import PassKit
import Tensors

/// Which products and convolutions of a model run on integers, told from the graph that Cameo would run.
///
/// A product counts where one operand is constant, whatever became of it: those of two computed values (attention) have nothing that could
/// be quantized beforehand.
public struct IntegerCoverage: Sendable {
  public struct Product: Sendable {
    /// The source nodes that it stands for.
    public let names: [String]
    public let type: String
    /// For the shapes asked about; nil where they stay open.
    public let multiplyAdds: Int?
    public let isInteger: Bool
    /// Why it is not.
    public fileprivate(set) var reason: String?
    let origins: Origins
    /// How many products of the source it stands for.
    public let sourceProducts: Int
  }

  public private(set) var products: [Product]

  private static let integers: Set<String> = [
    "IntegerMatMul", "IntegerConv", "QLinearMatMul", "QLinearConv", "MatMulInteger", "ConvInteger", "QGemm",
    "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QAttention",
  ]
  private static let floats: Set<String> = [
    "MatMul", "Gemm", "Conv", "ConvTranspose", "FusedMatMul", "FusedGemm", "FusedConv", "ChannelsLastConv",
    "ChannelsLastConvTranspose", "MatMulNBits", "MatMulBnb4", "BlockMatMul",
  ]

  /// `model` in the form in which it is stored; it is optimized for running here, without verification. `bindings` are sizes of symbols.
  public init(_ model: Model, bindings: [String: Int] = [:]) throws {
    var options = OptimizationOptions()
    options.level = 3
    // Each product is counted by itself.
    options.disabled.insert(JoinBlockMatMuls.pass.name)
    let (optimized, report) = try Optimizer(options: options, verification: nil).optimize(model)
    let graph = optimized.graph
    var settings = ShapeInference.Options()
    settings.isLenient = true
    settings.bindings = bindings.mapValues { Dim($0) }
    let inference = ShapeInference(graph, functions: optimized.functions, options: settings)
    try inference.run()
    var reasons: [Int: String] = [:]
    for miss in report.nearMisses where ["UseIntegerProducts", "UseDynamicProducts"].contains(miss.pass) {
      for origin in miss.origins { reasons[origin] = miss.reason }
    }
    products = graph.allNodes.compactMap { id in
      let node = graph[id]
      let isInteger = Self.integers.contains(node.type)
      guard isInteger || Self.floats.contains(node.type) else { return nil }
      guard isInteger || node.inputs.dropFirst().contains(where: { Self.isWeight($0, graph) }) else { return nil }
      let shapes = { (values: [ValueID?]) in values.map { $0.flatMap { inference[$0].shape } } }
      let count = Contraction.multiplyAdds(node, inputs: shapes(node.inputs), outputs: shapes(node.outputs))
      let origins = node.origins.indices
      return Product(
        names: optimized.productsFirst(origins).map { optimized.sourceLabel($0) }, type: node.type,
        multiplyAdds: count?.value, isInteger: isInteger,
        reason: isInteger ? nil : origins.lazy.compactMap { reasons[Int($0)] }.first ?? "its numbers are floats",
        origins: node.origins, sourceProducts: max(1, origins.count { optimized.isProduct($0) }))
    }
  }

  /// Why source nodes stayed float, from whoever left them so: that is said instead of what was found here.
  mutating func explain(_ reasons: [(origins: Origins, reason: String)]) {
    var known: [UInt32: String] = [:]
    for (origins, reason) in reasons { for index in origins.indices { known[index] = reason } }
    for place in products.indices where !products[place].isInteger {
      if let reason = products[place].origins.indices.lazy.compactMap({ known[$0] }).first {
        products[place].reason = reason
      }
    }
  }

  /// A constant of two axes and more, perhaps behind a DequantizeLinear.
  private static func isWeight(_ value: ValueID?, _ graph: Graph) -> Bool {
    guard let value else { return false }
    if let tensor = graph.constant(value) { return tensor.rank >= 2 }
    guard let producer = graph.producer(value), graph[producer].is("DequantizeLinear") else { return false }
    return graph.constant(graph[producer].input(0)).map { $0.rank >= 2 } ?? false
  }

  public var integerCount: Int { products.count { $0.isInteger } }
  /// As the source counts them, before products of one operand were merged.
  public var sourceCount: Int { products.reduce(0) { $0 + $1.sourceProducts } }
  public var integerSourceCount: Int { products.reduce(0) { $0 + ($1.isInteger ? $1.sourceProducts : 0) } }
  /// Of those whose shapes are known.
  public var multiplyAdds: Int { products.reduce(0) { $0 + ($1.multiplyAdds ?? 0) } }
  public var integerMultiplyAdds: Int { products.reduce(0) { $0 + ($1.isInteger ? $1.multiplyAdds ?? 0 : 0) } }

  /// `53 of 54 products (98.1 %), 99.9 % of the multiply-adds`; `24 of 24 products (100 %; 36 of 36 in the source), …`.
  public var summary: String {
    func percent(_ part: Int, _ whole: Int) -> String {
      whole == 0 ? "-" : "\((Double(part) / Double(whole) * 1000).rounded() / 10) %"
    }
    let source = sourceCount == products.count ? "" : "; \(integerSourceCount) of \(sourceCount) in the source"
    return "\(integerCount) of \(products.count) products (\(percent(integerCount, products.count))\(source)), "
      + "\(percent(integerMultiplyAdds, multiplyAdds)) of the multiply-adds"
  }
}

extension Model {
  private static let products: Set<String> = [
    "MatMul", "Gemm", "Conv", "ConvTranspose", "MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv",
  ]

  /// What a reader looks for is the product, not the constants and casts that went into it.
  fileprivate func productsFirst(_ origins: [UInt32]) -> [UInt32] {
    origins.filter(isProduct) + origins.filter { !isProduct($0) }
  }

  fileprivate func isProduct(_ index: UInt32) -> Bool {
    Int(index) < sourceNodes.count && Self.products.contains(sourceNodes[Int(index)].operatorName.name)
  }
}
