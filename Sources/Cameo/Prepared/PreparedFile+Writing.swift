public import GraphIR
public import InferenceRuntime
public import ONNXFormat
import Tensors

extension PreparedFile {
  /// How a model is prepared.
  public struct WriteOptions: Sendable {
    /// The model file.
    public var export = ExportOptions()
    /// Values for open dimensions of the inputs, one set for each plan whose weights are to be packed. What a set leaves
    /// open, or no set at all, takes small values that the model accepts. Runs with other shapes find the forms that they
    /// share.
    public var bindings: [[String: Int]] = []
    public var providers: [any ExecutionProvider] = [CPUProvider()]
    /// Of the sessions that are to run it: forms of another precision are packed as usual.
    public var precision = Precision.fp32
    /// Threads that pack and run; the files do not depend on them.
    public var threads = 0

    public init() {}
  }

  /// What was written.
  public struct Summary: Sendable {
    public let model: ONNXExporter.Summary
    /// Bytes of the packed weights' file.
    public let packedByteCount: Int
    /// What it was made for, in words.
    public let packing: String
  }

  /// Writes `model` to `path` and its packed weights to `path`.packed: beside their places first, then renamed, so that
  /// an error leaves neither. `path` may be the file that the model was read from.
  ///
  /// `model` is optimized already, best to level 3 for target cameo: a session over the file runs no pass. Runs it on
  /// seeded inputs, because plans whose shapes depend on data, and bodies, are only made then. Throws `.unsupported`
  /// where no input is found that it runs or can be planned for, or where `path` is no regular file.
  @discardableResult
  public static func write(_ model: Model, to path: String, options: WriteOptions = WriteOptions()) throws -> Summary {
    let packing = options.providers.compactMap(\.packing).joined(separator: "; ")
    var model = model
    model.metadata.removeAll { $0.key == metadataKey }
    model.metadata.append(
      MetadataEntry(key: metadataKey, value: "version \(CameoVersion.current), level 3, \(packing)"))
    var export = options.export
    // Who else reads it would have to know the operators of ai.cameo, too.
    export.opsetLimit = ONNXImporter.newestOpset
    let staged = try ONNXExporter.stage(model, to: path, options: export)
    let packed = try within("file \(path)\(suffix)") {
      // As every later session will see it.
      let loaded = try staged.load()
      var ready = loaded
      ready.restoreFusedFunctions()
      var settings = SessionOptions()
      settings.threads = options.threads
      settings.precision = options.precision
      settings.keepsPacks = true
      let session = try Session(ready, providers: options.providers, options: settings)
      for bindings in options.bindings.isEmpty ? [[:]] : options.bindings { try plan(session, ready, bindings) }
      let output = try FileOutput(path: path + suffix)
      let bytes = try session.writePacks(of: loaded, version: CameoVersion.current, to: output)
      return (output: output, byteCount: bytes)
    }
    // In this order: a model never stands beside weights that were packed for an older one and look like its own.
    try packed.output.commit()
    try staged.commit()
    return Summary(model: staged.summary, packedByteCount: packed.byteCount, packing: packing)
  }

  /// Has the session make the plans for inputs of some shapes, by running where that works.
  private static func plan(_ session: Session, _ model: Model, _ bindings: [String: Int]) throws {
    var options = VerificationOptions()
    options.bindings = bindings
    let generator = InputGenerator(model.graph, options: options)
    let names = model.graph.inputs.map { model.graph[$0].name }
    // Which body runs depends on values.
    let hasBranches = model.graph.allNodes.contains { model.graph[$0].is("If") }
    var failure: CameoError?
    for runs in [true, false] {
      for dims in generator.assignments() {
        var isDone = false
        for seed in 1...(runs && hasBranches ? 8 : 1) {
          do {
            let values = try generator.inputs(dims, variant: generator.variants[0], seed: UInt64(seed))
            let pairs = zip(names, values).compactMap { name, value in value.map { (name, $0) } }
            let named = Dictionary(pairs, uniquingKeysWith: { a, _ in a })
            // What runs on no made values may still be planned.
            if runs {
              _ = try session.run(values: named)
            } else {
              try session.prepare(inputs: named.compactMapValues { $0.tensor?.shape })
            }
            isDone = true
          } catch let error as CameoError {
            failure = failure ?? error
          }
        }
        if isDone { return }
      }
    }
    throw (failure ?? .unsupported("there is nothing to run")).within("planning")
  }
}
