import GraphIR
import Tensors

/// com.microsoft.QLinearConcat: quantized tensors one after the other along `axis`, each brought to the result's scale and zero
/// point. Inputs: Y_scale, Y_zero_point, then tensor, scale and zero point of each part.
struct QLinearConcat: Operator {
  let name = OperatorName("QLinearConcat", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O QLinearConcat 1 3 * 1 1
    a axis int!
    i Y_scale TF
    i Y_zero_point T8
    i~1 inputs TV
    o Y T8
    c T8 tensor(*):uint8,int8
    c TF tensor(*):float
    c TV tensor(*):uint8,int8,float
    """
  }

  private func parts(_ count: Int) throws -> [Int] {
    guard count >= 5, (count - 2) % 3 == 0 else {
      throw CameoError.badInput("\(count) inputs; two and three for each part were expected")
    }
    return Array(stride(from: 2, to: count, by: 3))
  }

  func infer(_ context: inout InferenceContext) throws {
    let parts = try parts(context.inputs.count)
    for part in parts { try Quantized.require(context, part, Quantized.eightBit) }
    let given = try context.attributes.int("axis")
    let type = context.dataType(1) ?? context.dataType(2)
    guard let known = parts.first(where: { context.rank($0) != nil }), let first = context.shape(known) else {
      return context.set(0, type, nil)
    }
    let axis = try Axes.normalize(given, rank: first.count)
    var (result, length): ([Dim], Dim?) = (first, 0)
    for part in parts {
      guard let shape = context.shape(part) else {
        length = nil
        continue
      }
      guard shape.count == first.count else {
        throw CameoError.badInput("input \(part) has rank \(shape.count), the others have \(first.count)")
      }
      for other in shape.indices where other != axis {
        result[other] = try context.unify(result[other], shape[other], "dimension \(other) of input \(part)")
      }
      length = length.map { $0 + shape[axis] }
    }
    result[axis] = length ?? context.unknownDim()
    context.set(0, type, result)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let parts = try parts(context.inputs.count)
    let tensors = try parts.map { try Quantized.tensor(context, $0) }
    let type = tensors[0].dataType
    let to = try QuantizedScale(context, scale: 0, zero: 1, of: type)
    let axis = try Axes.normalize(try context.attributes.int("axis"), rank: tensors[0].rank)
    var shape = tensors[0].shape
    shape[axis] = 0
    for (part, tensor) in zip(parts, tensors) {
      guard tensor.dataType == type else {
        throw CameoError.badInput("inputs 2 and \(part) must agree in type, \(type) and \(tensor.dataType) are there")
      }
      guard tensor.rank == shape.count, shape.indices.allSatisfy({ $0 == axis || tensor.shape[$0] == shape[$0] }) else {
        throw CameoError.badInput("input \(part) of shape \(tensor.shape) does not fit \(shape) along axis \(axis)")
      }
      shape[axis] += tensor.shape[axis]
      guard shape[axis] < 1 << 56 else { throw CameoError.limit("the result's axis \(axis) is too long") }
    }
    let outer = try Tensor.elementCount(shape[..<axis])
    let inner = try Tensor.elementCount(shape[(axis + 1)...])
    var out = try ElementBuffer(type, shape)
    var start = 0
    for (part, tensor) in zip(parts, tensors) {
      let from = try QuantizedScale(context, scale: part + 1, zero: part + 2, of: type)
      let table = QuantizedTable(from: from, to: to, isSigned: type == .int8) { $0 }
      let moved = from == to ? tensor : try table.apply(to: tensor)
      let run = tensor.shape[axis] * inner
      for row in 0..<outer { out.copy(moved, from: row * run, count: run, to: row * shape[axis] * inner + start) }
      start += run
    }
    return [.tensor(try out.finish())]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QLinearConcat(), to: $0) })
