import GraphIR
import Tensors

/// Reshape: the same elements under another shape. 0 keeps the input's dimension (unless `allowzero`), one -1 takes the rest.
struct Reshape: Operator {
  let name = OperatorName("Reshape")
  let traits: OperatorTraits = .dataMovement

  func infer(_ context: inout InferenceContext) throws {
    try context.requireList(1)
    let type = context.dataType(0)
    guard let target = context.symbols(1) else {
      guard let rank = context.length(1) else { return context.set(0, type, nil) }
      return context.set(0, type, context.unknownShape(rank: rank))
    }
    let shape = try resolve(target, &context)
    let symbols = shape.count <= 2 ? context.facts(0)?.symbols : nil
    context.set(0, type, shape, symbols: symbols)
  }

  private func resolve(_ target: [Dim], _ context: inout InferenceContext) throws -> [Dim] {
    let allowsZero = try context.attributes.bool("allowzero")
    let input = context.shape(0)
    var result: [Dim] = []
    var open: Int?
    for (axis, dim) in target.enumerated() {
      if dim == -1 {
        guard open == nil else { throw CameoError.badInput("the shape has more than one -1") }
        open = axis
        result.append(1)
      } else if dim == 0 && !allowsZero {
        guard let input else {
          result.append(context.unknownDim())
          continue
        }
        guard axis < input.count else {
          throw CameoError.badInput("dimension \(axis) of the shape is 0, the input has rank \(input.count)")
        }
        result.append(input[axis])
      } else if let value = dim.value, value < 0 {
        throw CameoError.badInput("dimension \(axis) of the shape is \(value)")
      } else {
        result.append(dim)
      }
    }
    guard let input else {
      if let open { result[open] = context.unknownDim() }
      return result
    }
    let total = Axes.product(input)
    if let open {
      if allowsZero, target.contains(0) {
        throw CameoError.badInput("with allowzero a shape cannot have both 0 and -1")
      }
      result[open] = try rest(total, result, input, &context)
    } else {
      let wanted = Axes.product(result)
      if let a = total.value, let b = wanted.value, a != b {
        throw CameoError.badInput(
          "\(a) elements cannot take the shape [\(result.map(\.description).joined(separator: ", "))]")
      }
      // One open dimension follows from the count where the rest is known.
      if let count = total.value, count > 0 {
        let unknown = result.indices.filter { !result[$0].isKnown }
        let known = Axes.product(result.filter(\.isKnown)).value ?? 0
        if unknown.count == 1, known > 0, count % known == 0 { result[unknown[0]] = Dim(count / known) }
      }
    }
    return result
  }

  /// What -1 stands for: the count over the product of the other dimensions (`others` has 1 in its place).
  private func rest(_ total: Dim, _ others: [Dim], _ input: [Dim], _ context: inout InferenceContext) throws -> Dim {
    // Dimensions that occur on both sides cancel, whatever their value.
    var left = input
    var right: [Dim] = []
    for dim in others where dim != 1 {
      if let index = left.firstIndex(of: dim), dim != 0 { left.remove(at: index) } else { right.append(dim) }
    }
    let numerator = Axes.product(left)
    let divisor = Axes.product(right)
    if divisor == 1 { return numerator }
    if let d = divisor.value {
      guard d != 0 else { return numerator.isKnown ? 0 : context.unknownDim() }
      if let n = numerator.value {
        guard n % d == 0 else {
          throw CameoError.badInput(
            "the shape [\(input.map(\.description).joined(separator: ", "))] cannot be divided by the known \(d)")
        }
        return Dim(n / d)
      }
    }
    return numerator.floorDiv(divisor)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let target = try context.tensor(1).ints()
    let allowsZero = try context.attributes.bool("allowzero")
    var shape = target
    var open: Int?
    for (axis, dim) in target.enumerated() {
      if dim == -1 {
        guard open == nil else { throw CameoError.badInput("the shape \(target) has more than one -1") }
        open = axis
        shape[axis] = 1
      } else if dim == 0 && !allowsZero {
        guard axis < data.rank else {
          throw CameoError.badInput("dimension \(axis) of the shape is 0, the input has rank \(data.rank)")
        }
        shape[axis] = data.shape[axis]
      } else if dim < 0 {
        throw CameoError.badInput("dimension \(axis) of the shape \(target) is negative")
      }
    }
    if let open {
      let known = try Tensor.elementCount(shape)
      if known == 0 {
        // Nothing to divide by: NumPy refuses, exporters mean an empty tensor.
        guard data.count == 0 else { throw CameoError.badInput("\(data.shape) cannot be reshaped to \(target)") }
        shape[open] = 0
      } else {
        guard data.count % known == 0 else {
          throw CameoError.badInput("\(data.shape) cannot be reshaped to \(target)")
        }
        shape[open] = data.count / known
      }
    }
    return [.tensor(try data.reshaped(shape))]
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    graph.dropConsumedInputs(node)
    if version < 5 { try graph.moveAttributeToInput("shape", of: node, at: 1) }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 14, try AttributeReader(graph[node]).bool("allowzero") {
      // Without zeros in the shape the attribute says nothing.
      guard let shape = graph.constant(graph[node].input(1)), try !shape.ints().contains(0) else {
        throw CameoError.unsupported("before opset 14 there is no allowzero")
      }
      graph.setAttribute("allowzero", of: node, to: nil)
    }
    if version < 5 { try graph.moveInputToAttribute(1, of: node, named: "shape", Attribute.ints) }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Reshape(), to: $0) })
