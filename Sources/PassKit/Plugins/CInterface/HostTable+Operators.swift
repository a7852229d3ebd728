internal import CPlugin
import GraphIR
import Operators
import Tensors

extension HostTable {
  static func setOperators(_ table: inout cameo_host) {
    setInputs(&table)
    table.dim_unknown = { call, dim in
      PluginCall.perform(call) { call in
        guard case .inference(var context) = call.kind else { throw PluginFault.wrong("this is no call of infer") }
        let unknown = context.unknownDim()
        call.kind = .inference(context)
        try call.store(call.handle(unknown), dim)
      }
    }
    table.set_output = { call, index, type, dims, rank in
      PluginCall.perform(call) { call in
        guard case .inference(var context) = call.kind else { throw PluginFault.wrong("this is no call of infer") }
        try HostTable.check(index, context.node)
        let element = type == 0 ? nil : try call.dataType(type)
        var shape: [Dim]?
        if rank >= 0 {
          shape = try call.list(dims, Int(rank), limit: PluginCall.rankLimit).map { try call.dim($0) }
          if let bad = shape?.first(where: { ($0.value ?? 0) < 0 }) {
            throw PluginFault.wrong("output \(index) would have a dimension \(bad)")
          }
        }
        context.set(index, element, shape)
        call.kind = .inference(context)
      }
    }
    table.output_tensor = { call, index, type, dims, rank, data, byteCount in
      PluginCall.perform(call) { call in
        let element = try call.dataType(type)
        let shape = try call.shape(dims, rank)
        try HostTable.agree(call, index, element, shape)
        guard let bytes = element.byteCount(elements: try Tensor.elementCount(shape)), element != .string else {
          throw PluginFault.wrong("strings are given by output_texts")
        }
        let storage = try TensorStorage(byteCount: bytes)
        try call.store(storage.base, data)
        try call.store(bytes, byteCount)
        call.outputs[index] = .tensor(try Tensor(dataType: element, shape: shape, storage: storage))
      }
    }
    table.output_texts = { call, index, texts, count, dims, rank in
      PluginCall.perform(call) { call in
        let shape = try call.shape(dims, rank)
        try HostTable.agree(call, index, .string, shape)
        call.outputs[index] = .tensor(try Tensor(strings: try call.strings(texts, count), shape: shape))
      }
    }
  }

  private static func setInputs(_ table: inout cameo_host) {
    table.input_count = { call, count in
      PluginCall.perform(call) { call in try call.store(try call.operatorNode().inputs.count, count) }
    }
    table.output_count = { call, count in
      PluginCall.perform(call) { call in try call.store(try call.operatorNode().outputs.count, count) }
    }
    table.input_type = { call, index, type, rank in
      PluginCall.perform(call) { call in try call.store(try call.input(index).type, type, rank) }
    }
    table.input_dims = { call, index, out, capacity, count in
      PluginCall.perform(call) { call in try call.fill(try call.input(index).shape, out, capacity, count) }
    }
    table.input_contents = { call, index, out, capacity, count in
      PluginCall.perform(call) { call in try call.fill(try call.input(index).symbols, out, capacity, count) }
    }
    table.input_tensor = { call, index, tensor in
      PluginCall.perform(call) { call in
        guard let known = try call.input(index).tensor else { throw PluginFault.notFound }
        try call.store(try call.tensor(known), tensor)
      }
    }
    table.input_texts = { call, index, out, capacity, count in
      PluginCall.perform(call) { call in
        guard let known = try call.input(index).tensor else { throw PluginFault.notFound }
        try call.fill(texts: known, out, capacity, count)
      }
    }
  }

  private static func check(_ index: Int, _ node: Node) throws {
    guard node.outputs.indices.contains(index) else {
      throw PluginFault.wrong("there is no output \(index), the node has \(node.outputs.count)")
    }
  }

  /// An output is what inference says that it is.
  private static func agree(_ call: PluginCall, _ index: Int, _ type: DataType, _ shape: [Int]) throws {
    guard case .evaluation(let context, let expected) = call.kind else {
      throw PluginFault.wrong("this is no call of evaluate")
    }
    try HostTable.check(index, context.node)
    guard index < expected.count, let inferred = expected[index] else { return }
    let element = inferred.dataType ?? type
    let fits = inferred.shape.map { dims in
      dims.count == shape.count && zip(dims, shape).allSatisfy { $0.value == nil || $0.value == $1 }
    }
    guard element == type, fits ?? true else {
      throw PluginFault.wrong("output \(index) would be \(type)\(shape), its inference says \(inferred)")
    }
  }
}

extension PluginCall {
  /// The node that inference or evaluation is asked about.
  func operatorNode() throws -> Node {
    switch kind {
    case .inference(let context): return context.node
    case .evaluation(let context, _): return context.node
    default: throw PluginFault.wrong("this is no call of an operator")
    }
  }

  /// What is known of an input; not found where it is left out.
  func input(_ index: Int) throws -> ValueFacts {
    switch kind {
    case .inference(let context):
      guard index >= 0, let facts = context.facts(index) else { throw PluginFault.notFound }
      return facts
    case .evaluation(let context, _):
      guard index >= 0, index < context.inputs.count, let value = context.inputs[index] else {
        throw PluginFault.notFound
      }
      return ValueFacts(constant: value)
    default: throw PluginFault.wrong("this is no call of an operator")
    }
  }
}
