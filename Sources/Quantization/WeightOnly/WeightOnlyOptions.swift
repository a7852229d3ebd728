public import GraphIR
import Tensors

/// How weights find their codes.
public enum WeightAlgorithm: String, Sendable, CaseIterable {
  /// The nearest code in blocks that cover their numbers, or, with `searchesClipping`, in those with the least squared
  /// error.
  case roundToNearest = "rtn"
  /// `HalfQuadratic`: affine integers only.
  case hqq
  /// `ActivationScaling`, then the nearest codes in blocks with the least error weighted by the inputs' mean squares.
  case awq
  /// `OptimalRounding`.
  case gptq
  /// AWQ's scaling, then GPTQ's rounding.
  case awqGPTQ = "awq+gptq"

  /// True where activations must have been observed.
  public var needsActivations: Bool { self == .awq || self == .gptq || self == .awqGPTQ }
  var scales: Bool { self == .awq || self == .awqGPTQ }
  var roundsInTurn: Bool { self == .gptq || self == .awqGPTQ }
}

/// What `WeightOnlyQuantizer` does.
public struct WeightOnlyOptions: Sendable {
  /// What happens to one node's weight.
  public enum Choice: Sendable, Hashable {
    case keep
    case format(WeightFormat)
  }

  /// Of the right operands of MatMul and Gemm.
  public var format: WeightFormat
  /// Of tables that Gather takes rows from; nil: they stay as they are. Always rounded to nearest.
  public var embeddingFormat: WeightFormat?
  public var algorithm = WeightAlgorithm.roundToNearest
  /// Round-to-nearest looks for the blocks with the least squared error; HQQ has its own rule, the others always look.
  public var searchesClipping = false
  /// GPTQ: what is added to the diagonal of X^T X, as a fraction of its mean.
  public var damping = 0.01
  /// GPTQ: inputs in descending order of their mean square.
  public var ordersByActivation = true
  /// Weights with fewer numbers stay as they are.
  public var minimumElements = 4096
  /// By node: another format, or none. Node ids are those of the graph that the pass is run on.
  public var overrides: [NodeID: Choice] = [:]

  public init(_ format: WeightFormat) { self.format = format }

  func choice(_ site: WeightSite) -> Choice {
    if let choice = overrides[site.node] { return choice }
    switch site.kind {
    case .product: return .format(format)
    case .embedding: return embeddingFormat.map { .format($0) } ?? .keep
    }
  }

  /// Throws where the algorithm cannot make the format.
  func check() throws {
    guard damping >= 0, damping.isFinite else { throw CameoError.badInput("damping is \(damping)") }
    guard algorithm == .hqq else { return }
    let formats =
      [format]
      + overrides.values.compactMap { choice in
        if case .format(let format) = choice { return format }
        return nil
      }
    for format in formats where format.scheme != .affine {
      throw CameoError.unsupported("hqq looks for zero points, \(format.text) has none: choose an affine format")
    }
  }
}

/// What became of one weight.
public struct QuantizedWeight: Sendable {
  /// The node that reads it.
  public let node: NodeID
  /// As messages name it.
  public let label: String
  public let format: WeightFormat
  /// Output channels (or rows of a table) and numbers in each.
  public let rows: Int
  public let depth: Int
  public let bytesBefore: Int
  /// Codes, scales and zero points.
  public let bytesAfter: Int
  /// 10 log10(sum w^2 / sum (w - w')^2), w in the form that was rounded (behind AWQ's scaling).
  public let signalToNoise: Double
  /// The mean square of the output's error over that of the output, from the observed activations; nil without any.
  public let relativeOutputError: Double?
}

/// Takes down what a quantizer did; a pass has no other result than the graph.
public final class WeightOnlyJournal: Sendable {
  private let list = Mutex<[QuantizedWeight]>([])

  public init() {}
  /// In the order of the graph.
  public var weights: [QuantizedWeight] { list.withLock { $0 } }
  func note(_ weight: QuantizedWeight) { list.withLock { $0.append(weight) } }
}
