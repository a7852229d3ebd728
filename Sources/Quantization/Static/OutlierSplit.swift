public import GraphIR
import Operators
public import PassKit
import Tensors

/// Takes the few channels of a product's data that are far larger than the others out of the integer product: `X W = (X mask) W +
/// X[outliers] W[outliers]`, the second product in float.
///
/// Source: Dettmers et al., LLM.int8(), 2022, with the channels fixed by calibration instead of found in each run.
public struct OutlierSplit: Pass {
  public let name = "OutlierSplit"
  public let summary = "multiplies outlying channels of a product's data in float"
  public let level = 0
  /// Most channels that are taken out, as a share of all.
  private static let share = 0.02
  private let products: [QuantizationPlacement.Product]
  private let moments: [ValueID: ChannelSummary]
  private let threshold: Float
  private let journal: OutlierJournal?

  /// A channel is an outlier where its magnitude is more than `threshold` times the median channel's.
  public init(
    _ placement: QuantizationPlacement, _ moments: [ValueID: ChannelSummary], threshold: Float = 6,
    journal: OutlierJournal? = nil
  ) {
    self.journal = journal
    products = placement.products
    self.moments = moments
    self.threshold = threshold
  }

  public func run(_ context: PassContext) throws {
    for product in products {
      guard let moments = moments[product.data] else { continue }
      do {
        try split(product, moments.magnitude, context)
      } catch let refusal as Refusal {
        context.refuse(name, at: product.node, refusal)
      }
    }
  }

  private func split(_ product: QuantizationPlacement.Product, _ magnitude: [Float], _ context: PassContext) throws {
    let graph = context.graph
    let node = graph[product.node]
    guard node.is("MatMul"), let output = node.output(0), let weights = graph.constant(product.weights) else {
      throw Refusal("only MatMul is split")
    }
    guard weights.shape[0] == magnitude.count, let rank = context.rank(product.data), rank >= 2 else {
      throw Refusal("its weights do not fit \(magnitude.count) channels")
    }
    let median = magnitude.sorted()[magnitude.count / 2]
    let outliers = magnitude.indices.filter { magnitude[$0] > threshold * median }
    guard !outliers.isEmpty else { throw Refusal("no channel is larger than \(threshold) times the median one") }
    guard Double(outliers.count) <= max(1, Self.share * Double(magnitude.count)) else {
      throw Refusal(
        "\(outliers.count) of \(magnitude.count) channels are outliers: too many for a product of their own")
    }
    let columns = weights.shape[1]
    let rows = try weights.elements(as: Float.self)
    let mask = magnitude.indices.map { outliers.contains($0) ? Float(0) : 1 }
    let taken = outliers.flatMap { rows[$0 * columns..<($0 + 1) * columns] }
    var change = GraphChange(rule: name, covers: [product.node])
    let masked = change.node(
      "Mul", [.existing(product.data), change.constant(try Tensor.of(mask, .float, shape: [mask.count]))], covers: [])
    let main = change.node("MatMul", [masked, .existing(product.weights)], name: node.name)
    let few = change.node(
      "Gather", [.existing(product.data), change.constant(try .ints(outliers))],
      [NamedAttribute("axis", .int(Int64(rank - 1)))], covers: [])
    let rest = change.node(
      "MatMul", [few, change.constant(try Tensor.of(taken, .float, shape: [outliers.count, columns]))], covers: [])
    change.replace(output, with: change.node("Add", [main, rest], covers: []))
    let made = try context.apply(change).added.filter { context.graph[$0].is("MatMul") }
    if made.count == 2, let value = context.graph[made[1]].output(0) {
      journal?.note(context.graph[value].name)
    }
  }
}

/// Takes down the products of outliers: they are to stay float.
public final class OutlierJournal: Sendable {
  private let names = Mutex<[String]>([])

  public init() {}
  /// By the name of the value that each makes.
  public var results: [String] { names.withLock { $0 } }
  func note(_ result: String) { names.withLock { $0.append(result) } }
}
