public import GraphIR

/// Watches every change that passes make, and may refuse it: how a rewrite is checked on numbers where it happens.
///
/// Calls come in this order: `willRun`, any number of `check`, then `didRun`; between passes `didCompact`.
public protocol ChangeAuditor: AnyObject {
  /// A pass begins.
  func willRun(_ pass: String)
  /// A change has been made. `edited` are nodes that were changed in place. Throwing rolls the whole pass back.
  func check(_ graph: Graph, rule: String, _ change: AppliedChange, edited: [NodeID]) throws
  /// The pass is done; where it was rolled back, all values that it made are gone.
  func didRun(_ pass: String, rolledBack: Bool)
  /// Values have new indices: by the old one, -1 for those that are gone.
  func didCompact(_ renumbering: [Int32])
}
