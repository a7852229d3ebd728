internal import CPlugin
import GraphIR
import Operators
import Tensors

extension HostTable {
  static func setAttributes(_ table: inout cameo_host) {
    table.attribute_count = { call, node, count in
      PluginCall.perform(call) { call in try call.store(try call.attributes(node).node.attributes.count, count) }
    }
    table.attribute_at = { call, node, index, name, kind in
      PluginCall.perform(call) { call in
        let attributes = try call.attributes(node).node.attributes
        guard attributes.indices.contains(index) else { throw PluginFault.notFound }
        try call.store(call.text(attributes[index].name), name)
        try call.store(Int32(attributes[index].value.kind.rawValue), kind)
      }
    }
    table.attribute_int = { call, node, name, value in
      PluginCall.perform(call) { call in
        guard let found = try call.attributes(node).optionalInt(try call.string(name)) else {
          throw PluginFault.notFound
        }
        try call.store(Int64(found), value)
      }
    }
    table.attribute_float = { call, node, name, value in
      PluginCall.perform(call) { call in
        guard let found = try call.attributes(node).optionalFloat(try call.string(name)) else {
          throw PluginFault.notFound
        }
        try call.store(found, value)
      }
    }
    table.attribute_text = { call, node, name, value in
      PluginCall.perform(call) { call in
        guard let found = try call.attributes(node).optionalString(try call.string(name)) else {
          throw PluginFault.notFound
        }
        try call.store(call.text(found), value)
      }
    }
    table.attribute_ints = { call, node, name, out, capacity, count in
      PluginCall.perform(call) { call in
        guard let found = try call.attributes(node).optionalInts(try call.string(name)) else {
          throw PluginFault.notFound
        }
        try call.fill(found.map { Int64($0) }, out, capacity, count)
      }
    }
    table.attribute_floats = { call, node, name, out, capacity, count in
      PluginCall.perform(call) { call in
        guard let found = try call.attributes(node).optionalFloats(try call.string(name)) else {
          throw PluginFault.notFound
        }
        try call.fill(found, out, capacity, count)
      }
    }
    table.attribute_texts = { call, node, name, out, capacity, count in
      PluginCall.perform(call) { call in
        guard let found = try call.attributes(node).optionalStrings(try call.string(name)) else {
          throw PluginFault.notFound
        }
        try call.fill(found.map { call.text($0) }, out, capacity, count)
      }
    }
    table.attribute_tensor = { call, node, name, tensor in
      PluginCall.perform(call) { call in
        guard let found = try call.attributes(node).tensor(try call.string(name)) else { throw PluginFault.notFound }
        try call.store(try call.tensor(found), tensor)
      }
    }
  }
}
