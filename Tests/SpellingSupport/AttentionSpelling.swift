import Tensors

/// softmax(Q K^T * scale [softcap] + mask) V as exporters and people write it.
final class AttentionSpelling {
  let g: GraphWriter
  let casts: String
  let layout: String
  let kind: String
  let heads: String
  let source: String
  let cache: String
  let rope: String
  let kt: String
  let scale: String
  let mask: String
  let style: String
  let bias: String

  /// Sizes: batch, queries, new keys, cached keys, all keys.
  var batch = Size(1)
  var length = Size(1)
  var fresh = Size(1)
  var past = Size(0)
  var total = Size(1)
  let headCount: Int
  let groups: Int
  let depth: Int
  let valueDepth: Int
  let embed: Int
  /// The element type of the scores where the mask is applied.
  var scoreType: DataType { casts == "fp16FloatScores" ? .float : g.real }
  /// Q and all keys as [B, heads, length, depth] (or what the layout has in its place), with the axes of their lengths.
  var queryRef = (value: "", batch: 0, axis: 2)
  var batchRef = (value: "", axis: 0)
  var keyRef = (value: "", axis: 2)
  var pastRef: String?
  /// What masked scores are; empty until drawn.
  var fill = ""
  /// What stands before and after, in a block: the rows that go in, and what is added to those that come out.
  var entry: (rows: String, residual: String)?
  private(set) var rows = ""
  /// How finite fills have been applied: chosen in the place of scores, added to them.
  var fills: (areChosen: Bool, areAdded: Bool) = (false, false)
  /// The joined cache is an output of the graph, where that is drawn.
  var isHandedOn = true
  /// ALiBi's positions come in from outside: what they are is not known.
  var hasOpenPositions = false
  /// What of the scores is an output of the graph, besides: output_attentions.
  private(set) var handedOn = "none"
  /// What a breaker changes; nil in a good spelling.
  var flaw: String?

  static func make(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    let spelling = try AttentionSpelling(draw)
    return (spelling.g, try spelling.build())
  }

  init(_ draw: Draw, flaw: String? = nil) throws {
    var draw = draw
    self.flaw = flaw
    casts = try draw.pick("casts", ["none", "none", "fp16", "fp16FloatSoftmax", "fp16FloatScores"])
    let opsets = flaw == "windowUncached" ? 25...25 : 9...24
    g = try GraphWriter(draw, opsets: opsets, real: casts == "none" ? .float : .float16)
    func pick(_ axis: String, _ options: [String]) throws -> String { try self.g.draw.pick(axis, options) }
    let g = g
    let einsum = g.opset >= 12
    layout = try g.draw.pick(
      "layout",
      ["bhld", "bhld", "bhld", "bmm", "lbmm", "rank5", "rank3", "rank2"] + (einsum ? ["einsum"] : []))
    let hasHeads = ["bhld", "bmm", "rank5"].contains(layout)
    kind = try g.draw.pick("kind", layout == "rank5" ? ["self"] : ["self", "cross"])
    switch layout {
    case "bhld":
      heads = try g.draw.pick(
        "heads", ["mha", "gqaExpand", "gqaTile", "gqaConcat", "gqaGather", "mqaBroadcast", "mqaExpand"])
    case "bmm": heads = try g.draw.pick("heads", ["mha", "gqaExpand", "gqaTile", "mqaExpand"])
    case "rank5": heads = try g.draw.pick("heads", ["gqaBroadcast"])
    default: heads = try g.draw.pick("heads", ["mha"])
    }
    var sources = ["inputs", "inputs3d", "projected"]
    if layout == "lbmm" { sources = ["projected"] }
    if layout == "einsum" { sources = ["inputs3d", "projected"] }
    if layout == "rank3" || layout == "rank2" { sources = ["inputs", "projected"] }
    if layout == "bmm" { sources = ["inputs3d", "projected"] }
    if hasHeads && kind == "self" {
      sources += ["packedSplit", "packedSlice"]
      if heads == "mha" { sources += ["packedGather", "packedPerHead"] }
    }
    source = try g.draw.pick("source", sources)
    bias = try g.draw.pick("bias", source.hasPrefix("inputs") ? ["none"] : ["none", "add", "gemm"])
    let isSeqMajor = !["inputs", "packedGather", "packedPerHead"].contains(source)
    cache = try g.draw.pick(
      "cache",
      hasHeads && kind == "self"
        ? ["none", "none", "concat", "concatPacked"] + (isSeqMajor && layout == "bhld" ? ["concatSeqMajor"] : [])
          + (heads.hasPrefix("gqa") && layout != "rank5" ? ["concatRepeated"] : [])
          + (heads == "mha" && layout == "bhld" ? ["concatKeysTurned"] : [])
        : ["none"])
    rope = try g.draw.pick(
      "rope",
      (hasHeads || layout == "einsum") && kind == "self"
        ? ["none", "none", "none"] + RopeForm.forms(opset: g.opset) : ["none"])
    let isBare = cache == "none" && heads == "mha" && rope == "none" && isSeqMajor
    var transposed = ["swap"] + (einsum && cache != "concatKeysTurned" ? ["einsum"] : [])
    if layout == "bhld" && cache != "concatKeysTurned" { transposed += ["twoSteps", "flat3d"] }
    if (layout == "bhld" || layout == "bmm") && isBare { transposed += ["merged"] }
    if layout == "lbmm" { transposed = ["swap", "merged"] }
    if layout == "einsum" { transposed = ["einsum"] }
    if layout == "rank5" { transposed = ["swap"] }
    kt = try g.draw.pick("keyTranspose", transposed)
    var scales = [
      "none", "afterMul", "afterDiv", "queryMul", "queryDiv", "keyMul", "rootMul", "rootDiv", "sqrtConst", "sqrtShape",
      "powConst",
    ]
    if g.opset >= 10 { scales += ["sdpaScript"] }
    if source == "inputs3d" || source == "projected" { scales += ["beforeSplit"] }
    scale = try g.draw.pick("scale", scales)
    style = try g.draw.pick("reshape", ["constant", "zero", "computed"])
    let dynamic = try g.draw.pick(
      "dynamic", layout == "rank2" ? ["static", "length"] : ["static", "batch", "length", "both"])
    let openBatch = dynamic == "batch" || dynamic == "both"
    let openLength = dynamic == "length" || dynamic == "both"
    let severalGroups = flaw != nil ? 2...3 : heads == "mha" ? 1...4 : 1...2
    groups = heads.hasPrefix("mqa") ? 1 : g.draw.number(severalGroups)
    let isSingle = layout == "rank3" || layout == "rank2"
    headCount = isSingle ? 1 : heads == "mha" ? groups : groups * g.draw.number(2...3)
    depth = rope == "none" && flaw != "rotatedLate" ? g.draw.choose([3, 4, 6, 8]) : g.draw.choose([4, 8])
    let canDiffer = ["inputs", "inputs3d", "projected"].contains(source) && cache != "concatPacked"
    let differs = try g.draw.pick("valueDepth", canDiffer ? ["same", "other"] : ["same"]) == "other"
    valueDepth = differs ? depth + 1 : depth
    embed = g.draw.number(5...9)
    let isAlone = layout == "rank2" || flaw == "maskBatch"
    // One item is repeated for all heads, and a Squeeze without axes takes its axis.
    let areSeveral = (flaw ?? "").hasPrefix("open") || ["valueHeads", "queryHead"].contains(flaw)
    let batches = flaw == "regrouped" ? headCount + 1...headCount + 1 : areSeveral ? 2...3 : 1...3
    batch = Size(isAlone ? 1 : g.draw.number(batches), openBatch ? "batch" : nil)
    length = Size(g.draw.number(flaw == nil ? 2...6 : 3...6), openLength ? "length" : nil)
    let isWide = (flaw ?? "").hasPrefix("wide")
    let news = flaw == "moved" ? length.value + 1...length.value + 1 : isWide ? 512...512 : 2...7
    fresh = kind == "self" ? length : Size(g.draw.number(news), openLength ? "keys" : nil)
    past =
      cache == "none" ? Size(0) : Size(g.draw.number(flaw == "cacheOfThree" ? 2...4 : 1...4), openLength ? "past" : nil)
    var sum: String?
    if cache != "none" && openLength {
      let names = ["sum": "past + length", "own": "total", "words": "past_sequence_length + sequence_length"]
      sum = names[try g.draw.pick("totalSymbol", ["sum", "own", "words"])]
    }
    total = cache == "none" ? fresh : Size(past.value + fresh.value, sum)
    mask = try Self.drawMask(g, layout: layout, kind: kind)
  }

  /// The scale that the spelling computes.
  private(set) var scaleValue = 1.0

  func build() throws -> [Spelling.Expectation] {
    let standard = 1 / Double(depth).squareRoot()
    if scale == "none" {
      scaleValue = 1
    } else if ["sqrtShape", "sdpaScript"].contains(scale) {
      scaleValue = standard
    } else {
      scaleValue = try g.draw.pick("scaleValue", ["standard", "odd"]) == "odd" ? 0.37 : standard
    }
    let softcap = try g.draw.pick("softcap", ["none", "none", "none", "divTanhMul", "mulTanhMul"])
    let guardForm = try g.draw.pick("guard", ["none", "none", "isNaN"])
    let noise = try g.draw.pick("noise", ["none", "none", "dropout", "identity"])
    handedOn = try flaw != nil ? "none" : g.draw.pick("scores", scoreOutputs(softcap: softcap))
    let (q, k, v) = try flawed(operands: operands())
    var scores = try scaledScores(q, k)
    if handedOn == "scaled" { g.output(scores, scoreShape) }
    scores = try flawed(scores: scores)
    if casts == "fp16FloatScores" { scores = g.cast(scores, .float) }
    if flaw == "softcapLate" { scores = try masked(scores) }
    if softcap != "none" {
      let cap = try g.scalar(softcap == "divTanhMul" ? 2.5 : 0.4, scoreType)
      let back = try g.scalar(flaw == "softcapUneven" ? 1.7 : 2.5, scoreType)
      let small = softcap == "divTanhMul" ? g.div(scores, cap) : g.mul(scores, cap)
      scores = g.mul(g.node("Tanh", [small]), back)
    }
    if noise == "identity" { scores = g.node("Identity", [scores]) }
    if handedOn == "capped" { g.output(scores, scoreShape) }
    if flaw != "softcapLate" { scores = try masked(scores) }
    if handedOn == "biased" { g.output(scores, scoreShape) }
    scores = try flawed(masked: scores)
    if casts == "fp16FloatSoftmax" { scores = g.cast(scores, .float) }
    let rank = layout == "rank5" ? 5 : layout == "bhld" || layout == "einsum" ? 4 : layout == "rank2" ? 2 : 3
    let other = flaw == "softmaxRows" ? rank - 2 : flaw == "softmaxHeads" ? 1 : nil
    let axis = other ?? (g.opset >= 11 && g.draw.flip() ? -1 : rank - 1)
    var weights =
      try flawedSoftmax(scores, axis: rank - 1)
      ?? (g.opset >= 13 && other == nil && g.draw.flip() ? g.node("Softmax", [scores]) : g.softmax(scores, axis: axis))
    if casts == "fp16FloatSoftmax" || casts == "fp16FloatScores" { weights = g.cast(weights, .float16) }
    weights = try flawed(weights: weights)
    if guardForm == "isNaN" {
      let instead = try g.scalar(flaw == "nanToOne" ? 1 : 0)
      weights = g.node("Where", [g.node("IsNaN", [weights]), instead, weights])
    }
    if handedOn == "probabilities" { g.output(weights, scoreShape) }
    weights = try flawed(probabilities: weights)
    if noise == "dropout" { weights = try g.dropout(weights) }
    if noise == "identity" { weights = g.node("Identity", [weights]) }
    let result =
      layout == "einsum"
      ? g.node("Einsum", [weights, v], [.text("equation", "bhls,bshd->blhd")])
      : try flawedProduct(weights, v) ?? g.matMul(weights, v)
    rows = try finish(result)
    return expectations(softcap: softcap)
  }

  var scoreShape: [Size] {
    switch layout {
    case "rank2": [length, total]
    case "rank3": [batch, length, total]
    case "rank5": [batch, Size(groups), Size(headCount / groups), length, total]
    default: [batch, Size(headCount), length, total]
    }
  }

  /// Scores of [B * H, L, S] have no dimension that could be stated; open ones that need a Reshape are refused.
  private func scoreOutputs(softcap: String) -> [String] {
    if ["bmm", "lbmm"].contains(layout) || layout == "rank5" && total.symbol != nil { return ["none"] }
    var outputs = ["none", "none", "none", "none", "probabilities"]
    if softcap == "none" { outputs.append("scaled") }
    if softcap != "none", casts != "fp16FloatScores" { outputs.append("capped") }
    if mask.hasPrefix("free"), casts != "fp16FloatScores" { outputs.append("biased") }
    return outputs
  }

  private func expectations(softcap: String) -> [Spelling.Expectation] {
    typealias E = Spelling.Expectation
    var list = [E("Attention", .operators("Attention", 1)), E("scale", .scale(Float(scaleValue)))]
    if softcap != "none" { list.append(E("softcap", .softcap(2.5))) }
    if rope != "none" { list.append(E("RotaryEmbedding", .operators("RotaryEmbedding", 2))) }
    let isApart = ["concatSeqMajor", "concatKeysTurned"].contains(cache) && isHandedOn
    if cache.hasPrefix("concat") {
      list.append(E("past", isApart ? .noPast(["handed on with its axes in the order"]) : .past))
    }
    if heads != "mha" { list.append(E("keyHeads", .keyHeads(cache == "concatRepeated" ? headCount : groups))) }
    if mask == "none" { list.append(E("noMask", .noMask)) }
    if let mode = ["scaled": 0, "capped": 1, "biased": 2, "probabilities": 3][handedOn] {
      list.append(E("scores", .scores(mode)))
    }
    // Sequence first, the heads are one with the batch: there are more lengths than there were.
    if mask == "lengths", fill == "negInf", cache == "none", layout != "lbmm" { list.append(E("lengths", .lengths)) }
    if mask == "causal", !isApart, fill == "finfoMin" || fill == "negInf" {
      list.append(E("causal", .causal))
    }
    // A score of which one mask takes the place and the other is added to: where neither mask alone, but both together forbid
    // all keys of a row, the keys that one mask chose have equal weights, and no sum of scores and a bias has that. Only a fill
    // that swallows the scores leaves nothing of them either way.
    let swallows = fill == "negInf" || (fill == "finfoMin" && scoreType == .float)
    if fills.areChosen, fills.areAdded || hasOpenPositions, !swallows {
      let words = ["a row without allowed key would differ (--assume no-empty-rows"]
      return list.filter { $0.name == "RotaryEmbedding" }
        + [E("assumed", .assuming(list.filter { $0.name != "RotaryEmbedding" }, words))]
    }
    return list
  }
}
