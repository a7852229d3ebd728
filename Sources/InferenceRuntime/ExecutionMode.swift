/// How much preparing may cost for faster runs. Only devices tell modes apart.
public enum ExecutionMode: String, Sendable, CaseIterable {
  /// Kernels by heuristics, put into the device's queue one by one.
  case standard = "default"
  /// What a device does between two steps of the host is recorded once for each plan (for CUDA, a graph) and then started as a whole: a
  /// launch costs next to nothing. The plan's memory stays taken.
  case reduceOverhead = "reduce-overhead"
  /// The same, and kernels and algorithms are chosen by timing them.
  case maxAutotune = "max-autotune"

  public var recordsRuns: Bool { self != .standard }
  public var timesKernels: Bool { self == .maxAutotune }
}
