import GraphIR
import Tensors

/// CastLike: Cast to the type of the second input.
private let body = FunctionBody("CastLike") { call in
  let saturate = try call.attributes.int("saturate")
  let mode = try call.attributes.string("round_mode", default: "up")
  try call.write(
    "output = Cast <to = \(try call.element(1).rawValue), saturate = \(saturate), round_mode = \"\(mode)\"> (input)")
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
