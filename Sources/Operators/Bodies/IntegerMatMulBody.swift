import GraphIR
import Tensors

/// MatMul of the dequantized operands, then what all integer products do.
private let body = FunctionBody("IntegerMatMul", domain: "ai.cameo") { call in
  let rank = try call.rank(IntegerEpilogue.Input.b)
  let isTransposed = try call.attributes.bool("transB") && rank > 1
  try call.dequantize("A", at: IntegerEpilogue.Input.a, as: "left")
  try call.dequantize("B", at: IntegerEpilogue.Input.b, axis: isTransposed ? rank - 2 : rank - 1, as: "weights")
  try call.matrix("weights", turns: isTransposed, rank: rank, as: "right")
  try call.write("plain = MatMul (left, right)")
  try call.finishIntegers("plain", bias: call.has(IntegerEpilogue.Input.bias) ? "bias" : nil)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
