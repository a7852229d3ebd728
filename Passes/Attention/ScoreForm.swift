import GraphIR
import Operators
import PassKit
import Tensors

/// How the scores stand at a point between the product and the Softmax.
struct ScorePlace {
  /// Leading axes, then queries and keys.
  let shape: [Dim]
  /// Keys before queries: the product was K Q'.
  let isFlipped: Bool

  var lead: [Dim] { Array(shape.dropLast(2)) }
  /// The axis of the keys, from the end.
  var keyAxis: Int { isFlipped ? -2 : -1 }
}

/// One operation on the scores.
struct ScoreStep {
  enum Kind {
    case scale(Double)
    /// Times (or divided by) a tensor that is the same for all keys.
    case factor(ValueID, divides: Bool)
    case add(ValueID, weight: Double)
    /// Where(condition, scores, fill), or with the two swapped.
    case select(condition: ValueID, fill: Double, keepsWhenTrue: Bool)
    case tanh
    /// Not below this number.
    case floor(Double)
    case cast(DataType)
  }

  let kind: Kind
  let node: NodeID
  let place: ScorePlace
}

/// What stands between a product of queries and keys and a Softmax: scales, biases, masks, a soft cap, casts, reshapes.
struct ScoreForm {
  /// The one next to the Softmax first.
  var steps: [ScoreStep] = []
  /// All nodes in between, the product among them.
  var nodes: [NodeID] = []
  /// The scores, the Softmax's first, and where they stood.
  var values: [ValueID] = []
  var places: [ScorePlace] = []
  var product: AttentionProduct
  var productPlace: ScorePlace

  fileprivate mutating func insert(_ value: ValueID?, _ place: ScorePlace) {
    guard let value else { return }
    values.insert(value, at: 0)
    places.insert(place, at: 0)
  }
}

/// Walks from the Softmax back to the product.
struct ScoreWalk {
  let context: PassContext
  let region: RegionID
  /// What stopped the walk deepest, on a way that had a product at its end.
  private(set) var obstacle: (depth: Int, refusal: Refusal)?
  /// Nodes that may still be looked at: sums of sums of products end somewhere.
  private var budget = 256

  init(_ context: PassContext, region: RegionID) {
    self.context = context
    self.region = region
  }

  mutating func form(of value: ValueID, flipped: Bool, depth: Int = 0) -> ScoreForm? {
    budget -= 1
    guard budget > 0, depth < 32, let id = context.graph.producer(value), context.graph[id].region == region else {
      return nil
    }
    let node = context.graph[id]
    guard node.domain.isEmpty, let shape = context.shape(value), shape.count >= 2 else {
      stop(at: id, depth, context.shape(value) == nil ? "the shape of \(name(value)) is not known" : nil)
      return nil
    }
    let place = ScorePlace(shape: shape, isFlipped: flipped)
    switch node.type {
    case "MatMul", "Gemm":
      guard let product = AttentionProduct(id, context) else {
        stop(at: id, depth, "the product has operands of a rank that is not known")
        return nil
      }
      var form = ScoreForm(nodes: [id], values: [value], places: [place], product: product, productPlace: place)
      if let addend = product.addend {
        form.steps.append(ScoreStep(kind: .add(addend, weight: product.weight), node: id, place: place))
      }
      if product.factor != 1 { form.steps.append(ScoreStep(kind: .scale(product.factor), node: id, place: place)) }
      return form
    case "Identity", "Dropout", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose":
      return moved(id, place, depth)
    case "Cast":
      guard let type = context.dataType(value), type.isFloatingPoint else { break }
      return through(node.input(0), id, place, depth, [.cast(type)])
    case "Neg": return through(node.input(0), id, place, depth, [.scale(-1)])
    case "Tanh": return through(node.input(0), id, place, depth, [.tanh])
    case "Mul", "Div": return scaled(id, value, place, depth)
    case "Add", "Sum", "Sub": return added(id, place, depth)
    case "Where": return selected(id, place, depth)
    case "Max", "Clip": return floored(id, value, place, depth)
    default: break
    }
    stop(at: id, depth)
    return nil
  }

  // MARK: The operations

  private mutating func through(
    _ input: ValueID?, _ id: NodeID, _ place: ScorePlace, _ depth: Int, _ kinds: [ScoreStep.Kind],
    flipped: Bool? = nil
  ) -> ScoreForm? {
    guard let input, var form = form(of: input, flipped: flipped ?? place.isFlipped, depth: depth + 1) else {
      return nil
    }
    form.nodes.insert(id, at: 0)
    form.insert(context.graph[id].output(0), place)
    form.steps.insert(contentsOf: kinds.map { ScoreStep(kind: $0, node: id, place: place) }, at: 0)
    return form
  }

  private mutating func moved(_ id: NodeID, _ place: ScorePlace, _ depth: Int) -> ScoreForm? {
    let node = context.graph[id]
    guard let input = node.input(0) else { return nil }
    switch node.type {
    case "Identity": return through(input, id, place, depth, [])
    case "Dropout":
      if let training = node.input(2), context.uniform(training) != 0 { break }
      return through(input, id, place, depth, [])
    case "Transpose":
      if context.swapsLastTwo(id) { return through(input, id, place, depth, [], flipped: !place.isFlipped) }
    default:
      if let before = context.shape(input), before.count >= 2, before.suffix(2) == place.shape.suffix(2) {
        return through(input, id, place, depth, [])
      }
    }
    stop(at: id, depth, "\(node.type) moves the scores' queries and keys between QK and Softmax")
    return nil
  }

  private mutating func scaled(_ id: NodeID, _ value: ValueID, _ place: ScorePlace, _ depth: Int) -> ScoreForm? {
    let node = context.graph[id]
    guard let a = node.input(0), let b = node.input(1) else { return nil }
    let isDivision = node.type == "Div"
    if let number = context.scalar(b, beside: a, result: value), !isDivision || number != 0 {
      return through(a, id, place, depth, [.scale(isDivision ? 1 / number : number)])
    }
    if !isDivision, let number = context.scalar(a, beside: b, result: value) {
      return through(b, id, place, depth, [.scale(number)])
    }
    for (scores, factor) in isDivision ? [(a, b)] : [(a, b), (b, a)]
    where context.haveSameShape(scores, value) && isSameForAllKeys(factor, place) {
      if let form = through(scores, id, place, depth, [.factor(factor, divides: isDivision)]) { return form }
    }
    stop(at: id, depth, "\(node.type) by a tensor that differs between keys stands between QK and Softmax")
    return nil
  }

  /// True where the tensor has one element along the keys.
  private func isSameForAllKeys(_ value: ValueID, _ place: ScorePlace) -> Bool {
    guard let shape = context.shape(value) else { return false }
    return place.isFlipped ? shape.count < 2 || shape[shape.count - 2] == 1 : shape.last.map { $0 == 1 } ?? true
  }

  private mutating func added(_ id: NodeID, _ place: ScorePlace, _ depth: Int) -> ScoreForm? {
    let node = context.graph[id]
    guard node.inputs.count == 2, let a = node.input(0), let b = node.input(1) else {
      stop(at: id, depth)
      return nil
    }
    if let form = blended(id, place, depth) { return form }
    let isDifference = node.type == "Sub"
    let left = through(a, id, place, depth, [.add(b, weight: isDifference ? -1 : 1)])
    if let left, !hasConstantOperand(left) { return left }
    let right = through(b, id, place, depth, isDifference ? [.add(a, weight: 1), .scale(-1)] : [.add(a, weight: 1)])
    // Of two products the one with a learned operand is the bias.
    if let right, left == nil || !hasConstantOperand(right) { return right }
    return left
  }

  /// `s * m + (m - 1) * 10000`, where m is 0 or 1 by place: Where(m, s, -10000).
  private mutating func blended(_ id: NodeID, _ place: ScorePlace, _ depth: Int) -> ScoreForm? {
    let node = context.graph[id]
    let sign: Double = node.type == "Sub" ? -1 : 1
    for (index, other) in node.type == "Sub" ? [(0, 1)] : [(0, 1), (1, 0)] {
      guard let product = context.graph.producer(node.input(index)), context.graph[product].is("Mul"),
        context.graph[product].region == region, let shift = node.input(other)
      else { continue }
      for (scores, mask) in [(0, 1), (1, 0)] {
        guard let scores = context.graph[product].input(scores), let mask = context.graph[product].input(mask),
          context.uniform(mask) == nil, let fill = fill(mask, shift, sign, place),
          var form = form(of: scores, flipped: place.isFlipped, depth: depth + 1)
        else { continue }
        form.nodes.insert(contentsOf: [id, product], at: 0)
        form.insert(node.output(0), place)
        form.steps.insert(
          ScoreStep(kind: .select(condition: mask, fill: fill, keepsWhenTrue: true), node: id, place: place), at: 0)
        return form
      }
    }
    return nil
  }

  /// The lowest number of `sign * shift`, where it is 0 in each place that has 1 in `mask` and the others have 0 in it.
  private func fill(_ mask: ValueID, _ shift: ValueID, _ sign: Double, _ place: ScorePlace) -> Double? {
    var evaluator = IndexEvaluator(context)
    guard let kept = evaluator.value(mask, isFlipped: place.isFlipped),
      let added = evaluator.value(shift, isFlipped: place.isFlipped)
    else { return nil }
    let proof = IndexProof(lengths: [Dim](repeating: .symbol("any"), count: AffineIndex.variables))
    var fills: Set<Double> = []
    let fits = proof.holds(kept.tests + added.tests) { known in
      guard let keeps = kept.number(known), let number = added.number(known) else { return false }
      if keeps == 1 { return number == 0 }
      fills.insert(number * sign)
      return keeps == 0
    }
    return fits && fills.count == 1 ? fills.first : nil
  }

  private func hasConstantOperand(_ form: ScoreForm) -> Bool {
    context.constant(form.product.left) != nil || context.constant(form.product.right) != nil
  }

  private mutating func selected(_ id: NodeID, _ place: ScorePlace, _ depth: Int) -> ScoreForm? {
    let node = context.graph[id]
    guard let condition = node.input(0), let a = node.input(1), let b = node.input(2) else { return nil }
    for (scores, fill, keepsWhenTrue) in [(a, b, true), (b, a, false)] {
      guard let number = context.uniform(fill) else { continue }
      return through(
        scores, id, place, depth, [.select(condition: condition, fill: number, keepsWhenTrue: keepsWhenTrue)])
    }
    stop(at: id, depth, "a Where mixes the scores with a computed value")
    return nil
  }

  private mutating func floored(_ id: NodeID, _ value: ValueID, _ place: ScorePlace, _ depth: Int) -> ScoreForm? {
    let node = context.graph[id]
    let pairs: [(ValueID?, ValueID?)]
    if node.type == "Clip" {
      pairs = [(node.input(0), node.input(1))]
    } else {
      pairs = node.inputs.count == 2 ? [(node.input(0), node.input(1)), (node.input(1), node.input(0))] : []
    }
    for case (.some(let scores), .some(let bound)) in pairs {
      guard let number = context.scalar(bound, beside: scores, result: value), number <= MaskForm.negligible,
        node.type == "Max" || node.input(2) == nil
      else { continue }
      return through(scores, id, place, depth, [.floor(number)])
    }
    stop(at: id, depth)
    return nil
  }

  // MARK: Refusals

  private func name(_ value: ValueID) -> String { context.graph[value].name }

  private mutating func stop(at id: NodeID, _ depth: Int, _ reason: String? = nil) {
    guard depth > (obstacle?.depth ?? -1), AttentionProduct.stands(.before, [id], context) else { return }
    let refusal = Refusal(reason ?? "\(context.graph[id].operatorName) stands between QK and Softmax", at: id)
    obstacle = (depth, refusal)
  }
}
