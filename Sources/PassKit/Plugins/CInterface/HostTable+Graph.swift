internal import CPlugin
import GraphIR
import Operators
import Tensors

extension HostTable {
  static func setGraph(_ table: inout cameo_host) {
    table.region_nodes = { call, region, out, capacity, count in
      PluginCall.perform(call) { call in
        let nodes = try call.pass().graph.nodes(in: try call.region(region))
        try call.fill(nodes.map { UInt32($0.index) }, out, capacity, count)
      }
    }
    table.region_inputs = { call, region, out, capacity, count in
      PluginCall.perform(call) { call in
        let values = try call.pass().graph[try call.region(region)].inputs
        try call.fill(values.map { UInt32($0.index) }, out, capacity, count)
      }
    }
    table.region_outputs = { call, region, out, capacity, count in
      PluginCall.perform(call) { call in
        let values = try call.pass().graph[try call.region(region)].outputs
        try call.fill(values.map { UInt32($0.index) }, out, capacity, count)
      }
    }
    table.node_exists = { call, node in
      PluginCall.perform(call) { call in
        let graph = try call.pass().graph
        guard node < graph.nodeCapacity else { throw PluginFault.wrong("there is no node \(node)") }
        if !graph[NodeID(Int(node))].isAlive { throw PluginFault.notFound }
      }
    }
    table.node_operator = { call, node, domain, name in
      PluginCall.perform(call) { call in
        let node = try call.pass().graph[try call.node(node)]
        try call.store(call.text(node.domain), domain)
        try call.store(call.text(node.type), name)
      }
    }
    table.node_name = { call, node, name in
      PluginCall.perform(call) { call in
        try call.store(call.text(try call.pass().graph[try call.node(node)].name), name)
      }
    }
    table.node_region = { call, node, region in
      PluginCall.perform(call) { call in
        try call.store(UInt32(try call.pass().graph[try call.node(node)].region.index), region)
      }
    }
    table.node_inputs = { call, node, out, capacity, count in
      PluginCall.perform(call) { call in
        let values = try call.pass().graph[try call.node(node)].inputs
        try call.fill(values.map { $0.map { UInt32($0.index) } ?? CAMEO_NONE }, out, capacity, count)
      }
    }
    table.node_outputs = { call, node, out, capacity, count in
      PluginCall.perform(call) { call in
        let values = try call.pass().graph[try call.node(node)].outputs
        try call.fill(values.map { $0.map { UInt32($0.index) } ?? CAMEO_NONE }, out, capacity, count)
      }
    }
    table.node_bodies = { call, node, out, capacity, count in
      PluginCall.perform(call) { call in
        let regions = try call.pass().graph[try call.node(node)].regions
        try call.fill(regions.map { UInt32($0.index) }, out, capacity, count)
      }
    }
  }

  static func setValues(_ table: inout cameo_host) {
    table.value_name = { call, value, name in
      PluginCall.perform(call) { call in
        try call.store(call.text(try call.pass().graph[try call.value(value)].name), name)
      }
    }
    table.value_type = { call, value, type, rank in
      PluginCall.perform(call) { call in
        try call.store(try call.pass().facts(try call.value(value)).type, type, rank)
      }
    }
    table.value_type_text = { call, value, text in
      PluginCall.perform(call) { call in
        guard let type = try call.pass().facts(try call.value(value)).type else { throw PluginFault.notFound }
        try call.store(call.text(type.description), text)
      }
    }
    table.value_dims = { call, value, out, capacity, count in
      PluginCall.perform(call) { call in
        try call.fill(try call.pass().shape(try call.value(value)), out, capacity, count)
      }
    }
    table.value_contents = { call, value, out, capacity, count in
      PluginCall.perform(call) { call in
        try call.fill(try call.pass().facts(try call.value(value)).symbols, out, capacity, count)
      }
    }
    table.value_tensor = { call, value, tensor in
      PluginCall.perform(call) { call in
        guard let constant = try call.pass().constant(try call.value(value)) else { throw PluginFault.notFound }
        try call.store(try call.tensor(constant), tensor)
      }
    }
    table.value_texts = { call, value, out, capacity, count in
      PluginCall.perform(call) { call in
        guard let constant = try call.pass().constant(try call.value(value)) else { throw PluginFault.notFound }
        try call.fill(texts: constant, out, capacity, count)
      }
    }
    table.value_number = { call, value, number in
      PluginCall.perform(call) { call in
        guard let uniform = try call.pass().uniform(try call.value(value)) else { throw PluginFault.notFound }
        try call.store(uniform, number)
      }
    }
    table.value_producer = { call, value, node, index in
      PluginCall.perform(call) { call in
        guard case .node(let id, let output) = try call.pass().graph[try call.value(value)].producer else {
          throw PluginFault.notFound
        }
        try call.store(UInt32(id.index), node)
        try call.store(UInt32(output), index)
      }
    }
    table.value_uses = { call, value, out, capacity, count in
      PluginCall.perform(call) { call in
        let uses = try call.pass().graph[try call.value(value)].uses.map { use in
          switch use {
          case .node(let node, let index): cameo_use(node: UInt32(node.index), index: UInt32(index))
          case .output(_, let index): cameo_use(node: CAMEO_NONE, index: UInt32(index))
          }
        }
        try call.fill(uses, out, capacity, count)
      }
    }
  }
}

extension PluginCall {
  /// A type as a number and a rank.
  func store(_ valueType: ValueType?, _ type: UnsafeMutablePointer<Int32>?, _ rank: UnsafeMutablePointer<Int32>?) throws
  {
    try store(Int32(valueType?.dataType?.rawValue ?? 0), type)
    try store(valueType?.shape.map { Int32($0.count) } ?? -1, rank)
  }

  /// Dimensions as handles; nil: not found.
  func fill(
    _ dims: [Dim]?, _ out: UnsafeMutablePointer<UInt32>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?
  ) throws {
    guard let dims else { throw PluginFault.notFound }
    try fill(dims.map { handle($0) }, out, capacity, count)
  }

  /// The elements of a tensor of strings.
  func fill(
    texts tensor: Tensor, _ out: UnsafeMutablePointer<cameo_text>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?
  ) throws {
    guard tensor.dataType == .string else { throw PluginFault.wrong("\(tensor) is no tensor of strings") }
    try fill(tensor.strings.map { text($0) }, out, capacity, count)
  }
}
