import GraphIR
import Operators
import PassKit
import Tensors

/// Scores or probabilities that are read outside the attention, too: Attention's qk_matmul_output, in one of its modes.
///
/// Mode 0 is the scaled product, 1 that behind the soft cap, 2 that with the bias, 3 the probabilities. In mode 3 a row without
/// allowed key is 0.
struct ScoreOutput {
  let value: ValueID
  let mode: Int
  let place: ScorePlace

  /// Throws where no mode has the value.
  init(
    _ value: ValueID, _ core: AttentionCore, _ scale: ScaleForm, else refusal: Refusal, _ context: PassContext
  ) throws {
    self.value = value
    let (scores, probabilities) = (core.scores, core.probabilities)
    if let index = probabilities.stages.firstIndex(of: value) {
      (mode, place) = (3, probabilities.places[index])
      return
    }
    // What stands behind the value is outer, what makes it inner.
    guard let index = scores.values.firstIndex(of: value), let node = context.graph.producer(value),
      let depth = scores.nodes.firstIndex(of: node)
    else { throw refusal }
    place = scores.places[index]
    let outer = scores.steps.filter { (scores.nodes.firstIndex(of: $0.node) ?? 0) < depth }
    let inner = scores.steps.filter { (scores.nodes.firstIndex(of: $0.node) ?? 0) >= depth }
    var factor = 1.0
    for step in outer {
      switch step.kind {
      case .scale(let number): factor *= number
      case .factor: throw Refusal("the scores are handed on in front of a computed scale", at: step.node)
      case .tanh: throw Refusal("the scores are handed on in front of the soft cap", at: step.node)
      case .add, .select, .floor, .cast: break
      }
    }
    guard factor == 1 else {
      throw Refusal("the scores are handed on in front of a scale, qk_matmul_output is behind it", at: node)
    }
    let isMaskedBehind = outer.contains(where: \.masks)
    guard let mask = inner.first(where: \.masks) else {
      mode = scale.cap == nil ? 0 : 1
      return
    }
    if isMaskedBehind { throw Refusal("the scores are handed on between two masks", at: mask.node) }
    for step in inner where step.masks {
      guard case .add = step.kind else {
        throw Refusal("the scores are handed on with a number in the place of masked ones", at: step.node)
      }
    }
    mode = 2
  }

  /// `output`: [batch, heads, queries, keys], of the type of the computation.
  ///
  /// ONNX's own shape inference takes an open number of keys for 0 there, and so does ONNX Runtime, which then refuses a Reshape
  /// of it: with one the result may be an output of the graph, but nothing may read it.
  func replace(
    with output: GraphChange.Ref, _ layout: HeadLayout, _ type: DataType, _ context: PassContext,
    _ change: inout GraphChange
  ) throws {
    guard let own = context.dataType(value), own == type || own.isNarrower(than: type) else {
      let own = context.dataType(value).map { "\($0)" } ?? "an unknown type"
      throw Refusal(
        "\(context.graph[value].name) is handed on as \(own), Attention's scores are \(type)",
        at: context.graph.producer(value))
    }
    var result = output
    var shape = [layout.batch, layout.heads, layout.queries, layout.keys]
    if place.isFlipped {
      result = Reshaping.turn(result, rank: 4, &change)
      shape.swapAt(2, 3)
    }
    if own != type {
      result = change.node("Cast", [result], [NamedAttribute("to", .int(Int64(own.rawValue)))], covers: [])
    }
    // The same axes, whatever a mask made of their names.
    let target = place.lead + shape.suffix(2)
    let isPlain = target == shape || Reshaping.insertedOnes(target, shape) != nil
    let isRead = context.graph.consumers(value).contains { !change.covers.contains($0) }
    if !layout.keys.isKnown, isRead || !isPlain {
      throw Refusal(
        "the number of keys is open, and other runtimes take it for 0 in the scores that Attention hands on",
        at: context.graph.producer(value))
    }
    change.replace(value, with: try Reshaping.reshape(result, from: shape, to: target, &change))
  }
}

extension ScoreStep {
  /// True for what makes some scores smaller than they are.
  fileprivate var masks: Bool {
    switch kind {
    case .add, .select, .floor: true
    case .scale, .factor, .tanh, .cast: false
    }
  }
}
