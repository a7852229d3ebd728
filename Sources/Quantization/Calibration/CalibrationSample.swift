public import Tensors

/// One run's inputs.
public struct CalibrationSample: Sendable {
  /// Where it is from, for messages: "file samples/7.npz".
  public let name: String
  /// By the names of the model's inputs.
  public let inputs: [String: Value]
  /// Arrays of its file that are no input (labels).
  public let others: [String: Tensor]

  public init(name: String, inputs: [String: Value], others: [String: Tensor] = [:]) {
    self.name = name
    self.inputs = inputs
    self.others = others
  }
}
