import PassKit

/// The one ordered list of passes.
public enum Pipelines {
  /// Clean-up and canonical forms: run to a fixed point, before and after the fusions.
  private static var cleanup: [any Pass] {
    [
      InlineFunctions(), EliminateDeadNodes(), ResolveCastLike.pass, FoldConstants(), FoldComputedShapes.pass,
      EliminateIdentity.pass, InlineConstantIf.pass, MergeReshapes.pass, MergeTransposes.pass, LiftTransposes.pass,
      LiftSoftmax.pass,
      EliminateCommonSubexpressions(),
    ]
  }

  private static var fusions: [any Pass] {
    [
      FuseGelu.pass, FuseHardSwish.pass, FuseNormalization.layer, FuseNormalization.rms, FuseAttention.pass,
      FusePad.pass, FuseConvScale.pass,
      FuseMatMulBias.pass,
    ]
  }

  private static var machine: [any Pass] { [FuseEpilogue.pass] }

  /// What only runs when it is asked for by name, after everything else.
  private static var requested: [any Pass] { [ExpandOperators()] }

  /// Every pass once, in the order in which it first runs.
  public static var all: [any Pass] { cleanup + fusions + machine + requested }

  /// The stages of the default pipeline. Which passes are active is the options' matter.
  public static var stages: [PassManager.Stage] {
    [
      PassManager.Stage(cleanup, rounds: 8), PassManager.Stage(fusions, rounds: 4),
      PassManager.Stage(cleanup, rounds: 4), PassManager.Stage(machine, rounds: 2), PassManager.Stage(requested),
      PassManager.Stage([EliminateDeadNodes()]),
    ]
  }

  public static func pass(named name: String) -> (any Pass)? { all.first { $0.name == name } }
}
