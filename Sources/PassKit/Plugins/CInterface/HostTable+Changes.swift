internal import CPlugin
import GraphIR
import Operators
import Tensors

/// Handles of what a change adds have the top bit set: an index into the change's slots or nodes below it.
private let newMark: UInt32 = 0x8000_0000

extension HostTable {
  static func setChanges(_ table: inout cameo_host) {
    table.may_emit = { call, opset, allowed in
      PluginCall.perform(call) { call in
        try call.store(try call.pass().mayEmit(opset: Int(opset)) ? 1 : 0, allowed)
      }
    }
    table.target = { call, target in
      PluginCall.perform(call) { call in
        let number: Int32 =
          switch try call.pass().options.target {
          case .onnx: CAMEO_TARGET_ONNX
          case .ort: CAMEO_TARGET_ORT
          case .cameo: CAMEO_TARGET_CAMEO
          }
        try call.store(number, target)
      }
    }
    table.change_begin = { call, rule, covers, count, isFusion, change in
      PluginCall.perform(call) { call in
        _ = try call.pass()
        let nodes = try call.list(covers, count).map { try call.node($0) }
        guard call.nextChange < 1 << 30 else { throw PluginFault.wrong("too many changes were begun") }
        try call.store(call.nextChange, change)
        call.changes[call.nextChange] = GraphChange(
          rule: try call.string(rule), covers: nodes, isFusion: isFusion != 0)
        call.nextChange += 1
      }
    }
    table.change_node = { call, change, domain, name, inputs, inputCount, outputs, outputCount, node in
      PluginCall.perform(call) { call in
        try call.edit(change) { edited in
          let refs = try call.list(inputs, inputCount, limit: 1 << 20).map { try call.reference($0, in: edited) }
          let name = try call.string(name)
          guard !name.isEmpty else { throw PluginFault.wrong("a new node has no operator") }
          guard outputCount >= 0, outputCount <= 1 << 20, outputs != nil || outputCount == 0 else {
            throw PluginFault.wrong("a new node cannot have \(UInt(bitPattern: outputCount)) outputs")
          }
          let handle = newMark | UInt32(edited.nodes.count)
          let results = edited.nodes(name, domain: try call.string(domain), refs, outputs: outputCount)
          for (index, result) in results.enumerated() {
            if case .new(let slot) = result { outputs?[index] = newMark | UInt32(slot) }
          }
          if let node { node.pointee = handle }
        }
      }
    }
    table.change_constant = { call, change, tensor, value in
      PluginCall.perform(call) { call in
        try call.edit(change) { edited in
          guard case .new(let slot) = edited.constant(try call.tensor(tensor)) else { return }
          try call.store(newMark | UInt32(slot), value)
        }
      }
    }
    table.change_constant_texts = { call, change, texts, count, dims, rank, value in
      PluginCall.perform(call) { call in
        try call.edit(change) { edited in
          let tensor = try Tensor(strings: try call.strings(texts, count), shape: try call.shape(dims, rank))
          guard case .new(let slot) = edited.constant(tensor) else { return }
          try call.store(newMark | UInt32(slot), value)
        }
      }
    }
    table.change_replace = { call, change, old, value in
      PluginCall.perform(call) { call in
        try call.edit(change) { edited in
          guard let new = try call.reference(value, in: edited) else {
            throw PluginFault.wrong("there is no value to read")
          }
          edited.replace(try call.value(old), with: new)
        }
      }
    }
    table.change_input = { call, change, node, index, value in
      PluginCall.perform(call) { call in
        try call.edit(change) { edited in
          edited.setInput(Int(index), of: try call.node(node), to: try call.reference(value, in: edited))
        }
      }
    }
    table.change_remove = { call, change, node in
      PluginCall.perform(call) { call in try call.edit(change) { $0.remove(try call.node(node)) } }
    }
    table.change_apply = { call, change in
      PluginCall.perform(call) { call in
        guard let edited = call.changes.removeValue(forKey: change) else {
          throw PluginFault.wrong("there is no change \(change)")
        }
        try call.pass().apply(edited)
      }
    }
    table.change_discard = { call, change in
      PluginCall.perform(call) { call in
        guard call.changes.removeValue(forKey: change) != nil else {
          throw PluginFault.wrong("there is no change \(change)")
        }
      }
    }
    table.refuse = { call, rule, node, reason, obstacle in
      PluginCall.perform(call) { call in
        let other = obstacle == CAMEO_NONE ? nil : try call.node(obstacle)
        try call.pass().refuse(
          try call.string(rule), at: try call.node(node), Refusal(try call.string(reason), at: other))
      }
    }
  }

  static func setChangedAttributes(_ table: inout cameo_host) {
    table.change_int = { call, change, node, name, value in HostTable.set(call, change, node, name) { _ in .int(value) }
    }
    table.change_float = { call, change, node, name, value in
      HostTable.set(call, change, node, name) { _ in .float(value) }
    }
    table.change_text = { call, change, node, name, value in
      HostTable.set(call, change, node, name) { .string(try $0.string(value)) }
    }
    table.change_ints = { call, change, node, name, values, count in
      HostTable.set(call, change, node, name) { .ints(Array(try $0.list(values, count))) }
    }
    table.change_floats = { call, change, node, name, values, count in
      HostTable.set(call, change, node, name) { .floats(Array(try $0.list(values, count))) }
    }
    table.change_texts = { call, change, node, name, values, count in
      HostTable.set(call, change, node, name) { .strings(try $0.strings(values, count)) }
    }
    table.change_tensor = { call, change, node, name, value in
      HostTable.set(call, change, node, name) { .tensor(try $0.tensor(value)) }
    }
    table.change_without = { call, change, node, name in HostTable.set(call, change, node, name) { _ in nil } }
    table.change_copy_attributes = { call, change, node, from in
      PluginCall.perform(call) { call in
        let attributes = try call.pass().graph[try call.node(from)].attributes
        guard attributes.allSatisfy({ $0.value.regions.isEmpty }) else {
          throw PluginFault(status: CAMEO_FAILED, reason: "a node's bodies cannot be copied")
        }
        try call.edit(change) { edited in
          guard node & newMark != 0, edited.nodes.indices.contains(Int(node & ~newMark)) else {
            throw PluginFault.wrong("\(node) is no new node of the change")
          }
          edited.nodes[Int(node & ~newMark)].attributes = attributes
        }
      }
    }
  }

  /// Sets or removes an attribute of a new or of an existing node.
  private static func set(
    _ call: UInt64, _ change: UInt32, _ node: UInt32, _ name: cameo_text, _ value: (PluginCall) throws -> Attribute?
  ) -> Int32 {
    PluginCall.perform(call) { call in
      let name = try call.string(name)
      if name.isEmpty { throw PluginFault.wrong("an attribute has no name") }
      let value = try value(call)
      try call.edit(change) { edited in
        guard node & newMark != 0 else { return edited.setAttribute(name, of: try call.node(node), to: value) }
        let index = Int(node & ~newMark)
        guard edited.nodes.indices.contains(index) else {
          throw PluginFault.wrong("\(node) is no new node of the change")
        }
        edited.nodes[index].attributes.removeAll { $0.name == name }
        if let value { edited.nodes[index].attributes.append(NamedAttribute(name, value)) }
      }
    }
  }
}

extension PluginCall {
  /// Edits a change that was begun and not yet applied. Where `body` throws, the change stays as it was.
  func edit(_ handle: UInt32, _ body: (inout GraphChange) throws -> Void) throws {
    guard var change = changes[handle] else { throw PluginFault.wrong("there is no change \(handle)") }
    try body(&change)
    changes[handle] = change
  }

  /// A value of the graph or of the change; nil for CAMEO_NONE.
  func reference(_ handle: UInt32, in change: GraphChange) throws -> GraphChange.Ref? {
    if handle == CAMEO_NONE { return nil }
    guard handle & newMark != 0 else { return .existing(try value(handle)) }
    guard Int(handle & ~newMark) < change.slots else {
      throw PluginFault.wrong("\(handle) is no new value of the change")
    }
    return .new(Int(handle & ~newMark))
  }
}
