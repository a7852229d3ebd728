import GraphIR
import Tensors

/// Writes TensorProto and SparseTensorProto.
enum TensorWriter {
  static func message(
    _ tensor: Tensor, name: String = "", documentation: String = "", metadata: [MetadataEntry] = [],
    unknown: [UInt8] = [], external: (location: String, offset: Int)? = nil
  ) -> WireWriter {
    var writer = WireWriter()
    writer.int64s(1, tensor.shape.lazy.map { Int64($0) })
    writer.int64(2, Int64(tensor.dataType.rawValue))
    for text in tensor.strings { writer.string(6, text) }
    writer.optionalString(8, name)
    if let external {
      writer.message(13, MessageWriter.entry(MetadataEntry(key: "location", value: external.location)))
      writer.message(13, MessageWriter.entry(MetadataEntry(key: "offset", value: String(external.offset))))
      writer.message(13, MessageWriter.entry(MetadataEntry(key: "length", value: String(tensor.byteCount))))
      writer.int64(14, 1)
    } else if tensor.dataType != .string {
      writer.tensorBytes(9, tensor)
    }
    writer.optionalString(12, documentation)
    for entry in metadata { writer.message(16, MessageWriter.entry(entry)) }
    writer.fields(unknown)
    return writer
  }

  static func message(_ tensor: Tensor, label: AttributeLabels.TensorLabel?) -> WireWriter {
    message(
      tensor, name: label?.name ?? "", documentation: label?.documentation ?? "", metadata: label?.metadata ?? [],
      unknown: label?.unknownFields ?? [])
  }

  static func sparse(_ sparse: SparseTensor, label: AttributeLabels.TensorLabel?) -> WireWriter {
    self.sparse(sparse, values: message(sparse.values, label: label))
  }

  static func sparse(_ sparse: SparseTensor, name: String = "", info: ValueInfo? = nil) -> WireWriter {
    self.sparse(
      sparse,
      values: message(
        sparse.values, name: name, documentation: info?.documentation ?? "", metadata: info?.metadata ?? [],
        unknown: info?.unknownFields ?? []))
  }

  private static func sparse(_ sparse: SparseTensor, values: WireWriter) -> WireWriter {
    var writer = WireWriter()
    writer.message(1, values)
    writer.message(2, message(sparse.indices))
    writer.int64s(3, sparse.shape.lazy.map { Int64($0) })
    return writer
  }
}
