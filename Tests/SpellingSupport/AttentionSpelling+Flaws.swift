import Tensors

/// What breakers change on the way from Q, K and V to the result. `Breakers+Attention.swift` says what they expect.
extension AttentionSpelling {
  private var heads4: Size { Size(headCount) }
  /// Keys in rows.
  private var rows2: Size { Size(2, "rows") }

  // MARK: Operands

  func flawed(operands: (String, String, String)) throws -> (String, String, String) {
    var (q, k, v) = operands
    switch flaw {
    case "integers": (q, k) = (g.cast(g.mul(q, try g.scalar(3)), .int32), g.cast(g.mul(k, try g.scalar(3)), .int32))
    case "mixedHalves": (q, k, v) = (g.cast(q, .bfloat16), g.cast(k, .bfloat16), g.cast(v, .float16))
    case "openOperand": q = g.node("Squeeze", [q])
    case "openSource":
      let source = try g.realInput("five_query", [batch, Size(1), heads4, length, Size(depth)])
      q = g.node("Neg", [g.node("Squeeze", [source])])
      g.declare(q, [batch, heads4, length, Size(depth)])
    case "einsumJoined":
      k = try g.realInput("row_key", [batch, rows2, total, Size(depth)])
      v = try g.realInput("row_value", [batch, rows2, total, Size(valueDepth)])
    case "readsWhole": q = g.mul(q, g.node("ReduceMax", [keyRef.value]))
    case "oneCache": v = keyRef.value
    case "queriesJoined":
      q = keyRef.value
      queryRef.value = q
      length = total
    case "headsApart":
      k = g.transpose(try g.realInput("heads_key", [batch, Size(groups), total, Size(depth)]), [0, 1, 3, 2])
    case "headsRead": g.output(g.node("Neg", [keyRef.value]), [batch, Size(groups), total, Size(depth)])
    case "headsGiven": g.output(keyRef.value, [batch, Size(groups), total, Size(depth)])
    case "moved": v = try g.realInput("moved_value", [batch, Size(groups), length, Size(valueDepth)])
    case "valuesOfFour": v = try g.realInput("four_value", [Size(1), batch, total, Size(valueDepth)])
    default: break
    }
    return (q, k, v)
  }

  /// Operands [batch, groups, times, ...] of which all the leading sizes are open.
  func openGroups() throws -> (String, String, String) {
    let lead = [batch, Size(groups, "groups"), Size(headCount / groups, "times")]
    let q = try g.realInput("query", lead + [length, Size(depth)])
    let k = try g.realInput("key", lead + [Size(depth), total])
    (queryRef, keyRef, batchRef) = ((q, 0, 3), (k, 4), (q, 0))
    return (q, k, try g.realInput("value", lead + [total, Size(valueDepth)]))
  }

  /// Values whose heads are not repeated as the keys' are.
  func flawedRepetition(_ v: String) throws -> String? {
    switch flaw {
    case "repeatedAlone":
      let more = try (1..<headCount / groups).map { g.mul(v, try g.scalar(Double($0) + 1)) }
      return g.concat([v] + more, axis: 1)
    case "repeatedApart":
      return g.node("Gather", [v, try g.ints([Int](repeating: 0, count: headCount))], [.int("axis", 1)])
    default: return nil
    }
  }

  // MARK: Scores

  /// Behind the product and its scale.
  func flawed(scores: String) throws -> String {
    var scores = scores
    func negated(_ x: String) -> String { g.node("Neg", [x]) }
    switch flaw {
    case "readBoth", "readUncapped": g.output(scores, scoreShape)
    case "readElsewhere": g.output(negated(scores), scoreShape)
    case "readUnscaled":
      g.output(scores, scoreShape)
      scores = g.mul(scores, try g.realInput("temperature", [Size(1)]))
    case "negated", "openSource": scores = negated(scores)
    case "rectified": scores = g.node("Relu", [scores])
    case "integers": scores = g.cast(scores, g.real)
    case "scaleByHead": scores = g.mul(scores, try g.gamma([headCount, 1, 1]))
    case "cappedTwice": scores = g.node("Tanh", [g.node("Tanh", [scores])])
    case "cappedNegative": scores = negated(g.node("Tanh", [scores]))
    case "cappedByInput":
      let cap = try g.realInput("cap", [Size(1)])
      scores = g.mul(g.node("Tanh", [g.div(scores, cap)]), cap)
    case "floorTurned": scores = negated(g.node("Max", [negated(scores), try g.exactScalar(-1e35, g.real)]))
    case "openSum":
      scores = negated(g.node("Squeeze", [scores]))
      g.declare(scores, scoreShape)
    case "regrouped":
      let shape = [heads4, batch, length, total]
      let turned = g.node("Reshape", [scores, try g.ints(shape.map(\.value))])
      scores = g.add(turned, try g.realInput("regrouped_bias", shape))
    case "scaleRegrouped":
      let apart = [batch, heads4, length, total].map(\.value)
      let scale = try g.realInput("temperature", [Size(1), heads4, Size(1), Size(1)])
      let scaled = g.mul(g.node("Reshape", [scores, try g.ints(apart)]), scale)
      scores = g.node("Reshape", [scaled, try g.ints([batch.value * headCount, length.value, total.value])])
    case "moved":
      scores = g.node("Reshape", [scores, try g.ints([batch, heads4, total, length].map(\.value))])
    default: break
    }
    return scores
  }

  /// Behind the masks.
  func flawed(masked: String) throws -> String {
    var scores = masked
    func bias(_ shape: [Size], _ type: DataType? = nil) throws -> String {
      let dims = shape.map(\.value)
      let type = type ?? g.real
      return g.input("beside", type, shape, try .of(g.draw.numbers(dims.reduce(1, *)), type, shape: dims))
    }
    switch flaw {
    case "readMasked": g.output(scores, scoreShape)
    case "readBetween":
      g.output(scores, scoreShape)
      scores = g.add(scores, try bias([length, total]))
    case "scaledLate": scores = g.mul(scores, try g.realInput("temperature", [Size(1)]))
    case "narrowed": scores = g.cast(scores, .float16)
    case "readWide": scores = g.cast(scores, .double)
    case "biasDouble": scores = g.add(g.cast(scores, .double), try bias([length, total], .double))
    case "biasRows", "causalBeside": scores = g.add(scores, try bias([length, total]))
    case "biasOverGroups":
      scores = g.add(scores, try bias([batch, Size(1), Size(headCount / groups), length, total]))
    case "causalBesideRow": scores = g.add(scores, try bias([batch, Size(1), length, Size(1)]))
    case "chosenBeside": scores = g.add(scores, try bias([batch, Size(1), Size(1), total]))
    case "mixed":
      let shape = [length.value, total.value]
      let bits = (0..<shape[0] * shape[1]).map { _ in Int64(g.draw.number(0...1)) }
      let mask = g.input("mixing", .bool, [length, total], try .of(bits, .bool, shape: shape))
      scores = g.node("Where", [mask, scores, try bias(scoreShape)])
    case "openWhole":
      // A length that only the joined keys, twice, tell.
      let twice = try g.dim(g.concat([keyRef.value, keyRef.value], axis: 2), 2)
      scores = g.add(scores, g.mul(g.cast(twice, g.real), try g.scalar(-0.01)))
    case "openScores": scores = g.node("Squeeze", [scores])
    case "openBias":
      scores = g.add(scores, g.node("Squeeze", [try bias(scoreShape)]))
      g.declare(scores, scoreShape)
    default: break
    }
    return scores
  }

  // MARK: Probabilities

  /// Softmax in pieces; nil where it is one node.
  func flawedSoftmax(_ scores: String, axis: Int) throws -> String? {
    guard let flaw, flaw.hasPrefix("pieces") else { return nil }
    let powers = g.node("Exp", [scores])
    var sum = try g.reduce(
      "ReduceSum", powers, flaw == "piecesPlane" ? [axis - 1, axis] : [axis], keep: flaw != "piecesDropped")
    if flaw == "piecesAdded" { sum = g.add(sum, try g.scalar(1)) }
    if flaw == "piecesRead" { g.output(g.node("Neg", [powers]), scoreShape) }
    if flaw == "piecesGiven" { g.output(sum, scoreShape.dropLast() + [Size(1)]) }
    return g.div(powers, sum)
  }

  /// Right behind the Softmax.
  func flawed(weights: String) throws -> String {
    switch flaw {
    case "narrowed", "biasDouble": return g.cast(weights, .float)
    case "readWide":
      g.output(weights, scoreShape, .double)
      return g.cast(weights, .float)
    case "mixedHalves": return g.cast(weights, .float16)
    case "regrouped": return g.node("Reshape", [weights, try g.ints(scoreShape.map(\.value))])
    default: return weights
    }
  }

  /// Behind the guard against NaN.
  func flawed(probabilities: String) throws -> String {
    switch flaw {
    case "rectifiedBehind": return g.node("Relu", [probabilities])
    case "weightsMul": return g.mul(probabilities, try g.realInput("keep", [length, total]))
    case "readBoth": g.output(probabilities, scoreShape)
    case "readOpen", "readElsewhere": g.output(g.node("Neg", [probabilities]), scoreShape)
    default: break
    }
    return probabilities
  }

  /// The product with V; nil where it is a MatMul.
  func flawedProduct(_ weights: String, _ v: String) throws -> String? {
    switch flaw {
    case "summedOverQueries": return g.matMul(g.transpose(v, [0, 1, 3, 2]), weights)
    case "gemmScaled":
      return g.node("Gemm", [weights, v, try g.realInput("gemm_bias", [Size(valueDepth)])], [.float("alpha", 0.5)])
    case "mixedHalves": return g.cast(g.matMul(weights, v), .float)
    case "einsumJoined": return g.node("Einsum", [weights, v], [.text("equation", "blrs,brsd->bld")])
    case "otherBody":
      let condition = g.input("chooses", .bool, [], try .of([Int64(1)], .bool, shape: []))
      let shape = [batch, heads4, length, Size(valueDepth)]
      let other = try g.realInput("otherwise", shape)
      return try g.choice(
        condition, shape, then: { g.matMul(weights, v) }, otherwise: { g.node("Identity", [other]) })
    default: return nil
    }
  }

  /// What becomes an output, where its axes are others than usual.
  func flawedResult(_ result: String) -> (value: String, shape: [Size])? {
    switch flaw {
    case "moved": (result, [batch, heads4, total, Size(valueDepth)])
    case "summedOverQueries": (result, [batch, heads4, Size(valueDepth), total])
    case "openGroups":
      (result, [batch, Size(groups, "groups"), Size(headCount / groups, "times"), length, Size(valueDepth)])
    case "valuesOfFour": (result, [Size(1), batch, length, Size(valueDepth)])
    case "resultMoved": (g.transpose(result, [0, 2, 3, 1]), [batch, length, Size(valueDepth), heads4])
    default: nil
    }
  }
}
