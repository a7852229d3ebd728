import GraphIR
import Tensors

/// A model that lies beside its place, complete. One that is let go without `commit` leaves no trace.
package final class StagedModel {
  private let model: FileOutput
  private let data: FileOutput?
  private let location: String
  private let path: String
  package let summary: ONNXExporter.Summary

  init(model: FileOutput, data: FileOutput?, location: String, path: String, summary: ONNXExporter.Summary) {
    self.model = model
    self.data = data
    self.location = location
    self.path = path
    self.summary = summary
  }

  /// The model as it will be read from its place. Throws `.unsupported` where that is no file (a pipe).
  package func load() throws -> Model {
    guard let file = model.temporary, data == nil || data?.temporary != nil else {
      throw CameoError.unsupported("it is no regular file").within("file \(path)")
    }
    var options = ImportOptions()
    if let temporary = data?.temporary { options.staged[location] = temporary }
    do { return try ONNXImporter.load(path: file, options: options) } catch let error as CameoError {
      throw error.within("file \(path)")
    }
  }

  /// Puts the data in place, then the model.
  package func commit() throws {
    try within("file \(path)") {
      try data?.commit()
      try model.commit()
    }
  }
}
