public import Tensors

/// How static quantization turns floats into integers.
public struct StaticQuantizationOptions: Sendable {
  /// Which values between two products are kept as integers.
  public enum Intermediate: String, Sendable, CaseIterable {
    /// Those that products read, and images between convolutions.
    case needed
    /// Also every product's own result, as runtimes that match node by node want it (QLinearConv, QLinearMatMul).
    case all
  }

  /// uint8, int8, uint16 or int16.
  public var activations = DataType.uint8
  /// int8, uint8, int4 or uint4.
  public var weights = DataType.int8
  /// One scale for each output channel; else one for a tensor.
  public var isPerChannel = true
  /// Zero points in the middle of the type for activations, too (the weights' are whenever their type is signed).
  public var isSymmetric = false
  public var intermediate = Intermediate.needed
  /// Nodes, by name, and operators, by type, that stay float.
  public var excluded: Set<String> = []
  /// Products that stay float, by the name of the value that they make, each with the reason that the report gives.
  public var kept: [String: String] = [:]

  public init() {}
}
