import GraphIR
import Tensors

/// RotaryEmbedding: pairs of each head, halves apart or neighbours, turned by the angles of their position.
private let body = FunctionBody("RotaryEmbedding") { call in
  let interleaved = try call.attributes.bool("interleaved")
  let part = try call.attributes.int("rotary_embedding_dim", default: 0)
  let isFlat = try call.rank() == 3
  let heads = try call.attributes.int("num_heads", default: 0)
  try call.ints("last", [-1])
  // Heads stand second, as in the four-dimensional layout.
  if isFlat {
    guard heads > 0 else { throw CameoError.badInput("num_heads is missing") }
    try call.ints("split", [0, 0, heads, -1])
    try call.write("apart = Reshape (X, split)  whole = Transpose <perm = [0, 2, 1, 3]> (apart)")
  } else {
    try call.write("whole = Identity (X)")
  }
  if part > 0 {
    try call.ints("begin", [0])
    try call.ints("middle", [part])
    try call.ints("end", [Int.max])
    try call.write("turned = Slice (whole, begin, middle, last)  rest = Slice (whole, middle, end, last)")
  } else {
    try call.write("turned = Identity (whole)")
  }
  try call.ints("one", [1])
  if call.has(3) {
    try call.write("c = Gather (cos_cache, position_ids)  s = Gather (sin_cache, position_ids)")
  } else {
    try call.write("c = Identity (cos_cache)  s = Identity (sin_cache)")
  }
  try call.write("cosine = Unsqueeze (c, one)  sine = Unsqueeze (s, one)")
  if interleaved {
    try call.ints("pairs", [0, 0, 0, -1, 2])
    try call.ints("joined", [0, 0, 0, -1])
    try call.write(
      """
      paired = Reshape (turned, pairs)
      a, b = Split <axis = -1, num_outputs = 2> (paired)
      first = Squeeze (a, last)
      second = Squeeze (b, last)
      """)
  } else {
    try call.write("first, second = Split <axis = -1, num_outputs = 2> (turned)")
  }
  try call.write(
    """
    ac = Mul (first, cosine)
    bs = Mul (second, sine)
    real = Sub (ac, bs)
    as = Mul (first, sine)
    bc = Mul (second, cosine)
    imaginary = Add (as, bc)
    """)
  if interleaved {
    try call.write(
      """
      real1 = Unsqueeze (real, last)
      imaginary1 = Unsqueeze (imaginary, last)
      both = Concat <axis = -1> (real1, imaginary1)
      done = Reshape (both, joined)
      """)
  } else {
    try call.write("done = Concat <axis = -1> (real, imaginary)")
  }
  try call.write(part > 0 ? "complete = Concat <axis = -1> (done, rest)" : "complete = Identity (done)")
  if isFlat {
    try call.ints("flat", [0, 0, -1])
    try call.write("back = Transpose <perm = [0, 2, 1, 3]> (complete)  Y = Reshape (back, flat)")
  } else {
    try call.write("Y = Identity (complete)")
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
