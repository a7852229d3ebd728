extension Breakers {
  /// `layout` bhld: [batch, heads, length, size], K transposed by its last two axes.
  private static let heads = ["layout": "bhld", "kind": "self", "keyTranspose": "swap"]
  private static let plain = heads.with(["heads": "mha", "cache": "none", "rope": "none"])
  /// Nothing but the two products, a scale and the Softmax.
  private static let bare = plain.with([
    "mask": "none", "softcap": "none", "casts": "none", "guard": "none", "noise": "none",
  ])
  private static let unscaled = bare.with(["scale": "none"])
  private static let grouped = bare.with([
    "layout": "rank5", "heads": "gqaBroadcast", "dynamic": "batch", "source": "inputs3d",
  ])
  private static let cached = bare.with(["cache": "concat", "scale": "afterMul"])
  private static let packed = bare.with(["source": "inputs3d", "result": "merged"])
  private static let causal = heads.with([
    "mask": "causal", "fill": "finfoMin", "dynamic": "static", "cache": "none", "casts": "none",
  ])
  private static let padding = plain.with([
    "mask": "padding", "paddingForm": "bool", "apply": "whereKeep", "rows": "anyKey", "casts": "none",
    "softcap": "none",
  ])

  static let attentionFlaws: [Flaw] =
    productFlaws + einsumFlaws + softmaxFlaws + typeFlaws + scoreFlaws + maskFlaws + readFlaws + layoutFlaws + openFlaws
    + causalFlaws + headFlaws
    + cacheFlaws + packFlaws + microsoftFlaws

  private static func attention(
    _ name: String, _ needs: [String: String], opsets: ClosedRange<Int>? = nil, ceiling: Int? = nil, _ sentence: String
  ) -> Flaw {
    Flaw(name: name, needs: needs, opsets: opsets, ceiling: ceiling, expectation: .refused("Attention", [sentence]))
  }

  private static let productFlaws = [
    attention("oldOpset", plain, opsets: 9...22, ceiling: 22, "Attention needs opset 23, the output is limited to *"),
    attention("softmaxRows", plain, "Softmax runs over axis *, not the last"),
    attention("softmaxHeads", plain.with(["mask": "none"]), "Softmax runs over axis *, not the last"),
    attention("weightsMul", plain.with(["mask": "none"]), "Mul stands between Softmax and the product with V"),
    attention("rectifiedBehind", plain, "Relu stands between Softmax and the product with V"),
    attention(
      "nanToOne", plain.with(["guard": "isNaN", "mask": "padding", "fill": "negInf", "casts": "none"]),
      "a Where puts something else than 0 in the place of NaN behind the Softmax"),
    attention("summedOverQueries", bare, "the product behind the Softmax sums over the queries, not over the keys"),
    attention(
      "otherBody", bare, "the Softmax and its products stand in different bodies"),
    attention(
      "gemmScaled", bare.with(["layout": "rank2", "source": "inputs"]),
      "the product with V is a Gemm that scales or adds"),
  ]

  private static let einsumFlaws = [
    attention(
      "einsumApart", bare.with(["keyTranspose": "einsum"]), opsets: 12...24,
      "the equation * is no matrix product of two operands"),
    attention(
      "einsumOne", bare.with(["keyTranspose": "einsum", "heads": "mqaBroadcast"]), opsets: 12...24,
      "the equation * broadcasts an axis of length 1"),
    attention(
      "einsumJoined", bare.with(["keyTranspose": "einsum", "layout": "rank3", "dynamic": "length"]), opsets: 12...24,
      "the equation * joins axes of unknown length"),
  ]

  /// Softmax in pieces.
  private static let softmaxFlaws = [
    attention("piecesAdded", bare, "something is added to the sum of the exponentials"),
    attention("piecesDropped", bare.with(["layout": "rank2"]), "* of the exponentials drops its axis"),
    attention("piecesPlane", bare, "* of the exponentials does not run over one known axis"),
    attention("piecesRead", bare, "the value * inside the softmax is also read elsewhere"),
    attention("piecesGiven", bare, "the value * inside the softmax is an output of the graph"),
  ]

  private static let typeFlaws = [
    attention("integers", unscaled, "* is int32, not of a floating-point type"),
    attention("mixedHalves", unscaled, opsets: 13...24, "Q is bfloat16, V is float16"),
    attention(
      "narrowed", plain.with(["casts": "none", "mask": "none"]),
      "the scores are cast from float to float16 before the Softmax"),
    attention("biasDouble", bare, "the bias is double, the product of Q and K float"),
    attention("readWide", bare, "* is handed on as double, Attention's scores are float"),
  ]

  private static let scoreFlaws = [
    attention("negated", plain, "the scale is *, Attention takes positive ones"),
    attention("rectified", plain, "Relu stands between QK and Softmax"),
    attention("cappedTwice", plain.with(["softcap": "none"]), "the scores pass two Tanh"),
    attention("cappedByInput", plain.with(["softcap": "none"]), "the soft cap is a computed number"),
    attention("cappedNegative", plain.with(["softcap": "none", "mask": "none"]), "the soft cap is *"),
    attention(
      "softcapLate", plain.with(["softcap": "divTanhMul", "mask": "free11ls"]),
      "a bias or mask is applied before the soft cap"),
    attention(
      "scaledLate", plain.with(["mask": "free11ls", "softcap": "none", "casts": "none"]),
      "a bias or mask is applied before a computed scale"),
    attention(
      "scaleByKey", plain.with(["scale": "afterMul", "mask": "none", "dynamic": "static"]),
      "Mul by a tensor that differs between keys stands between QK and Softmax"),
    attention(
      "maskMul", plain.with(["mask": "free11ls"]),
      "Mul by a tensor that differs between keys stands between QK and Softmax"),
    attention("mixed", bare, "a Where mixes the scores with a computed value"),
    attention("floorTurned", bare, "a lower bound of the scores is scaled by *"),
    attention(
      "moved", bare.with(["kind": "cross", "source": "inputs", "dynamic": "static"]),
      "Reshape moves the scores' queries and keys between QK and Softmax"),
    Flaw(name: "softcapUneven", needs: plain.with(["softcap": "divTanhMul"]), expectation: .anything),
    // Right as a factor of Q or of the scale.
    Flaw(name: "scaleByHead", needs: plain.with(["scale": "afterMul", "mask": "none"]), expectation: .anything),
  ]

  private static let maskFlaws = [
    attention(
      "fillReached", padding.with(["fill": "minus1e4"]), "masked scores are set to *, which scores may reach"),
    attention("fillNaN", padding.with(["fill": "minus1e4"]), "masked scores are set to NaN"),
    attention(
      "chosenBeside", padding.with(["fill": "minus1e4"]),
      "masked scores are set to * beside a bias: a row without allowed key would differ (--assume no-empty-rows says that there is none)"
    ),
    attention(
      "maskBatch", plain.with(["mask": "freeB1ls", "source": "inputs", "result": "raw", "dynamic": "static"]),
      "a mask or bias broadcasts the scores' leading axes [*] and [*]"),
    attention(
      "biasRows", bare.with(["kind": "cross", "source": "inputs", "result": "raw", "dynamic": "static"]),
      "the bias has more rows than the scores"),
    attention("biasOverGroups", grouped, "* is broadcast along a part of the batch [*]"),
  ]

  private static let readFlaws = [
    attention("readBoth", plain.with(["mask": "none"]), "the value * inside the attention is an output of the graph"),
    attention("readElsewhere", bare, "the value * inside the attention is also read elsewhere"),
    attention(
      "readScores", plain.with(["scale": "afterMul", "mask": "none", "softcap": "none"]),
      "the scores are handed on in front of a scale, qk_matmul_output is behind it"),
    attention("readUnscaled", bare, "the scores are handed on in front of a computed scale"),
    attention(
      "readUncapped", plain.with(["softcap": "divTanhMul", "mask": "none"]),
      "the scores are handed on in front of the soft cap"),
    attention(
      "readMasked", padding.with(["fill": "finfoMin"]),
      "the scores are handed on with a number in the place of masked ones"),
    attention("readBetween", bare.with(["mask": "free11ls"]), "the scores are handed on between two masks"),
    attention(
      "readOpen", bare.with(["dynamic": "length"]),
      "the number of keys is open, and other runtimes take it for 0 in the scores that Attention hands on"),
  ]

  private static let layoutFlaws = [
    attention("regrouped", bare.with(["dynamic": "static"]), "the heads are regrouped from [*] to [*]"),
    attention(
      "scaleRegrouped", bare.with(["layout": "bmm", "source": "inputs3d", "dynamic": "static"]),
      "a computed scale stands where the scores have other leading axes than Q"),
    attention(
      "valueHeads", bare.with(["heads": "mqaBroadcast", "source": "inputs"]), "K has * heads, V has *"),
    attention(
      "queryHead", bare.with(["source": "inputs"]), "Q is broadcast along the heads, Attention does not broadcast it"),
    attention(
      "otherBatch", bare.with(["kind": "cross", "source": "inputs", "dynamic": "batch", "result": "raw"]),
      "* has * along a leading axis where the scores have *"),
    attention(
      "headsInTurn", grouped, "the heads of * repeat in an order that Attention does not have"),
    attention(
      "openGroups", grouped.with(["dynamic": "both"]), "[*] cannot be written as [*]: too many lengths are open"),
    attention(
      "valuesOfFour", bare.with(["layout": "rank3", "source": "inputs"]),
      "the leading axes [*] of * are not those of the scores"),
  ]

  /// Of what a Squeeze without axes leaves, nothing is known. Opset 13: before, Softmax of an unknown rank is in pieces.
  private static let openFlaws = [
    attention(
      "openScores", bare.with(["dynamic": "batch"]), opsets: 13...24, "the rank of the Softmax's input is not known"),
    attention("openSum", bare.with(["dynamic": "batch"]), opsets: 13...24, "the shape of * is not known"),
    attention(
      "openOperand", bare.with(["dynamic": "batch"]), opsets: 13...24,
      "the product has operands of a rank that is not known"),
    attention(
      "openSource", unscaled.with(["dynamic": "batch"]), opsets: 13...24, "the shape of an operand is not known"),
    attention("openBias", bare.with(["dynamic": "batch"]), opsets: 13...24, "the rank of the bias is not known"),
  ]

  private static func causal(_ name: String, _ needs: [String: String], _ sentence: String) -> Flaw {
    Flaw(name: name, needs: needs, expectation: .notCausal([sentence]))
  }

  private static let causalFlaws = [
    causal("causalShifted", causal, "the causal triangle is shifted by *, is_causal counts from the cache's * keys"),
    causal("causalStrict", causal, "the causal triangle is shifted by *, is_causal counts from the cache's * keys"),
    causal("causalHole", causal, "the mask is the same in every run, but no causal triangle or window"),
    causal(
      "causalBesideRow", causal.with(["fill": "negInf", "softcap": "none"]),
      "what the causal triangle is joined with does not have * keys"),
    causal(
      "causalBeside", causal.with(["fill": "minus1e9", "causalForm": "constAdded", "softcap": "none"]),
      "where the bias beside the triangle forbids all keys up to a query's own, the mean would be of fewer values (--assume no-empty-rows says that this does not occur)"
    ),
    causal(
      "causalRow",
      causal.with([
        "mask": "causalPadding", "combine": "and", "causalForm": "constBool", "paddingForm": "bool",
        "maskInput": "bool", "fill": "negInf",
      ]), "without the triangle the mask would have one row, which ONNX Runtime does not take"),
    Flaw(
      name: "causalUncached", needs: causal.with(["heads": "mha", "rope": "none", "cache": "concat"]),
      expectation: .noPast(["is_causal counts from the first key, with a cache of * keys from their end"])),
    Flaw(
      name: "windowUncached",
      needs: bare.with([
        "mask": "window", "fill": "negInf", "causalForm": "constBool", "dynamic": "static", "cache": "concat",
      ]), expectation: .noPast(["the * window counts from the first key, with a cache from its end"])),
    Flaw(
      name: "windowOld", needs: plain.with(["mask": "window", "fill": "negInf", "casts": "none"]),
      expectation: .masked([
        "the mask is no causal triangle but a window of * keys, which Attention knows from opset 25 on"
      ])),
    Flaw(
      name: "lengthsOld", needs: plain.with(["mask": "lengths", "fill": "negInf"]), opsets: 11...23, ceiling: 23,
      expectation: .masked(["the mask is of lengths, which Attention knows as nonpad_kv_seqlen from opset 24 on"])),
  ]

  private static func repeated(_ name: String, _ needs: [String: String], _ sentence: String) -> Flaw {
    Flaw(name: name, needs: needs, expectation: .allHeads(0, [sentence]))
  }

  private static let headFlaws = [
    repeated(
      "headOrder", heads.with(["heads": "gqaGather", "cache": "none"]),
      "query head h reads key head h % *, Attention's is h / *"),
    repeated(
      "valueHeadOrder", heads.with(["heads": "gqaGather", "cache": "none"]),
      "query head h reads key head h % *, Attention's is h / *"),
    repeated(
      "headsPicked", heads.with(["heads": "gqaGather", "cache": "none"]), "key heads are picked in the order *"),
    repeated(
      "repeatedAlone", bare.with(["heads": "gqaGather"]), "the heads of the * are repeated, those of the * are not"),
    repeated(
      "repeatedApart", bare.with(["heads": "gqaGather", "source": "inputs"]),
      "* key heads are repeated * times, * value heads * times"),
    repeated(
      "cacheOfRepeated", bare.with(["heads": "gqaExpand", "cache": "concatRepeated"]),
      "the cache holds all * repeated heads"),
  ]

  private static func cached(_ name: String, _ needs: [String: String], _ sentence: String) -> Flaw {
    Flaw(name: name, needs: needs, expectation: .noPast([sentence]))
  }

  private static let cacheFlaws = [
    // Right with the new rows in the place of the past and the past in theirs.
    Flaw(name: "pastLast", needs: heads.with(["cache": "concat"]), expectation: .anything),
    Flaw(name: "pastValueLast", needs: heads.with(["cache": "concat"]), expectation: .anything),
    cached(
      "pastBehind", cached.with(["source": "projected"]),
      "the cache stands behind the new *, Attention puts it before them"),
    cached(
      "pastComputed", cached.with(["source": "projected"]),
      "what stands before the new * is computed here, it is no cache"),
    cached("cacheOfThree", cached.with(["dynamic": "static"]), "the * are joined of more than two parts"),
    cached("cachedAlone", cached, "the * are appended to a cache, the * are not"),
    cached("oneCache", cached.with(["valueDepth": "same"]), "keys and values are one cache"),
    cached("queriesJoined", cached.with(["dynamic": "static"]), "the cache is also input * of the attention"),
    cached(
      "pastsApart", cached.with(["dynamic": "length"]), "past keys and past values are not known to be of one length"),
    cached(
      "cacheAsOne", cached.with(["cache": "concatPacked"]),
      "keys and values are joined with the cache as one tensor, Attention takes a cache of each"),
    cached(
      "rotatedLate", cached,
      "the * are rotated once they are joined with the cache, Attention joins them as they are"),
    cached(
      "orderKept", cached.with(["cache": "concatSeqMajor", "present": "handedOn", "source": "inputs3d"]),
      "the cache of the * is kept and handed on with its axes in the order *, Attention's is batch, heads, length, size"
    ),
    cached(
      "openWhole", cached.with(["dynamic": "length"]),
      "what Attention reads depends on the shape of its keys and values joined with the cache, which is not known from the parts"
    ),
    cached(
      "readsWhole", cached, "what Attention reads depends on its keys and values joined with the cache"),
  ]

  private static func unpacked(_ name: String, _ needs: [String: String], _ sentence: String) -> Flaw {
    Flaw(name: name, needs: needs, expectation: .headsFirst([sentence]))
  }

  private static let packFlaws = [
    unpacked(
      "headsApart", packed,
      "the * do not come with their heads behind the length, and Q, K and V have to be of one rank"),
    unpacked("headsRead", packed, "the heads of * are also read one by one"),
    unpacked("headsGiven", packed, "the heads of * are an output of the graph"),
    unpacked("resultHeads", packed.with(["result": "raw"]), "the heads of the result are read one by one"),
    unpacked("resultMoved", packed, "the heads of the result are not moved behind its length"),
  ]

  /// MultiHeadAttention of com.microsoft, of so many keys (512) that it would be worth it.
  private static func microsoft(_ name: String, _ needs: [String: String], _ sentence: String) -> Flaw {
    let wide = packed.with(["kind": "cross", "dynamic": "static", "valueDepth": "same"])
    return Flaw(
      name: name, needs: wide.with(needs), target: .ort, expectation: .refused("MultiHeadAttention", [sentence]))
  }

  private static let microsoftFlaws = [
    microsoft("fewKeys", [:], "there are * keys; below * ONNX Runtime's Attention is faster"),
    microsoft("openKeys", ["dynamic": "length"], "the number of keys is not known"),
    microsoft(
      "wideMasked", ["mask": "free11ls"],
      "with a mask or a cache ONNX Runtime's MultiHeadAttention stores the scores"),
    microsoft("wideShared", ["heads": "gqaExpand"], "* query heads share * key heads"),
    microsoft(
      "wideCapped", ["softcap": "divTanhMul"], "softcap, softmax_precision and the scores have no counterpart"),
    microsoft("wideValues", ["valueDepth": "other"], "the heads of keys and values are of unequal size"),
  ]

  /// Forms that build the triangle from `keeps`.
  private static let constantForms = ["constBool", "constAdded", "buffer"]

  static func attention(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    var (draw, flaw) = try Self.draw(draw, attentionFlaws)
    if flaw.name.hasPrefix("causal") {
      draw.require(["causalForm": constantForms[draw.number(0...(flaw.name == "causalUncached" ? 1 : 2))]])
    }
    let spelling = try AttentionSpelling(draw, flaw: flaw.name)
    _ = try spelling.build()
    (spelling.g.maximumOpset, spelling.g.target) = (flaw.ceiling, flaw.target)
    var kind = flaw.expectation
    // Before opset 13 another axis also flattens: import says that in several nodes.
    if flaw.name.hasPrefix("softmax") && spelling.g.opset < 13 { kind = .refused("Attention", []) }
    if case .allHeads(_, let words) = kind { kind = .allHeads(spelling.headCount, words) }
    return (spelling.g, [.init(flaw.name, kind)])
  }
}

extension [String: String] {
  func with(_ others: [String: String]) -> [String: String] { merging(others) { _, new in new } }
}
