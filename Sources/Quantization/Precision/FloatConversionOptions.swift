public import GraphIR
import Operators
public import Tensors

/// What `FloatConversion` does.
public struct FloatConversionOptions: Sendable {
  public enum Overflow: String, Sendable, CaseIterable {
    /// A node that reads a constant beyond the type's range stays in float32, and so does what its result flows
    /// through.
    case keep
    /// The constant becomes the greatest finite number; infinities stay.
    case clamp
  }

  /// float16 or bfloat16.
  public let type: DataType
  /// Inputs and outputs of the model stay float32, with Casts; else they take the type.
  public var keepsPorts = true
  public var overflow = Overflow.keep
  /// Operators that stay in float32: `Softmax`, `com.microsoft.BiasSoftmax`.
  public var keptOperators = FloatConversionOptions.sensitive
  /// Nodes that stay in float32, by their ids in the graph that the pass is run on.
  public var keptNodes: Set<NodeID> = []
  /// Why nodes of `keptNodes` stay, for the journal; the others are kept as asked.
  public var reasons: [NodeID: String] = [:]
  /// Element-wise nodes and movements of data that are converted although nothing that they read is narrow: to see what
  /// they alone cost.
  public var leadingNodes: Set<NodeID> = []
  /// A constant of which more than this share of the numbers other than 0 would become 0 keeps its node in float32.
  public var greatestUnderflow = 0.01

  /// What loses too much by default: sums and means of many numbers, exponentials and powers with the steps of
  /// decomposed normalizations among them, angles and positions, losses, randomness, and what chooses by small
  /// differences.
  public static let sensitive: Set<String> = [
    "CumProd", "CumSum", "Exp", "Log", "LogSoftmax", "Pow", "Softmax", "Softplus", "ReduceL1", "ReduceL2",
    "ReduceLogSum", "ReduceLogSumExp", "ReduceMean", "ReduceProd", "ReduceSum", "ReduceSumSquare",
    "InstanceNormalization", "LpNormalization", "MeanVarianceNormalization", "LRN", "Hardmax", "Acos", "Acosh",
    "Asin", "Asinh", "Atan", "Atanh", "Cos", "Cosh", "Sin", "Sinh", "Tan", "Range", "DFT", "STFT",
    "MelWeightMatrix", "Det", "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss", "Multinomial", "Bernoulli",
    "RandomNormalLike", "RandomUniformLike", "NonMaxSuppression", "TopK", "ArgMax", "ArgMin", "GridSample",
    "AffineGrid", "RoiAlign", "QuantizeLinear", "DynamicQuantizeLinear",
  ]

  /// Throws `.unsupported` for other types.
  public init(_ type: DataType) throws {
    guard type == .float16 || type == .bfloat16 else {
      throw CameoError.unsupported("a model in \(type): float16 and bfloat16 are there")
    }
    self.type = type
  }
}

/// What became of the numbers of one constant.
public struct ConvertedConstant: Sendable, Hashable {
  public let name: String
  public let elements: Int
  /// Finite numbers beyond the type's range.
  public let overflowing: Int
  /// Numbers other than 0 that become 0.
  public let underflowing: Int
  /// True where it was converted, overflowing numbers clamped; false where its nodes stay float32 for its sake.
  public let isConverted: Bool
}

/// A node that computes in the narrower type.
public struct ConvertedNode: Sendable, Hashable {
  /// In the graph that the pass was run on.
  public let id: NodeID
  /// An element-wise operator or movement of data, converted because what it reads is narrow.
  public let follows: Bool
}

/// Takes down what a conversion did.
public final class FloatConversionJournal: Sendable {
  private struct State {
    var converted: [ConvertedNode] = []
    var constants: [ConvertedConstant] = []
    var kept: [(node: String, reason: String)] = []
  }

  private let state = Mutex(State())

  public init() {}
  /// Nodes that compute in the narrower type now.
  public var convertedNodes: Int { converted.count }
  /// The same, in the graph's order.
  public var converted: [ConvertedNode] { state.withLock { $0.converted } }
  /// Constants with numbers that overflow or underflow.
  public var constants: [ConvertedConstant] { state.withLock { $0.constants } }
  /// Nodes of floats that stay in float32, and why.
  public var keptNodes: [(node: String, reason: String)] { state.withLock { $0.kept } }

  func note(_ node: ConvertedNode) { state.withLock { $0.converted.append(node) } }
  func note(_ constant: ConvertedConstant) { state.withLock { $0.constants.append(constant) } }
  func note(kept node: String, _ reason: String) { state.withLock { $0.kept.append((node, reason)) } }
}
