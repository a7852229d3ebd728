import GraphIR
import Tensors

/// ai.cameo.BlockMatMul: the weights as float, MatMul, the sum with the bias.
private let body = FunctionBody("BlockMatMul", domain: "ai.cameo") { call in
  let attributes = call.attributes
  let (axis, block) = (try attributes.int("axis", default: 1), try attributes.int("block_size", default: 0))
  try call.write(
    "plain = DequantizeLinear <axis = \(axis), block_size = \(block)> (W, scale\(call.has(3) ? ", zero_point" : ""))")
  let weights = try attributes.bool("transB") ? "turned" : "plain"
  if weights == "turned" { try call.write("turned = Transpose <perm = [1, 0]> (plain)") }
  try call.write(
    call.has(4) ? "product = MatMul (A, \(weights))  Y = Add (product, bias)" : "Y = MatMul (A, \(weights))")
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
