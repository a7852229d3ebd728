import Tensors

/// The first product and its scale.
extension AttentionSpelling {
  /// Q K^T times the scale, spelled as drawn.
  func scaledScores(_ q: String, _ k: String) throws -> String {
    var q = q
    var k = k
    let root = scaleValue.squareRoot()
    switch scale {
    case "queryMul": q = g.mul(q, try g.scalar(scaleValue))
    case "queryDiv": q = g.div(q, try g.scalar(1 / scaleValue))
    case "keyMul": k = g.mul(k, try g.scalar(scaleValue))
    case "rootMul":
      q = g.mul(q, try g.scalar(root))
      k = g.mul(k, try g.scalar(root))
    case "rootDiv":
      q = g.div(q, try g.scalar(1 / root))
      k = g.div(k, try g.scalar(1 / root))
    case "sdpaScript":
      // torch 2's scaled_dot_product_attention: q and k times sqrt(1 / sqrt(size of the last axis)).
      let size = try g.slice(g.node("Shape", [q]), -1, nil, axis: 0)
      let square = g.node("Sqrt", [g.cast(size, g.real)])
      let factor = g.div(try g.scalar(1), g.cast(square, g.real))
      let both = g.node("Sqrt", [factor])
      q = g.mul(q, both)
      k = g.mul(k, g.draw.flip() ? both : g.node("Sqrt", [factor]))
    default: break
    }
    var scores = try product(q, k)
    if flaw == "readScores" { g.output(scores, scoreShape) }
    if flaw == "openOperand" { g.declare(scores, scoreShape) }
    switch scale {
    case "afterMul" where flaw == "scaleByKey":
      scores = g.mul(scores, g.constant(try .of((0..<total.value).map { 0.3 + 0.2 * Double($0) }, g.real)))
    case "afterMul": scores = g.mul(scores, try g.scalar(scaleValue))
    case "afterDiv": scores = g.div(scores, try g.scalar(1 / scaleValue))
    case "sqrtConst":
      scores = g.div(scores, g.node("Sqrt", [try g.exactScalar(1 / (scaleValue * scaleValue), g.real)]))
    case "sqrtShape":
      let rank = layout == "rank5" ? 5 : ["bhld", "einsum"].contains(layout) ? 4 : layout == "rank2" ? 2 : 3
      let size = g.cast(try g.dimScalar(q, rank - 1), g.real)
      scores = g.div(scores, g.node("Sqrt", [size]))
    case "powConst":
      let base = try g.exactScalar(1 / (scaleValue * scaleValue), g.real)
      scores = g.mul(scores, g.node("Pow", [base, try g.exactScalar(-0.5, g.real)]))
    default: break
    }
    return scores
  }

  private func product(_ q: String, _ k: String) throws -> String {
    guard kt == "einsum" else { return g.matMul(q, k) }
    let equation =
      switch layout {
      case _ where flaw == "einsumApart": "bhld,bhse->bhls"
      case _ where flaw == "einsumOne": "bhld,bhsd->bhls"
      case _ where flaw == "einsumJoined": "bld,brsd->blrs"
      case "einsum": g.draw.choose(["blhd,bshd->bhls", "aecd,abcd->aceb"])
      case "rank2": "ld,sd->ls"
      case "rank3", "bmm": "bld,bsd->bls"
      default: heads == "mqaBroadcast" ? "bhld,bzsd->bhls" : g.draw.choose(["bhld,bhsd->bhls", "bnqd,bnkd->bnqk"])
      }
    return g.node("Einsum", [q, k], [.text("equation", equation)])
  }
}
