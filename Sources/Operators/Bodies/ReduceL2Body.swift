import GraphIR
import Tensors

/// ReduceL2: the root of the sum of squares.
private let body = FunctionBody("ReduceL2") { call in
  let keep = try call.attributes.int("keepdims")
  let none = try call.attributes.int("noop_with_empty_axes")
  let list = call.has(1) ? ", axes" : ""
  try call.write(
    """
    square = Mul (data, data)
    sum = ReduceSum <keepdims = \(keep), noop_with_empty_axes = \(none)> (square\(list))
    reduced = Sqrt (sum)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
