import GraphIR
import Tensors

/// Parses the messages of onnx.proto. Large tensors stay where they are.
final class MessageReader {
  let bytesOwner: ByteSource
  let external: ExternalData
  var unnamedDimensions = 0

  init(_ source: ByteSource, external: ExternalData) {
    bytesOwner = source
    self.external = external
  }

  func model() throws -> ModelMessage {
    var reader = WireReader(bytesOwner.bytes)
    var model = ModelMessage()
    while let field = try reader.next() {
      switch field.number {
      case 1: model.irVersion = try reader.int64(field)
      case 2: model.producerName = try reader.string(field)
      case 3: model.producerVersion = try reader.string(field)
      case 4: model.domain = try reader.string(field)
      case 5: model.modelVersion = try reader.int64(field)
      case 6: model.documentation = try reader.string(field)
      case 7:
        guard model.graph == nil else { throw reader.malformed("a second graph", at: field.tagOffset) }
        model.graph = try graph(reader.message(field))
      case 8: model.opsets.append(try opset(reader.message(field)))
      case 14: model.metadata.append(try entry(reader.message(field)))
      case 25: model.functions.append(try function(reader.message(field)))
      default: try reader.keep(field, in: &model.unknown)
      }
    }
    return model
  }

  func entry(_ source: WireReader) throws -> MetadataEntry {
    var reader = source
    var result = MetadataEntry(key: "", value: "")
    while let field = try reader.next() {
      switch field.number {
      case 1: result.key = try reader.string(field)
      case 2: result.value = try reader.string(field)
      default: try reader.skip(field)
      }
    }
    return result
  }

  private func opset(_ source: WireReader) throws -> (domain: String, version: Int64) {
    var reader = source
    var result: (domain: String, version: Int64) = ("", 0)
    while let field = try reader.next() {
      switch field.number {
      case 1: result.domain = try reader.string(field)
      case 2: result.version = try reader.int64(field)
      default: try reader.skip(field)
      }
    }
    return result
  }

  func graph(_ source: WireReader) throws -> GraphMessage {
    var reader = source
    var graph = GraphMessage()
    while let field = try reader.next() {
      switch field.number {
      case 1: graph.nodes.append(try node(reader.message(field)))
      case 2: graph.name = try reader.string(field)
      case 5:
        let message = try tensor(reader.message(field))
        guard !message.name.isEmpty else {
          throw reader.malformed("an initializer without a name", at: field.tagOffset)
        }
        graph.initializers.append(
          InitializerMessage(
            name: message.name, value: .tensor(message.tensor), documentation: message.documentation,
            metadata: message.metadata, unknown: message.unknown))
      case 15:
        let (value, message) = try sparse(reader.message(field))
        guard !message.name.isEmpty else {
          throw reader.malformed("an initializer without a name", at: field.tagOffset)
        }
        graph.initializers.append(
          InitializerMessage(
            name: message.name, value: .sparse(value), documentation: message.documentation,
            metadata: message.metadata, unknown: message.unknown))
      case 10: graph.documentation = try reader.string(field)
      case 11: graph.inputs.append(try value(reader.message(field)))
      case 12: graph.outputs.append(try value(reader.message(field)))
      case 13: graph.values.append(try value(reader.message(field)))
      case 16: graph.metadata.append(try entry(reader.message(field)))
      default: try reader.keep(field, in: &graph.unknown)
      }
    }
    return graph
  }

  func value(_ source: WireReader) throws -> ValueMessage {
    var reader = source
    var value = ValueMessage()
    var denotations: [MetadataEntry] = []
    while let field = try reader.next() {
      switch field.number {
      case 1: value.name = try reader.string(field)
      case 2:
        denotations = []
        value.type = try type(reader.message(field), metadata: &denotations)
      case 3: value.documentation = try reader.string(field)
      case 4: value.metadata.append(try entry(reader.message(field)))
      default: try reader.keep(field, in: &value.unknown)
      }
    }
    value.metadata += denotations
    return value
  }

  func node(_ source: WireReader) throws -> NodeMessage {
    var reader = source
    var node = NodeMessage()
    let start = reader.position
    while let field = try reader.next() {
      switch field.number {
      case 1: node.inputs.append(try reader.string(field))
      case 2: node.outputs.append(try reader.string(field))
      case 3: node.name = try reader.string(field)
      case 4: node.type = try reader.string(field)
      case 5: node.attributes.append(try within(node.description) { try attribute(reader.message(field)) })
      case 6: node.documentation = try reader.string(field)
      case 7: node.domain = try reader.string(field)
      case 8: node.overload = try reader.string(field)
      case 9: node.metadata.append(try entry(reader.message(field)))
      default: try reader.keep(field, in: &node.unknown)
      }
    }
    guard !node.type.isEmpty else { throw reader.malformed("a node without op_type", at: start) }
    return node
  }

  private func function(_ source: WireReader) throws -> FunctionMessage {
    var reader = source
    var function = FunctionMessage()
    while let field = try reader.next() {
      switch field.number {
      case 1: function.name = try reader.string(field)
      case 4: function.inputs.append(try reader.string(field))
      case 5: function.outputs.append(try reader.string(field))
      case 6: function.attributeNames.append(try reader.string(field))
      case 7: function.nodes.append(try node(reader.message(field)))
      case 8: function.documentation = try reader.string(field)
      case 9: function.opsets.append(try opset(reader.message(field)))
      case 10: function.domain = try reader.string(field)
      case 11: function.attributeDefaults.append(try attribute(reader.message(field)))
      case 12: function.values.append(try value(reader.message(field)))
      case 13: function.overload = try reader.string(field)
      case 14: function.metadata.append(try entry(reader.message(field)))
      default: try reader.keep(field, in: &function.unknown)
      }
    }
    guard !function.name.isEmpty else { throw reader.malformed("a function without a name", at: source.position) }
    return function
  }
}
