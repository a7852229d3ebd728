public import PassKit
public import Tensors
import TestSupport

/// One drawn model: the file's bytes, inputs for it, and what the optimizer owes it.
public struct Spelling: Sendable {
  /// Something that the optimized graph must show.
  public struct Expectation: Sendable {
    public enum Kind: Sendable {
      /// `count` nodes of the operator, or as many fusions that made one (cheap ones may be expanded again for the target).
      case operators(String, Int)
      /// Attention nodes have is_causal and no mask.
      case causal
      /// Attention nodes take past_key and past_value.
      case past
      /// Attention nodes read keys of this many heads.
      case keyHeads(Int)
      /// Attention nodes have no mask.
      case noMask
      /// Attention nodes take nonpad_kv_seqlen and no mask.
      case lengths
      /// Attention nodes hand on their scores in this mode.
      case scores(Int)
      /// Attention nodes have this softcap.
      case softcap(Float)
      /// Attention nodes have this scale, stated or by default.
      case scale(Float)
      /// None of these operators is left.
      case gone([String])
      /// No fusion made the operator, and a near miss's sentence has one of the fragments.
      case refused(String, [String])
      /// Whatever gives the same numbers: more than one form is right.
      case anything
      /// All of these operators are left, and a near miss's sentence has one of the fragments.
      case kept([String], [String])
      /// Attention nodes, if any, are without is_causal; likewise a near miss says so.
      case notCausal([String])
      /// Attention nodes, if any, take no past.
      case noPast([String])
      /// Attention nodes, if any, keep their mask.
      case masked([String])
      /// Attention nodes, if any, take their heads in front of the length.
      case headsFirst([String])
      /// Attention nodes, if any, read keys of all the heads.
      case allHeads(Int, [String])
      /// Nothing of it as long as a row might have no allowed key, and a near miss's sentence has one of the fragments: the
      /// numbers of such a row would differ. With `--assume no-empty-rows` all of it.
      case assuming([Expectation], [String])

      /// What a near miss has to say one of.
      var sentences: [String] {
        switch self {
        case .refused(_, let list), .kept(_, let list), .allHeads(_, let list), .assuming(_, let list): list
        case .notCausal(let list), .noPast(let list), .masked(let list), .headsFirst(let list): list
        default: []
        }
      }
    }
    public let name: String
    public let kind: Kind

    init(_ name: String, _ kind: Kind) {
      self.name = name
      self.kind = kind
    }
  }

  public let family: String
  public let seed: UInt64
  public let axes: [(axis: String, value: String)]
  public let bytes: [UInt8]
  public let inputs: [(name: String, tensor: Tensor)]
  public let expectations: [Expectation]
  /// Of max|a|.
  public let tolerance: Double
  /// Of the output, where it is not the optimizer's own choice.
  public let maximumOpset: Int?
  public let target: OptimizationOptions.Target?

  public func value(_ axis: String) -> String? { axes.first { $0.axis == axis }?.value }
}

/// The families and how each is drawn.
public enum Spellings {
  public static let families = ["attention", "block", "rope", "norm", "activation", "groupnorm", "batchnorm"]
  public static let breakers = [
    "break-attention", "break-rope", "break-norm", "break-activation", "break-batchnorm",
  ]

  /// A flaw of a breaker and what a near miss has to say one of, `*` for what varies.
  public struct FlawName: Sendable, CustomStringConvertible {
    public let family: String
    public let name: String
    public let sentences: [String]

    public var description: String { "\(family) \(name)" }
  }

  /// All flaws; `forced: ["flaw": name]` draws one.
  public static let flaws: [FlawName] = [
    ("break-attention", Breakers.attentionFlaws), ("break-rope", Breakers.ropeFlaws),
    ("break-norm", Breakers.normFlaws),
    ("break-activation", Breakers.activationFlaws), ("break-batchnorm", Breakers.batchNormFlaws),
  ].flatMap { family, flaws in
    flaws.map { FlawName(family: family, name: $0.name, sentences: $0.expectation.sentences) }
  }

  /// The model of a seed; nil where a forced axis value does not fit the rest of what the seed draws.
  public static func make(
    _ family: String, seed: UInt64, forced: [String: String] = [:], plain: Int = 0
  ) throws -> Spelling? {
    let draw = Draw(seed: seed, family: family, forced: forced, plain: plain)
    do {
      let (writer, expectations) = try build(family, draw)
      // An axis that this seed never asked for cannot be forced.
      let drawn = Set(writer.draw.values.map(\.axis))
      guard forced.keys.allSatisfy(drawn.contains) else { return nil }
      return Spelling(
        family: family, seed: seed, axes: writer.draw.values, bytes: writer.bytes, inputs: writer.feeds,
        expectations: expectations, tolerance: writer.tolerance,
        maximumOpset: writer.maximumOpset,
        target: writer.target)
    } catch is Draw.DoesNotFit {
      return nil
    }
  }

  private static func build(
    _ family: String, _ draw: Draw
  ) throws -> (GraphWriter, [Spelling.Expectation]) {
    switch family {
    case "attention": try AttentionSpelling.make(draw)
    case "block": try BlockSpelling.make(draw)
    case "rope": try RopeSpelling.make(draw)
    case "norm": try NormSpelling.make(draw)
    case "activation": try ActivationSpelling.make(draw)
    case "groupnorm": try GroupNormSpelling.make(draw)
    case "batchnorm": try BatchNormSpelling.make(draw)
    case "break-attention": try Breakers.attention(draw)
    case "break-rope": try Breakers.rope(draw)
    case "break-norm": try Breakers.norm(draw)
    case "break-activation": try Breakers.activation(draw)
    case "break-batchnorm": try Breakers.batchNorm(draw)
    default: throw CameoError.badInput("no family \(family); there are \(families + breakers)")
    }
  }
}

extension Spellings {
  /// A TensorProto, as the ONNX backend's test data has them.
  public static func proto(_ tensor: Tensor, name: String) -> [UInt8] { Wire.tensor(tensor, name: name).bytes }
}
