import GraphIR
import Tensors

/// com.microsoft.BiasSoftmax(data, bias): softmax over all axes from `axis` on of data + bias.
///
/// bias broadcasts as NumPy has it; where its shape does not, it is [rows, width] of the flattened axes and repeats its rows
/// (`is_inner_broadcast`: each row for a run of data's rows; else the whole for each run).
struct MicrosoftBiasSoftmax: ComposedOperator {
  let name = OperatorName("BiasSoftmax", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O BiasSoftmax 1 2 2 1 1
    a axis int=1
    a is_inner_broadcast int!
    i data T
    i bias T
    o output T
    c T tensor(*):float16,float,double,bfloat16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let data = try c.given(0, "data")
    let x = try c.wide(data)
    let bias = try c.wide(try c.given(1, "bias"))
    let shape = try c.shape(x)
    let axis = try Axes.normalize(try c.attributes.int("axis"), rank: max(1, shape.count))
    let sum: C.Ref
    if let joined = try? Broadcast.shape(shape, try c.shape(bias)), joined == shape {
      sum = try c.add(x, bias)
    } else {
      sum = try repeated(&c, x, bias, width: Axes.product(shape[axis...]))
    }
    let y: C.Ref
    if axis == shape.count - 1 {
      y = try c.node("Softmax", [sum], [NamedAttribute("axis", .int(-1))])
    } else {
      let flat = try c.node("Flatten", [sum], [NamedAttribute("axis", .int(Int64(axis)))])
      let rows = try c.node("Softmax", [flat], [NamedAttribute("axis", .int(-1))])
      y = try c.node("Reshape", [rows, try c.node("Shape", [x])])
    }
    return [try c.cast(y, try c.type(data))]
  }

  private func repeated<C: Composer>(_ c: inout C, _ x: C.Ref, _ bias: C.Ref, width: Dim) throws -> C.Ref {
    let size = try c.number(width, "the size of the axes that softmax runs over")
    let count = try c.number(Axes.product(try c.shape(bias)), "the size of bias")
    let total = try c.number(Axes.product(try c.shape(x)), "the size of data")
    guard size > 0, count > 0, count % size == 0, total % count == 0 else {
      throw CameoError.badInput("bias with \(count) elements for data with \(total) in rows of \(size)")
    }
    let rows = count / size
    let isInner = try c.attributes.bool("is_inner_broadcast")
    let blocks = try c.reshape(x, isInner ? [rows, total / count, size] : [total / count, rows, size])
    let sum = try c.add(blocks, try c.reshape(bias, isInner ? [rows, 1, size] : [1, rows, size]))
    return try c.node("Reshape", [sum, try c.node("Shape", [x])])
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftBiasSoftmax(), to: $0) })
