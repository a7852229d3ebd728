import GraphIR
import Tensors

/// ai.cameo.FusedMatMul: the transposes, MatMul, the factor, the sums with bias and residual, the activation.
private let body = FunctionBody("FusedMatMul", domain: "ai.cameo") { call in
  for (index, name, flag) in [(0, "A", "transA"), (1, "B", "transB")] {
    let turns = try call.attributes.bool(flag)
    try call.matrix(name, turns: turns, rank: turns ? try call.rank(index) : 0, as: "\(name)_ready")
  }
  try call.scalar("factor", Double(call.attributes.float("alpha", default: 1)))
  try call.write("plain = MatMul (A_ready, B_ready)  scaled = Mul (plain, factor)")
  try call.write(call.has(2) ? "first = Add (scaled, bias)" : "first = Identity (scaled)")
  try call.write(call.has(3) ? "sum = Add (first, residual)" : "sum = Identity (first)")
  try call.activate("sum", as: "Y")
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
