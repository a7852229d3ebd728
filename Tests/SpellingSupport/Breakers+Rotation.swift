extension Breakers {
  private static func rotation(
    _ name: String, _ needs: [String: String], opsets: ClosedRange<Int>? = nil, ceiling: Int? = nil, _ sentence: String
  ) -> Flaw {
    Flaw(
      name: name, needs: needs, opsets: opsets, ceiling: ceiling, expectation: .refused("RotaryEmbedding", [sentence]))
  }

  static let ropeFlaws: [Flaw] = [
    rotation(
      "oldOpset", ["type": "float"], opsets: 9...22, ceiling: 22,
      "RotaryEmbedding needs opset 23, the output is limited to *"),
    rotation("doubles", ["rope": "halfSplit"], "RotaryEmbedding is not for double"),
    // The tables.
    rotation(
      "unequalHalves", ["rope": "halfSlice", "ropeTable": "gathered"],
      "columns * and * of the *'s table *, which turn one pair, differ: * and * in row *"),
    rotation(
      "otherPairing", ["rope": "halfSplit", "ropeTable": "sliced"],
      "the * * is made for pairs of neighbours, the elements that turn together are paired as halves"),
    rotation("fullInput", ["rope": "halfSlice"], "elements * and * of the * * are not known to be equal"),
    rotation(
      "anglesByHead", ["rope": "halves", "ropeTable": "inputHalf"],
      "the angles differ along the axes * of *, RotaryEmbedding's along batch and length"),
    rotation("tablesInParts", ["rope": "halves"], "the * is put together from several values"),
    // What turns.
    rotation(
      "notNegated", ["rope": "halfSplit"],
      "elements * and * of * both * the other times the sine: the signs are those of a reflection, not of a rotation"),
    rotation(
      "bothWays", ["rope": "halfSplit"],
      "the pairs do not all turn the same way: the signs of element * differ from those of element 0"),
    rotation(
      "quarter", ["rope": "halfSlice"],
      "element * of * turns with element *, half of * elements away is element * and beside it *"),
    rotation(
      "order", ["rope": "halfSplit"],
      "element 0 of * turns with itself: the halves are not exchanged in what the sine multiplies"),
    rotation(
      "otherValue", ["rope": "halfSplit"],
      "the elements that the cosine multiplies are those of *, the exchanged halves those of *"),
    rotation(
      "axis", ["rope": "halfSplit", "dynamic": "static"],
      "the halves of * are exchanged along axis * of *, RotaryEmbedding turns pairs of the last axis"),
    rotation(
      "restChanged", ["rope": "partialHalves"],
      "element * of the result is neither turned like the * before it nor element * of * as it is"),
    rotation("noValue", ["rope": "halves"], "the rotated elements of * are no value of their own"),
    rotation("widened", ["rope": "halves", "ropeTable": "inputHalf"], "the rotated value is *, the result *"),
    rotation("ring", [:], "* elements of * turn, pairs need an even number"),
    // Where it stands.
    rotation("vector", [:], "the rotated value is one vector, it has no axis of positions"),
    rotation("headsAround", [:], "heads lie before and behind the length, axis * of *"),
    rotation("openAxes", [:], "more than one of the dimensions * between batch and size is open"),
    rotation("openHeads", [:], "the number of heads in * is open"),
    rotation("emptyHeads", [:], "the heads' axis of the * * may be empty"),
    rotation("readPart", ["rope": "halves"], "a part of the rotation, *, is also read elsewhere"),
  ]

  static func rope(_ draw: Draw) throws -> (GraphWriter, [Spelling.Expectation]) {
    let (draw, flaw) = try Self.draw(draw, ropeFlaws)
    let g =
      try RopeFrame.flaws.contains(flaw.name)
      ? RopeFrame.make(draw, flaw: flaw.name) : RopeSpelling.make(draw, flaw: flaw.name).0
    g.maximumOpset = flaw.ceiling
    return (g, [.init(flaw.name, flaw.expectation)])
  }
}
