// A compiled pass. To try it:
//
//     Tools/build-plugin Passes/Examples/FuseClip.swift -o libFuseClip.so
//     cameo optimize model.onnx -o small.onnx --plugin ./libFuseClip.so

import GraphIR
import Operators
import PassKit
import Tensors

/// Recognises Clip in its two spellings.
///
/// Before: `Min(Max(x, low), high)`, `Max(Min(x, high), low)` with constants. After: `Clip(x, low, high)`.
enum FuseClip {
  static let pass = RewritePass(
    "FuseClip", level: 2, summary: "Min(Max(x, low), high) becomes Clip", rules: [maxFirst, minFirst])

  private static let maxFirst = PatternRule("FuseClip", match: pattern(inner: "Max", outer: "Min")) {
    match, context, change in
    try rewrite(match, context, &change, low: "inner", high: "outer")
  }

  private static let minFirst = PatternRule("FuseClip.minFirst", match: pattern(inner: "Min", outer: "Max")) {
    match, context, change in
    try rewrite(match, context, &change, low: "outer", high: "inner")
  }

  private static func pattern(inner: String, outer: String) -> Pattern {
    Pattern(
      [
        PatternNode(inner, inputs: [.value("x"), .constant("inner", .any)], outputs: ["m"]).key(),
        PatternNode(outer, inputs: [.value("m"), .constant("outer", .any)], outputs: ["y"]),
      ], results: ["y"])
  }

  private static func rewrite(
    _ match: Match, _ context: PassContext, _ change: inout GraphChange, low: String, high: String
  ) throws {
    guard let x = match.value("x"), let y = match.value("y"), let type = context.dataType(x) else { return }
    guard type.isFloatingPoint else { throw Refusal("it bounds integers") }
    guard context.mayEmit(opset: 12) else { throw Refusal("Clip with bounds as inputs needs opset 12") }
    guard let least = context.constant(match.value(low)), let most = context.constant(match.value(high)),
      least.count == 1, most.count == 1
    else { throw Refusal("a bound is not one number") }
    let (lower, upper) = (try least.scalar(as: Double.self), try most.scalar(as: Double.self))
    // Clip gives the upper bound where they cross, and so does Min(Max(x, low), high).
    guard high == "outer" || lower <= upper else { throw Refusal("the bounds cross: \(lower) and \(upper)") }
    guard context.haveSameShape(x, y) else { throw Refusal("a bound has more dimensions than what it bounds") }
    let bounds = [change.constant(try least.reshaped([])), change.constant(try most.reshaped([]))]
    change.replace(y, with: change.node("Clip", [.existing(x)] + bounds))
  }
}

@c(cameo_plugin_register)
public func register(_ host: UnsafeRawPointer?, _ call: UInt64) -> Int32 {
  Plugin.register(call) { plugin in
    plugin.add(FuseClip.pass, place: .fusions)
  }
}
