import GraphIR
import Tensors

/// com.microsoft.CDist(A, B): the distances of each row of A to each row of B; `metric` is euclidean or sqeuclidean.
struct MicrosoftCDist: ComposedOperator {
  let name = OperatorName("CDist", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O CDist 1 2 2 1 1
    a metric string=sqeuclidean
    i A T
    i B T
    o C T
    c T tensor(*):float,double
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let metric = try c.attributes.string("metric")
    guard metric == "euclidean" || metric == "sqeuclidean" else {
      throw CameoError.badInput("attribute metric is \(metric), euclidean or sqeuclidean was expected")
    }
    let a = try c.given(0, "A")
    let b = try c.given(1, "B")
    try c.require(a, ranks: 2...2, "A")
    try c.require(b, ranks: 2...2, "B")
    try c.requireEqual(try c.shape(a)[1], try c.shape(b)[1], "the widths of A and B")
    let differences = try c.sub(try c.unsqueeze(a, [1]), try c.unsqueeze(b, [0]))
    let sums = try c.node("ReduceSumSquare", [differences, try c.ints([2])], [NamedAttribute("keepdims", .int(0))])
    return [metric == "euclidean" ? try c.node("Sqrt", [sums]) : sums]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftCDist(), to: $0) })
