import GraphIR
import Tensors

/// ReduceLogSum: the logarithm of the sum.
private let body = FunctionBody("ReduceLogSum") { call in
  let keep = try call.attributes.int("keepdims")
  let none = try call.attributes.int("noop_with_empty_axes")
  let list = call.has(1) ? ", axes" : ""
  try call.write(
    """
    sum = ReduceSum <keepdims = \(keep), noop_with_empty_axes = \(none)> (data\(list))
    reduced = Log (sum)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
