import PassKit

/// The one ordered list of passes.
public enum Pipelines {
  /// Clean-up and canonical forms: run to a fixed point, before and after the fusions.
  private static func cleanup(isLast: Bool = true) -> [any Pass] {
    [
      InlineFunctions(), EliminateDeadNodes(), ResolveCastLike.pass, StandardizeQuantization.pass, FoldConstants(),
      FoldComputedShapes.pass, DropBroadcasts.pass,
      EliminateIdentity.pass, InlineConstantIf.pass, MergeEqualBranches.pass, UnrollLoops.pass, HoistInvariants.pass,
      MergeReshapes.pass, MergeTransposes.pass, LiftTransposes.pass, CancelTransposes.pass,
      LowerEinsum.pass,
      LiftSoftmax.pass,
      SimplifyArithmetic.pass, SimplifyLogic.pass, MergeCasts.pass, MergeSlices.pass, MergePads.pass,
      FlattenConcats.pass, DropReducedAxes.pass, CancelQuantization.pass,
      EliminateCommonSubexpressions(comparesLarge: isLast),
    ]
  }

  private static var fusions: [any Pass] {
    [
      ExpandMicrosoft.pass,
      // Respellings that later patterns count on, then what is computed element by element.
      FuseReduction.pass, FuseLogSoftmax.pass, FuseSigmoid.pass, FuseTanh.pass, FuseSoftplus.pass, MergeClips.pass,
      FuseRelu.pass, FuseGelu.pass, FuseHardSwish.pass, FuseHardSigmoid.pass, FuseSwish.pass, FuseMish.pass,
      FuseSoftsign.pass, FuseElu.pass, FuseLeakyRelu.pass, FusePRelu.pass, FuseThresholdedRelu.pass,
      // Normalizations.
      FuseLayerNormalization.pass, FuseRMSNormalization.pass, FuseInstanceNormalization.pass,
      FuseGroupNormalization.pass, FuseChannelNormalization.pass, FuseLpNormalization.pass,
      FuseRotaryEmbedding.pass, FuseSoftmax.pass, FuseAttention.pass, AbsorbScale.pass, ReduceMask.pass,
      ShareKeyHeads.pass, AbsorbCache.pass,
      FuseSwiGLU.pass,
      // Into products.
      FusePad.pass, FuseConvScale.pass, FuseMatMulScale.pass, FuseGemmTranspose.pass,
      FuseMatMulBias.pass,
      // Integers.
      UseUnsignedQuantization.pass, MoveQuantization.pass, DropQuantizedClamp.pass,
      SimplifyPowers.pass, MergeScalars.pass,
    ]
  }

  /// What one fusion leaves behind and the next would stumble over.
  private static var tidying: [any Pass] { [MergeReshapes.pass, MergeTransposes.pass] }

  /// How products and parts of values are cut, once the fusions have seen the exporter's spelling.
  private static var structure: [any Pass] {
    [
      FuseSpaceToDepth.pass, FuseDepthToSpace.pass, FormSplits.pass, LiftSplits.pass, MergeProducts.pass,
      FoldTransposes.pass,
    ]
  }

  /// What needs the fusions and a clean-up behind it.
  private static var layout: [any Pass] { [PackHeads.pass] }

  /// What `--target ort` writes in com.microsoft's operators, once nothing is left to fuse.
  private static var microsoft: [any Pass] {
    [
      FuseQuantizedOperators.pass, FuseQuantizedProducts.pass,
      FuseMicrosoftConv.pass, FuseMicrosoftGemm.pass, FuseMicrosoftMatMul.pass, FuseMicrosoftGelu.pass,
      FuseEmbedLayerNormalization.pass, FuseSkipNormalization.pass, FuseDynamicQuantizeMatMul.pass,
      FuseMatMulNBits.pass, UseMultiHeadAttention.pass,
    ]
  }

  /// What takes apart again what the output may not hold: after everything else.
  private static var legalization: [any Pass] { [LegalizeActivations.pass, StateAttentionTypes.pass] }

  private static var machine: [any Pass] {
    [
      FuseBlockMatMul.pass, GatherQuantizedRows.pass, FuseEpilogue.pass, FuseResidual.pass, PackAttention.pass,
      JoinBlockMatMuls.pass,
    ]
  }

  /// How images lie in memory, and what that leaves to fold and to merge.
  private static var images: [any Pass] { [UseChannelsLast.pass] }
  private static var imageTidying: [any Pass] {
    [
      EliminateDeadNodes(), FoldConstants(), EliminateIdentity.pass, MergeReshapes.pass, MergeTransposes.pass,
      DropReducedAxes.pass,
      EliminateCommonSubexpressions(comparesLarge: false),
    ]
  }

  /// What lies between products moves as integers, once images lie as they will.
  private static var movement: [any Pass] { [NarrowMovement.pass, MoveQuantization.pass, CancelQuantization.pass] }

  /// What multiplies integers, once it is settled what goes into a product's epilogue and how images lie.
  private static var integers: [any Pass] {
    [UseIntegerProducts.pass, UseDynamicProducts.pass, UseFloat8Products.pass]
  }

  /// What takes the nodes that no other form has taken.
  private static var programs: [any Pass] { [FuseElementwise(), ExplainQuantization.pass] }

  /// What only runs when it is asked for by name, after everything else.
  private static var requested: [any Pass] { [ExpandOperators()] }

  /// Every pass once, in the order in which it first runs.
  public static var all: [any Pass] { all(with: []) }

  /// The stages of the default pipeline. Which passes are active is the options' matter.
  public static var stages: [PassManager.Stage] { stages(with: []) }

  /// Every pass once, those of plugins among them, in the order in which it first runs.
  public static func all(with placed: [PlacedPass]) -> [any Pass] {
    let own: [PassPlace: [any Pass]] = [
      .cleanup: cleanup(), .fusions: fusions + structure + layout,
      .machine: microsoft + machine + images + [NarrowMovement.pass] + integers,
    ]
    return PassPlace.allCases.flatMap { (own[$0] ?? []) + passes(placed, at: $0) } + legalization + programs + requested
  }

  /// The stages with plugins' passes in their places.
  public static func stages(with placed: [PlacedPass]) -> [PassManager.Stage] {
    let first = cleanup(isLast: false) + passes(placed, at: .cleanup)
    let cleanup = cleanup() + passes(placed, at: .cleanup)
    return [
      PassManager.Stage(first, rounds: 8), PassManager.Stage(passes(placed, at: .beforeFusions), rounds: 4),
      PassManager.Stage(fusions + passes(placed, at: .fusions) + tidying, rounds: 4),
      PassManager.Stage(cleanup, rounds: 4), PassManager.Stage(structure + [FuseMatMulScale.pass], rounds: 4),
      PassManager.Stage(cleanup, rounds: 4),
      PassManager.Stage(layout), PassManager.Stage(cleanup, rounds: 4), PassManager.Stage(microsoft, rounds: 4),
      PassManager.Stage(machine + passes(placed, at: .machine), rounds: 2),
      PassManager.Stage(images + imageTidying, rounds: 2), PassManager.Stage(movement, rounds: 4),
      // Weights that an integer product read and a float one still reads are floats now.
      PassManager.Stage(integers + [FoldConstants()], rounds: 2),
      PassManager.Stage(passes(placed, at: .last), rounds: 4), PassManager.Stage(legalization),
      PassManager.Stage(programs),
      PassManager.Stage(requested),
      PassManager.Stage([EliminateDeadNodes()]),
    ]
  }

  /// The stage in which a built-in pass runs, in words.
  public static func stageName(of name: String) -> String? {
    let stages: [(name: String, passes: [any Pass])] = [
      ("clean-up, before and after the fusions", cleanup()), ("fusions", fusions), ("structure", structure),
      ("layout", layout), ("com.microsoft", microsoft), ("machine", machine), ("image layout", images),
      ("integers", [NarrowMovement.pass] + integers),
      ("legalization", legalization),
      ("programs", programs), ("only with --enable", requested),
    ]
    return stages.first { $0.passes.contains { $0.name == name } }?.name
  }

  private static func passes(_ placed: [PlacedPass], at place: PassPlace) -> [any Pass] {
    placed.filter { $0.place == place }.map(\.pass)
  }

  public static func pass(named name: String) -> (any Pass)? { all.first { $0.name == name } }
}
