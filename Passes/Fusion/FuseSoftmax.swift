import GraphIR
import Operators
import PassKit
import Tensors

/// Softmax written out: exponentials over their sum.
///
/// Before: `m = ReduceMax(x, {-1})  d = Sub(x, m)  e = Exp(d)  s = ReduceSum(e, {-1})  y = Div(e, s)`, without the maximum, with
/// Reciprocal, or as `Exp(LogSoftmax(x))` and `Exp(Sub(x, ReduceLogSumExp(x, {-1})))`. After: `y = Softmax <axis = -1> (x)`.
public enum FuseSoftmax {
  public static let pass = RewritePass(
    "FuseSoftmax", level: 2, summary: "recognises Softmax written out as exponentials over their sum", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "Softmax"
    let anchors: Set<OperatorName> = Set(["Div", "Mul", "Exp"].map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      switch node.type {
      case "Div": return try quotient(id, node.input(0), node.input(1), context)
      case "Mul":
        for (exponential, factor) in [(node.input(0), node.input(1)), (node.input(1), node.input(0))] {
          guard let inverse = context.graph.producer(factor), context.graph[inverse].is("Reciprocal") else { continue }
          return try quotient(id, exponential, context.graph[inverse].input(0), context, through: inverse)
        }
        return nil
      default: return try exponential(id, context)
      }
    }

    /// e / ReduceSum(e).
    private func quotient(
      _ id: NodeID, _ exponential: ValueID?, _ sum: ValueID?, _ context: PassContext, through inverse: NodeID? = nil
    ) throws -> GraphChange? {
      let graph = context.graph
      guard let exponential, let exp = graph.producer(exponential), graph[exp].is("Exp"), let x = graph[exp].input(0),
        let sum, let reduce = graph.producer(sum)
      else { return nil }
      if graph[reduce].is("Add"),
        graph[reduce].inputs.contains(where: { graph.producer($0).map { graph[$0].is("ReduceSum") } ?? false })
      {
        throw Refusal("something is added to the sum of the exponentials", at: reduce)
      }
      guard graph[reduce].is("ReduceSum"), graph[reduce].input(0) == exponential else { return nil }
      let axis = try self.axis(reduce, context)
      var covers = [exp, reduce] + (inverse.map { [$0] } ?? []) + [id]
      var inner = [exponential, sum]
      if let inverse, let output = graph[inverse].output(0) { inner.append(output) }
      let source = shifted(x, axis, context, &covers, &inner)
      return try change(id, source, axis, covers, inner, context)
    }

    /// x of x - ReduceMax(x): the shift cancels.
    private func shifted(
      _ x: ValueID, _ axis: Int, _ context: PassContext, _ covers: inout [NodeID], _ inner: inout [ValueID]
    ) -> ValueID {
      let graph = context.graph
      guard graph.hasSingleUse(x), let subtract = graph.producer(x), graph[subtract].is("Sub"),
        let source = graph[subtract].input(0), let maximum = graph[subtract].input(1),
        let reduce = graph.producer(maximum), graph[reduce].is("ReduceMax"), graph[reduce].input(0) == source,
        (try? self.axis(reduce, context)) == axis
      else { return x }
      covers += [subtract, reduce]
      inner.append(x)
      if graph.hasSingleUse(maximum) { inner.append(maximum) }
      return source
    }

    /// Exp(LogSoftmax(x)), Exp(x - ReduceLogSumExp(x)).
    private func exponential(_ id: NodeID, _ context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let logarithm = graph[id].input(0), let inner = graph.producer(logarithm), let x = graph[inner].input(0)
      else {
        return nil
      }
      if graph[inner].is("LogSoftmax"), let rank = context.rank(x) {
        let axis = try AttributeReader(graph[inner]).int("axis", default: -1)
        return try change(id, x, axis < 0 ? axis : axis - rank, [inner, id], [logarithm], context)
      }
      guard graph[inner].is("Sub"), let normalizer = graph[inner].input(1), let reduce = graph.producer(normalizer)
      else { return nil }
      if graph[reduce].is("ReduceLogSumExp"), graph[reduce].input(0) == x {
        return try change(
          id, x, try axis(reduce, context), [inner, reduce, id], [logarithm, normalizer], context)
      }
      guard graph[reduce].is("Log"), let sum = graph[reduce].input(0), let add = graph.producer(sum),
        graph[add].is("ReduceSum"), let e = graph[add].input(0), let exp = graph.producer(e), graph[exp].is("Exp"),
        graph[exp].input(0) == x
      else { return nil }
      return try change(
        id, x, try axis(add, context), [inner, reduce, add, exp, id], [logarithm, normalizer, sum, e], context)
    }

    /// The one axis of a reduction that keeps it, from the end.
    private func axis(_ reduce: NodeID, _ context: PassContext) throws -> Int {
      let node = context.graph[reduce]
      guard try AttributeReader(node).int("keepdims", default: 1) == 1 else {
        throw Refusal("\(node.type) of the exponentials drops its axis", at: reduce)
      }
      guard let rank = context.rank(node.input(0)), let axes = try context.constant(node.input(1))?.ints(),
        axes.count == 1
      else { throw Refusal("\(node.type) of the exponentials does not run over one known axis", at: reduce) }
      return axes[0] < 0 ? axes[0] : axes[0] - rank
    }

    private func change(
      _ id: NodeID, _ x: ValueID, _ axis: Int, _ covers: [NodeID], _ inner: [ValueID], _ context: PassContext
    ) throws -> GraphChange? {
      let graph = context.graph
      guard let output = graph[id].output(0), context.dataType(x)?.isFloatingPoint ?? false else { return nil }
      guard context.haveSameShape(x, output) else { return nil }
      let inside = Set(covers)
      for value in inner {
        if let reader = graph.consumers(value).first(where: { !inside.contains($0) }) {
          throw Refusal("the value \(graph[value].name) inside the softmax is also read elsewhere", at: reader)
        }
        if graph.isRegionOutput(value) {
          throw Refusal("the value \(graph[value].name) inside the softmax is an output of the graph", at: id)
        }
      }
      var change = GraphChange(rule: name, covers: covers, isFusion: true, region: graph[id].region)
      change.replace(
        output, with: change.node("Softmax", [.existing(x)], [NamedAttribute("axis", .int(Int64(axis)))]))
      return change
    }
  }
}
