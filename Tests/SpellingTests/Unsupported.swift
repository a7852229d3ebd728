import SpellingSupport

/// What the fusions do not see through yet: this list has to become empty. A line says family, expectation, and the axis values with
/// which it may be missed. Wrong numbers, errors and what was fused though it must not be are never excused.
enum Unsupported {
  private static let lines = """
    attention scale scale=beforeSplit
    attention keyHeads heads=gqaExpand
    attention keyHeads heads=gqaTile
    attention keyHeads heads=gqaConcat
    attention keyHeads heads=gqaGather
    attention keyHeads heads=mqaExpand
    attention past cache=concat
    attention RotaryEmbedding rope=halfSlice
    attention RotaryEmbedding rope=halfSplit
    attention RotaryEmbedding rope=halves
    attention RotaryEmbedding rope=interleavedPairs
    attention RotaryEmbedding rope=interleavedSlice
    attention RotaryEmbedding rope=partial
    attention RotaryEmbedding rope=partialHalves
    attention keyHeads heads=mqaBroadcast
    rope RotaryEmbedding
    norm LayerNormalization root=divPowHalf
    norm LayerNormalization layerForm=moments
    norm RMSNormalization root=divPowHalf
    activation Mish
    activation Swish
    activation SwiGLU
    activation Gelu half=spread
    activation Gelu tanhForm=factored
    activation Gelu type=float16
    activation HardSwish hardForm=relu6
    groupnorm InstanceNormalization form=reduced
    groupnorm InstanceNormalization form=layerOfFlat
    batchnorm folded product=gemm
    batchnorm folded product=matMul
    break-attention silent flaw=headOrder
    break-attention silent flaw=pastLast
    break-attention silent flaw=pastValueLast
    break-attention silent flaw=valueHeadOrder
    break-rope silent
    break-norm silent
    break-activation silent
    break-batchnorm silent flaw=padding
    break-batchnorm silent flaw=spatial
    batchnorm folded order=before
    """.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }

  /// Expectations that hang on an Attention being there.
  private static let parts: Set<String> = ["scale", "noMask", "causal", "past", "keyHeads", "softcap"]

  /// The failures that no line excuses.
  static func unexcused(_ spelling: Spelling, _ outcome: SpellingOutcome) -> [SpellingOutcome.Failure] {
    let lacksAttention = outcome.failures.contains { $0.item == "Attention" }
    let names = Set(spelling.expectations.map(\.name)).union(["silent"])
    return outcome.failures.filter { failure in
      if lacksAttention && parts.contains(failure.item) { return false }
      guard names.contains(failure.item) else { return true }
      return !lines.contains { line in
        line[0] == spelling.family && line[1] == failure.item
          && line.dropFirst(2).allSatisfy { pair in
            spelling.axes.contains { "\($0.axis)=\($0.value)" == pair }
          }
      }
    }
  }
}
