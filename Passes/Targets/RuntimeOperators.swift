// Written by Tools/measure-operators; its whole table is docs/runtime-operators.md.

/// What was measured of the runtimes that read the files `--target onnx` and `--target ort` write.
public enum RuntimeOperators {
  /// Operators of the standard, opset 24 and below, that ONNX Runtime 1.31.1 has no kernel for on the CPU: it writes
  /// them out as their function bodies, as the comment says. A file for it holds what those are better made of.
  public static let expanded: Set<String> = [
    "GroupNormalization",  // 29 nodes
    "HardSwish",  // HardSigmoid, Mul
    "Mish",  // Softplus, Tanh, Mul
    "Swish",  // Cast, Mul x2, Sigmoid
  ]

  /// Operators that it has a kernel for which takes longer than the same computation in others, and how many times as long.
  public static let slower: [String: Double] = [
    "Celu": 3.5,
    "Elu": 2.6,
    "GlobalAveragePool": 2.0,
    "PRelu": 8.3,
    "ReduceL1": 3.2,
    "ReduceL2": 3.1,
    "ReduceLogSum": 7.3,
    "ReduceLogSumExp": 22.9,
    "ReduceSumSquare": 3.0,
    "Selu": 1.8,
    "Shrink": 11.0,
    "Softplus": 5.8,
  ]
}
