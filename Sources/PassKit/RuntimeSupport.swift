public import GraphIR

/// What known runtimes do with operators of the standard: the one place for it. Measured with ONNX Runtime 1.31.1 on the CPU.
public enum RuntimeSupport {
  /// Operators without a kernel there: such a runtime replaces them by their function's nodes every time it loads the file, and the
  /// nodes take longer than the shortest spelling (Swish 3.0 times that of Mul and Sigmoid). HardSwish and Mish have no kernel
  /// either, but their functions are that spelling (1.01 and 0.92), so they may stay.
  static let expanded: Set<String> = [
    "Swish", "SwiGLU", "Celu", "GroupNormalization", "CausalConvWithState", "LinearAttention", "CastLike", "CenterCropPad",
    "MeanVarianceNormalization",
  ]

  /// Cheap element-wise operators that passes make whatever may be written: LegalizeActivations takes apart what may not.
  static let expandable: Set<String> = ["Swish", "SwiGLU", "Mish", "HardSwish"]

  public static func isExpandable(_ name: OperatorName) -> Bool {
    name.domain.isEmpty && expandable.contains(name.name)
  }
}

extension PassContext {
  /// True where the result may hold the standard operator `name`, first published in `opset`: the output's opset allows it, and
  /// the runtimes that the target names do not expand it (or the caller prefers it nevertheless). What runs here may hold all.
  public func mayKeep(_ name: String, opset: Int) -> Bool {
    if options.level >= 3 { return true }
    guard mayEmit(opset: opset) else { return false }
    return options.prefersStandard || options.target == .cameo || !RuntimeSupport.expanded.contains(name)
  }
}
