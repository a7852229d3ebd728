/// How a model is written.
public struct ExportOptions: Sendable {
  public enum ExternalData: Sendable, Hashable {
    /// Inline while the file stays below 1.9 GiB (protobuf's limit is 2), else beside it.
    case automatic
    case inline
    /// Tensors of 1 KiB and more go to `NAME.data` beside the model.
    case beside
  }

  /// The opset of the standard domain. nil: the source's, raised only where a node cannot be said in it, and never above
  /// `opsetLimit` (or the source's own) so: operators that came later become their function bodies.
  public var opset: Int?
  /// How far the opset is raised unasked.
  public var opsetLimit = ONNXExporter.defaultOpsetLimit
  public var externalData = ExternalData.automatic
  /// Lowers every node from the dialect, even those that could be written as they came.
  public var discardSourceForms = false
  /// Writes the names of the source nodes that a new node stands for into its metadata (`cameo.origins`, one a line), where
  /// the IR version has metadata of nodes (10).
  public var writeProvenance = true

  public init() {}

  public init(opset: Int?) { self.opset = opset }
}
