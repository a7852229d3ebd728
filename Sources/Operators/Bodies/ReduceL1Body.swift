import GraphIR
import Tensors

/// ReduceL1: the sum of absolute values.
private let body = FunctionBody("ReduceL1") { call in
  let keep = try call.attributes.int("keepdims")
  let none = try call.attributes.int("noop_with_empty_axes")
  let list = call.has(1) ? ", axes" : ""
  try call.write(
    """
    absolute = Abs (data)
    reduced = ReduceSum <keepdims = \(keep), noop_with_empty_axes = \(none)> (absolute\(list))
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
