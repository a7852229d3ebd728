public import GraphIR
public import InferenceRuntime
import ONNXFormat
import Operators
import Passes
import Tensors

/// A model file that is ready to run on this machine: optimized to level 3, with its packed weights beside it.
///
/// `write` makes the two files, `init` reads them. MODEL.onnx is a complete ONNX file (with operators of ai.cameo, as
/// target cameo writes them) that any build of Cameo runs; MODEL.onnx.packed holds the weights as this machine's
/// kernels read them. A session over both runs no pass and packs nothing: it maps the weights, and pages come from the
/// file when they are first read. Where the second file is missing, broken, or made by or for something else, the model
/// is an ordinary one and `note` says why.
///
/// The two files are held together by sizes, by a digest of everything in the model's file but its weights, and by
/// samples of each weight. A weight that was changed in place where no sample lies (4 KiB and less are sampled whole,
/// larger ones 3 KiB of them) is not seen, so write both files anew rather than edit one.
public struct PreparedFile: Sendable {
  /// As it was read; where `isReady`, as it is to run.
  public let model: Model
  /// Its packed weights; nil where they cannot be used.
  public let packs: PackFile?
  /// True where the passes of level 3 have run and its packed weights are there.
  public var isReady: Bool { packs != nil }
  /// Why a file that was prepared is used as an ordinary one, in one line.
  public let note: String?

  /// The key of the model's metadata that says it was prepared, and by whom.
  public static let metadataKey = "cameo.prepared"
  /// What the name of the second file ends in.
  public static let suffix = ".packed"

  /// Reads the file at `path`, and `path`.packed where the model says that it was prepared. Throws what
  /// `Model(contentsOf:)` throws; a second file that cannot be used is no error.
  ///
  /// `providers`: of the session that is to run it. `notice` is told once where a packed form turns out to have another
  /// size than a kernel needs, when a plan is made.
  public init(
    contentsOf path: String, providers: [any ExecutionProvider] = [CPUProvider()],
    notice: (@Sendable (String) -> Void)? = nil
  ) throws {
    var model = try ONNXImporter.load(path: path)
    var packs: PackFile?
    var note: String?
    if model.metadata.contains(where: { $0.key == PreparedFile.metadataKey }) {
      do {
        packs = try PackFile(
          path: path + PreparedFile.suffix, for: model, version: CameoVersion.current, providers: providers,
          notice: notice)
        model.restoreFusedFunctions()
      } catch let error as CameoError {
        note = "\(error.within("file \(path)")); the model is prepared anew"
      }
    }
    (self.model, self.packs, self.note) = (model, packs, note)
  }
}
