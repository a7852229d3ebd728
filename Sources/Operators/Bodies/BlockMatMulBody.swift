import GraphIR
import Tensors

/// ai.cameo.BlockMatMul: the weights as float, MatMul, the sum with the bias.
private let body = FunctionBody("BlockMatMul", domain: "ai.cameo") { call in
  let attributes = call.attributes
  let (axis, block) = (try attributes.int("axis", default: 1), try attributes.int("block_size", default: 0))
  if call.has(5) {
    try writeBook(&call, axis: axis < 0 ? axis + 2 : axis, block)
  } else {
    try call.write(
      "plain = DequantizeLinear <axis = \(axis), block_size = \(block)> (W, scale\(call.has(3) ? ", zero_point" : ""))")
  }
  let weights = try attributes.bool("transB") ? "turned" : "plain"
  if weights == "turned" { try call.write("turned = Transpose <perm = [1, 0]> (plain)") }
  try call.write(
    call.has(4) ? "product = MatMul (A, \(weights))  Y = Add (product, bias)" : "Y = MatMul (A, \(weights))")
}

/// The numbers of the codes times their scales, blocks as an axis of their own.
private func writeBook(_ call: inout CallBuilder, axis: Int, _ block: Int) throws {
  guard !call.has(3), block > 0, axis == 0 || axis == 1 else {
    throw CameoError.badInput("a code book goes with blocks along an axis and without zero points")
  }
  guard let shape = call.shape(1)?.map(\.value), shape.count == 2, let rows = shape[0], let columns = shape[1] else {
    throw CameoError.unsupported("a code book for weights of unknown shape")
  }
  guard (axis == 0 ? rows : columns) % block == 0 else {
    throw CameoError.badInput("weights [\(rows), \(columns)] are no whole blocks of \(block)")
  }
  try call.ints("grouped", axis == 0 ? [rows / block, block, columns] : [rows, columns / block, block])
  try call.ints("matrix", [rows, columns])
  try call.ints("inside", [axis + 1])
  try call.write(
    """
    wide = Cast <to = 6> (W)
    levels = Gather (book, wide)
    blocks = Reshape (levels, grouped)
    scales = Unsqueeze (scale, inside)
    scaled = Mul (blocks, scales)
    plain = Reshape (scaled, matrix)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
