import GraphIR
import Operators
import PassKit
import Tensors

/// What the passes for `--target ort` share: they write operators that ONNX Runtime's CPU provider has kernels for.
enum Microsoft {
  static let domain = "com.microsoft"

  /// True where com.microsoft may be written.
  static func isTarget(_ context: PassContext) -> Bool { context.options.target == .ort }

  static func name(_ type: String) -> OperatorName { OperatorName(type, domain: domain) }

  /// Refuses values of other types than float: the kernels are for that one.
  static func requireFloat(_ value: ValueID?, _ type: String, at node: NodeID, _ context: PassContext) throws {
    guard let found = context.dataType(value) else { throw Refusal("the type is not known", at: node) }
    guard found == .float else { throw Refusal("ONNX Runtime's \(type) is for float, this is \(found)", at: node) }
  }

  /// The one number that a constant of one element is.
  static func scalar(_ value: ValueID?, _ context: PassContext) -> Double? {
    guard let tensor = context.constant(value), tensor.count == 1 else { return nil }
    return context.uniform(value)
  }

  /// True for a constant that is one row along the last axis, `width` long: [width], [1, width], ...
  static func isRow(_ value: ValueID, _ width: Dim?, _ context: PassContext) -> Bool {
    guard let tensor = context.graph.constant(value), let width = width?.value, tensor.shape.last == width else {
      return false
    }
    return tensor.count == width
  }

  /// Such a constant with rank 1.
  static func row(_ value: ValueID, _ context: PassContext, _ change: inout GraphChange) throws -> GraphChange.Ref {
    guard let tensor = context.graph.constant(value), tensor.rank != 1 else { return .existing(value) }
    return change.constant(try tensor.reshaped([tensor.count]))
  }

  /// (data, row) where `id` adds such a constant to something.
  static func biased(_ id: NodeID, _ context: PassContext) -> (data: ValueID, bias: ValueID)? {
    let node = context.graph[id]
    guard node.is("Add"), let a = node.input(0), let b = node.input(1), a != b else { return nil }
    for (data, bias) in [(a, b), (b, a)] {
      if let shape = context.shape(data), let rows = context.constant(bias)?.rank, rows <= shape.count,
        isRow(bias, shape.last, context)
      {
        return (data, bias)
      }
    }
    return nil
  }
}

extension GraphChange {
  /// Inputs that stand as they were.
  static func kept(_ inputs: [ValueID?]) -> [Ref?] { inputs.map { $0.map { .existing($0) } } }
}
