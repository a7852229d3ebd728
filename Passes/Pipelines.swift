import PassKit

/// The one ordered list of passes.
public enum Pipelines {
  /// Clean-up and canonical forms: run to a fixed point, before and after the fusions.
  private static var cleanup: [any Pass] {
    [
      InlineFunctions(), EliminateDeadNodes(), ResolveCastLike.pass, StandardizeQuantization.pass, FoldConstants(),
      FoldComputedShapes.pass,
      EliminateIdentity.pass, InlineConstantIf.pass, MergeReshapes.pass, MergeTransposes.pass, LiftTransposes.pass,
      LowerEinsum.pass,
      LiftSoftmax.pass,
      EliminateCommonSubexpressions(),
    ]
  }

  private static var fusions: [any Pass] {
    [
      ExpandMicrosoft.pass, FuseGelu.pass, FuseHardSwish.pass, FuseNormalization.layer, FuseNormalization.rms,
      FuseRotaryEmbedding.pass, FuseSoftmax.pass, FuseAttention.pass, ReduceMask.pass, ShareKeyHeads.pass,
      AbsorbCache.pass,
      FusePad.pass, FuseConvScale.pass,
      FuseMatMulBias.pass,
    ]
  }

  /// Takes what the fusions moved out of the way of the next round of fusions.
  private static var movement: [any Pass] { [MergeReshapes.pass, MergeTransposes.pass] }

  /// What needs the fusions and a clean-up behind it.
  private static var layout: [any Pass] { [PackHeads.pass] }

  /// What `--target ort` writes in com.microsoft's operators, once nothing is left to fuse.
  private static var microsoft: [any Pass] {
    [
      FuseMicrosoftConv.pass, FuseMicrosoftGemm.pass, FuseMicrosoftMatMul.pass, FuseMicrosoftGelu.pass,
      FuseSkipNormalization.pass, FuseDynamicQuantizeMatMul.pass, FuseMatMulNBits.pass, UseMultiHeadAttention.pass,
    ]
  }

  private static var machine: [any Pass] { [FuseEpilogue.pass] }

  /// What takes the nodes that no other form has taken.
  private static var programs: [any Pass] { [FuseElementwise()] }

  /// What only runs when it is asked for by name, after everything else.
  private static var requested: [any Pass] { [ExpandOperators()] }

  /// Every pass once, in the order in which it first runs.
  public static var all: [any Pass] { all(with: []) }

  /// The stages of the default pipeline. Which passes are active is the options' matter.
  public static var stages: [PassManager.Stage] { stages(with: []) }

  /// Every pass once, those of plugins among them, in the order in which it first runs.
  public static func all(with placed: [PlacedPass]) -> [any Pass] {
    let own: [PassPlace: [any Pass]] = [
      .cleanup: cleanup, .fusions: fusions + layout, .machine: microsoft + machine,
    ]
    return PassPlace.allCases.flatMap { (own[$0] ?? []) + passes(placed, at: $0) } + programs + requested
  }

  /// The stages with plugins' passes in their places.
  public static func stages(with placed: [PlacedPass]) -> [PassManager.Stage] {
    let cleanup = cleanup + passes(placed, at: .cleanup)
    return [
      PassManager.Stage(cleanup, rounds: 8), PassManager.Stage(passes(placed, at: .beforeFusions), rounds: 4),
      PassManager.Stage(fusions + passes(placed, at: .fusions) + movement, rounds: 4),
      PassManager.Stage(cleanup, rounds: 4),
      PassManager.Stage(layout), PassManager.Stage(cleanup, rounds: 4), PassManager.Stage(microsoft, rounds: 4),
      PassManager.Stage(machine + passes(placed, at: .machine), rounds: 2),
      PassManager.Stage(passes(placed, at: .last), rounds: 4), PassManager.Stage(programs),
      PassManager.Stage(requested),
      PassManager.Stage([EliminateDeadNodes()]),
    ]
  }

  private static func passes(_ placed: [PlacedPass], at place: PassPlace) -> [any Pass] {
    placed.filter { $0.place == place }.map(\.pass)
  }

  public static func pass(named name: String) -> (any Pass)? { all.first { $0.name == name } }
}
