@_exported public import CPUProvider
@_exported public import CUDAProvider
@_exported public import GraphIR
@_exported public import InferenceRuntime
@_exported public import ONNXFormat
@_exported public import Operators
@_exported public import PassKit
@_exported public import Passes
@_exported public import Quantization
@_exported public import Tensors

/// The version of this build.
public enum CameoVersion {
  public static let current = "0.1.0"
}

/// Loads a compiled plugin and registers its passes, rules and operators for the rest of the process; optimizers made from now
/// on run its passes (`Optimizer.plugins`). A file that is loaded already is not loaded again, and nothing is ever unloaded.
///
/// The program must export its symbols (link it with `--export-dynamic`) for plugins in Swift; those in C need nothing.
/// Throws one line that says what is wrong; nothing of the plugin is registered then. docs/plugins.md
@discardableResult
public func loadPlugin(path: String) throws -> Plugin {
  try Plugin.load(path: path, reserved: Set(Pipelines.all.map(\.name)))
}

extension Model {
  /// Reads an ONNX file. Large tensors stay in the mapped file: nothing of them is copied or touched.
  /// Throws `CameoError` naming file, node and reason.
  public init(contentsOf path: String) throws { self = try ONNXImporter.load(path: path) }

  /// Writes an ONNX file, beside its place and then renamed: never a partial one. The result is self-contained.
  @discardableResult
  public func write(to path: String, options: ExportOptions = ExportOptions()) throws -> ONNXExporter.Summary {
    try ONNXExporter.save(self, to: path, options: options)
  }

  /// The model optimized for `level` (0 to 3), with what was done. Verified on seeded inputs unless `verifying` is off.
  public func optimized(level: Int = 2, verifying: Bool = true) throws -> (model: Model, report: OptimizationReport) {
    var options = OptimizationOptions()
    options.level = level
    return try Optimizer(options: options, verification: verifying ? VerificationOptions() : nil).optimize(self)
  }
}

/// Which providers exist in this build, by the names that the command line uses.
public enum Providers {
  /// Every provider, in the order that `auto` prefers them.
  public static func all() -> [any ExecutionProvider] { [CPUProvider(), ReferenceProvider()] }

  /// The provider of that name. Throws where there is none, or where this machine lacks what it takes.
  public static func named(_ name: String) throws -> any ExecutionProvider {
    switch name {
    case "cpu": return CPUProvider()
    case "cuda": return try CUDAProvider.shared()
    case "reference": return ReferenceProvider()
    default: throw CameoError.unsupported("there is no provider \(name); there are cpu, cuda and reference")
    }
  }
}

extension Session {
  /// Loads the file at `path`, optimizes it for this machine and prepares it on the CPU.
  ///
  /// The default level 3 uses forms that only Cameo runs; the file is not changed. Rewrites are not verified here:
  /// `Model.optimized` does that offline. A prepared file (`PreparedFile`) is neither optimized nor packed again. `notice` is told, in
  /// one line, why one is after all.
  public convenience init(
    path: String, level: Int = 3, providers: [any ExecutionProvider] = [CPUProvider()],
    options: SessionOptions = SessionOptions(), notice: (@Sendable (String) -> Void)? = nil
  ) throws {
    let file = try PreparedFile(contentsOf: path, providers: providers, notice: notice)
    if let note = file.note { notice?(note) }
    var options = options
    options.packs = file.packs
    var wanted = OptimizationOptions()
    wanted.level = level
    if level >= 3 { for provider in providers { wanted.enabled.formUnion(provider.passes) } }
    let model =
      file.isReady ? file.model : try Optimizer(options: wanted, verification: nil).optimize(file.model).model
    try self.init(model, providers: providers, options: options)
  }
}
