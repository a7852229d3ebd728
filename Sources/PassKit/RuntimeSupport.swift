public import GraphIR

/// Cheap element-wise operators that passes make whatever may be written: LegalizeActivations takes apart what may not.
public enum RuntimeSupport {
  static let expandable: Set<String> = ["Swish", "SwiGLU", "Mish", "HardSwish"]

  public static func isExpandable(_ name: OperatorName) -> Bool {
    name.domain.isEmpty && expandable.contains(name.name)
  }
}

extension PassContext {
  /// True where the result may hold the standard operator `name`, first published in `opset`: the output's opset allows it, and
  /// the runtimes that the target names neither expand it nor take longer for it than for what it is made of
  /// (`RuntimeOperators`), or the caller prefers it nevertheless. What runs here may hold all.
  public func mayKeep(_ name: String, opset: Int) -> Bool {
    if options.level >= 3 { return true }
    guard mayEmit(opset: opset) else { return false }
    if options.prefersStandard || options.target == .cameo { return true }
    return !RuntimeOperators.expanded.contains(name) && RuntimeOperators.slower[name] == nil
  }
}
