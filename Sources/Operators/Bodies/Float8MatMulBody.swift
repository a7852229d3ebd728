import GraphIR
import Tensors

/// ai.cameo.Float8MatMul: MatMul of the dequantized operands, the sums with bias and residual, the activation.
private let body = FunctionBody("Float8MatMul", domain: "ai.cameo") { call in
  let rank = try call.rank(Float8MatMul.Input.b)
  let isTransposed = try call.attributes.bool("transB") && rank > 1
  try call.write("left = DequantizeLinear (A, a_scale)")
  try call.write(
    "weights = DequantizeLinear <axis = \(max(0, rank - (isTransposed ? 2 : 1)))> (B, b_scale)")
  try call.matrix("weights", turns: isTransposed, rank: rank, as: "right")
  try call.write("plain = MatMul (left, right)")
  try call.write(call.has(Float8MatMul.Input.bias) ? "first = Add (plain, bias)" : "first = Identity (plain)")
  try call.write(call.has(Float8MatMul.Input.residual) ? "sum = Add (first, residual)" : "sum = Identity (first)")
  try call.activate("sum", as: "Y")
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
