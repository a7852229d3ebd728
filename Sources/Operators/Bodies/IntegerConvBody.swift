import GraphIR
import Tensors

/// Conv of the dequantized operands between two Transposes, then what all integer products do.
private let body = FunctionBody("IntegerConv", domain: "ai.cameo") { call in
  let rank = try call.rank(IntegerEpilogue.Input.a)
  let others = ["activation", "activation_params", "channels_first"]
  let kept = call.node.attributes.filter { !others.contains($0.name) }
  let isFirst = try call.attributes.bool("channels_first")
  try call.dequantize("X", at: IntegerEpilogue.Input.a, as: "image")
  try call.dequantize("W", at: IntegerEpilogue.Input.b, axis: 0, as: "weights")
  try call.write(
    isFirst ? "first = Identity (image)" : "first = Transpose <perm = \(ChannelsLast.toFirst(rank))> (image)")
  // Conv itself takes one bias a channel; one for all is added afterwards.
  let bias = IntegerEpilogue.Input.bias
  let isOne = call.has(bias) && call.shape(bias)?.first?.value ?? 1 == 1
  try call.write("plain = Conv (first, weights\(call.has(bias) && !isOne ? ", bias" : ""))", attributes: kept)
  try call.write("last = Transpose <perm = \(ChannelsLast.toLast(rank))> (plain)")
  try call.finishIntegers("last", bias: isOne ? "bias" : nil)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })

extension CallBuilder {
  /// DequantizeLinear of the input `name` at `index`, its scale and zero point behind it, as `result`. Per `axis` where one of the two has
  /// more than one element.
  mutating func dequantize(_ name: String, at index: Int, axis: Int = 0, as result: String) throws {
    let prefix = name.lowercased()
    func isRow(_ input: Int) -> Bool { has(input) && shape(input).map { !$0.allSatisfy { $0.value == 1 } } ?? false }
    let (rowScale, rowZero) = (isRow(index + 1), isRow(index + 2))
    var (scale, zero) = ("\(prefix)_scale", has(index + 2) ? "\(prefix)_zero" : nil)
    if rowScale || rowZero {
      if let point = zero, rowScale != rowZero {
        let (one, row) = rowScale ? (point, scale) : (scale, point)
        try write("\(prefix)_row = Shape (\(row))  \(one)_row = Expand (\(one), \(prefix)_row)")
        if rowScale { zero = "\(point)_row" } else { scale = "\(scale)_row" }
      }
    } else {
      try write("\(scale)_one = Squeeze (\(scale))")
      if let point = zero {
        try write("\(point)_one = Squeeze (\(point))")
        zero = "\(point)_one"
      }
      scale = "\(scale)_one"
    }
    let inputs = [name, scale] + (zero.map { [$0] } ?? [])
    try write("\(result) = DequantizeLinear <axis = \(axis)> (\(inputs.joined(separator: ", ")))")
  }

  /// Bias, Z, activation and QuantizeLinear of `value`: Y.
  mutating func finishIntegers(_ value: String, bias: String?) throws {
    if let bias {
      let isOne = shape(IntegerEpilogue.Input.bias)?.allSatisfy { $0.value == 1 } ?? false
      try write("row = \(isOne ? "Squeeze" : "Identity") (\(bias))  biased = Add (\(value), row)")
    } else {
      try write("biased = Identity (\(value))")
    }
    if has(IntegerEpilogue.Input.zScale) {
      try dequantize("Z", at: IntegerEpilogue.Input.z, as: "residual")
      try write("sum = Add (biased, residual)")
    } else {
      try write(has(IntegerEpilogue.Input.z) ? "sum = Add (biased, Z)" : "sum = Identity (biased)")
    }
    guard has(IntegerEpilogue.Input.yScale) else { return try activate("sum", .float, as: "Y") }
    try activate("sum", .float, as: "active")
    try write("scale = Squeeze (y_scale)  zero = Squeeze (y_zero)  Y = QuantizeLinear (active, scale, zero)")
  }
}
