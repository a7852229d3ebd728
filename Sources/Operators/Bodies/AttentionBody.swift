import GraphIR
import Tensors

/// Attention: softmax(scale * Q K' + bias) V in products, a bias and a Softmax.
///
/// Calls with nonpad_kv_seqlen have no body here. A row without an allowed key gives 0, as the operator does.
private let body = FunctionBody("Attention") { call in
  guard !call.has(6) else { throw CameoError.unsupported("nonpad_kv_seqlen has no function body") }
  let heads = try AttentionHeads(call)
  try split(&call, heads)
  for (name, past) in [("key", 4), ("value", 5)] {
    let cache = name == "key" ? "past_key" : "past_value"
    try call.write(
      call.has(past)
        ? "present_\(name) = Concat <axis = 2> (\(cache), \(name))" : "present_\(name) = Identity (\(name))")
  }
  try repeatHeads(&call, heads)
  try call.scalar("factor", heads.scale)
  try call.write(
    """
    turned = Transpose <perm = [0, 1, 3, 2]> (all_key)
    product = MatMul (query, turned)
    scaled = Mul (product, factor)
    """)
  let softcap = Double(try call.attributes.float("softcap", default: 0))
  if softcap > 0 {
    try call.scalar("cap", softcap)
    try call.write("part = Div (scaled, cap)  bent = Tanh (part)  capped = Mul (bent, cap)")
  } else {
    try call.write("capped = Identity (scaled)")
  }
  let isMasked = try bias(&call)
  try probabilities(&call, isMasked: isMasked)
  try call.write("result = MatMul (weights, all_value)")
  if heads.isFlat {
    try call.ints("flat", [0, 0, -1])
    try call.write("back = Transpose <perm = [0, 2, 1, 3]> (result)  Y = Reshape (back, flat)")
  } else {
    try call.write("Y = Identity (result)")
  }
  let names = ["scaled", "capped", "biased", "weights"]
  let mode = try call.attributes.int("qk_matmul_output_mode", default: 0)
  guard names.indices.contains(mode) else { throw CameoError.badInput("qk_matmul_output_mode is \(mode)") }
  if call.hasOutput(3) { try call.write("qk_matmul_output = Identity (\(names[mode]))") }
}

/// How the inputs divide into heads.
private struct AttentionHeads {
  let isFlat: Bool
  let query: Int
  let keys: Int
  let scale: Double

  init(_ call: CallBuilder) throws {
    isFlat = try call.rank() == 3
    let shapes = [call.shape(0) ?? [], call.shape(1) ?? []]
    func unknown(_ what: String) -> CameoError { .unsupported("\(what) is not known") }
    if isFlat {
      query = try call.attributes.int("q_num_heads", default: 0)
      keys = try call.attributes.int("kv_num_heads", default: 0)
    } else if shapes[1].count == 4, shapes[0][1] == shapes[1][1] {
      (query, keys) = (1, 1)
    } else {
      guard shapes[1].count == 4, let q = shapes[0][1].value, let k = shapes[1][1].value else {
        throw unknown("the number of heads")
      }
      (query, keys) = (q, k)
    }
    guard query > 0, keys > 0, query % keys == 0 else {
      throw CameoError.badInput("\(query) query heads over \(keys) key heads")
    }
    if let given = try call.attributes.optionalFloat("scale") {
      scale = Double(given)
    } else {
      guard let width = shapes[0].last?.value else { throw unknown("the size of a head") }
      scale = 1 / Double(max(1, isFlat ? width / query : width)).squareRoot()
    }
  }
}

/// Query, key and value with their heads second.
private func split(_ call: inout CallBuilder, _ heads: AttentionHeads) throws {
  for (name, input, count) in [("query", "Q", heads.query), ("key", "K", heads.keys), ("value", "V", heads.keys)] {
    guard heads.isFlat else {
      try call.write("\(name) = Identity (\(input))")
      continue
    }
    try call.ints("\(name)_split", [0, 0, count, -1])
    try call.write(
      "\(name)_apart = Reshape (\(input), \(name)_split)  \(name) = Transpose <perm = [0, 2, 1, 3]> (\(name)_apart)")
  }
}

/// Each key head once for every query head that reads it.
private func repeatHeads(_ call: inout CallBuilder, _ heads: AttentionHeads) throws {
  for name in ["key", "value"] {
    guard heads.query != heads.keys else {
      try call.write("all_\(name) = Identity (present_\(name))")
      continue
    }
    try call.ints("two", [2])
    try call.ints("group", [1, 1, heads.query / heads.keys, 1, 1])
    try call.ints("count", [heads.query])
    try call.write(
      """
      \(name)_five = Unsqueeze (present_\(name), two)
      \(name)_many = Expand (\(name)_five, group)
      \(name)_batch = Shape <start = 0, end = 1> (present_\(name))
      \(name)_rest = Shape <start = 2> (present_\(name))
      \(name)_shape = Concat <axis = 0> (\(name)_batch, count, \(name)_rest)
      all_\(name) = Reshape (\(name)_many, \(name)_shape)
      """)
  }
}

/// `biased`: the scores with everything that a mask forbids at -inf. True where a row may have no allowed key.
private func bias(_ call: inout CallBuilder) throws -> Bool {
  try call.scalar("low", -.infinity)
  let isCausal = try call.attributes.bool("is_causal")
  let (left, right) = (
    try call.attributes.int("left_window_size", default: -1), try call.attributes.int("right_window_size", default: -1)
  )
  var current = "capped"
  if call.has(3) {
    if try call.element(3) == .bool {
      try call.write("masked = Where (attn_mask, capped, low)")
    } else {
      try call.write("masked = Add (capped, attn_mask)")
    }
    current = "masked"
  }
  if isCausal || left >= 0 || right >= 0 {
    try call.scalar("none", 0, .int64)
    try call.scalar("step", 1, .int64)
    try call.ints("first", [0])
    try call.ints("second", [1])
    try call.write(
      """
      rows = Shape <start = 2, end = 3> (query)
      columns = Shape <start = 2, end = 3> (present_key)
      row_count = Squeeze (rows, first)
      column_count = Squeeze (columns, first)
      row_range = Range (none, row_count, step)
      column_range = Range (none, column_count, step)
      column = Unsqueeze (column_range, first)
      \(call.has(4) ? "offset = Shape <start = 2, end = 3> (past_key)" : "offset = Identity (first)")
      moved = Add (row_range, offset)
      row = Unsqueeze (moved, second)
      distance = Sub (column, row)
      """)
    if isCausal || right >= 0 {
      try call.scalar("ahead", Double(isCausal ? 0 : right), .int64)
      try call.write("near = LessOrEqual (distance, ahead)  ended = Where (near, \(current), low)")
      current = "ended"
    }
    if left >= 0 {
      try call.scalar("behind", Double(-left), .int64)
      try call.write("late = GreaterOrEqual (distance, behind)  begun = Where (late, \(current), low)")
      current = "begun"
    }
  }
  try call.write("biased = Identity (\(current))")
  return call.has(3) || left >= 0 || right >= 0
}

/// `weights`: the softmax of the biased scores, in the precision that the call asks for.
private func probabilities(_ call: inout CallBuilder, isMasked: Bool) throws {
  let type = try call.element()
  let precision = try call.attributes.dataType("softmax_precision") ?? type
  try call.cast("biased", from: type, to: precision, as: "exact")
  try call.write("soft = Softmax (exact)")
  try call.cast("soft", from: precision, to: type, as: "narrow")
  if isMasked {
    try call.scalar("nothing", 0)
    try call.write("empty = IsNaN (narrow)  weights = Where (empty, nothing, narrow)")
  } else {
    try call.write("weights = Identity (narrow)")
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
