public import Tensors

/// A single `TensorProto` in a file, as ONNX's test data are (`input_0.pb`).
public enum TensorFile {
  /// The tensor and its name. Large ones stay in the mapped file; external data are refused.
  public static func readProto(path: String) throws -> (name: String, tensor: Tensor) {
    try within("file \(path)") {
      let file = try MappedFile(path: path)
      let reader = MessageReader(.file(file), external: ExternalData(folder: nil))
      let message = try reader.tensor(WireReader(file.bytes))
      return (message.name, message.tensor)
    }
  }

  public static func writeProto(_ tensor: Tensor, name: String = "", to path: String) throws {
    try within("file \(path)") {
      let output = try FileOutput(path: path)
      try output.write(TensorWriter.message(tensor, name: name))
      try output.commit()
    }
  }
}
