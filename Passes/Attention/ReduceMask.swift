import GraphIR
import Operators
import PassKit
import Tensors

/// Says a mask of Attention in less: the causal triangle as `is_causal`, a window as `left_window_size` and
/// `right_window_size` (opset 25), a float mask of 0 and -inf as the bool one that it was made of, and one that allows each batch
/// item its first keys as their number (opset 24).
///
/// What a mask is is read off the nodes that make it (`IndexEvaluator`), so that a constant triangle, one sliced from a buffer
/// and one compared from two Ranges are the same. `is_causal` counts a query's place from the end of the cache: without one,
/// query i sees keys 0 to i.
///
/// Before: `c = LessOrEqual(Range keys, Range queries)  b = Where(c, 0, -inf)  y = Attention(q, k, v, b)`.
/// After: `y = Attention <is_causal = 1> (q, k, v)`.
///
/// Before: `m = Less(Range keys, Unsqueeze(lengths))  y = Attention(q, k, v, m)`.
/// After: `y = Attention(q, k, v, , , , Clip(lengths, 0, keys))`.
public enum ReduceMask {
  public static let pass = RewritePass(
    "ReduceMask", level: 2, summary: "says masks of Attention as is_causal, windows, lengths or bool tensors",
    rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "ReduceMask"
    let anchors: Set<OperatorName> = [OperatorName("Attention")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard let mask = node.input(3), node.input(6) == nil, let lengths = Rule.lengths(node, context) else {
        return nil
      }
      // Scores that are handed on have the mask's own numbers in them.
      if node.output(3) != nil, try AttributeReader(node).int("qk_matmul_output_mode", default: 0) == 2 { return nil }
      var change = GraphChange(rule: name, covers: [], region: node.region)
      let reduction = MaskReduction(context, lengths: lengths, past: context.shape(node.input(4))?[2] ?? 0)
      let reduced: MaskReduction.Found?
      do {
        reduced = try reduction.reduce(mask, isCausal: node["is_causal"] != nil, at: id)
      } catch let refusal as Refusal {
        // What layers share is said once.
        if context.graph.consumers(mask).first(where: { context.graph[$0].is("Attention") }) != id { return nil }
        throw refusal
      }
      guard let found = reduced else { return try counted(mask, lengths, id, context) }
      switch found.rest {
      case .none: change.setInput(3, of: id, to: nil)
      case .value(let value): change.setInput(3, of: id, to: .existing(value))
      case .negated(let value): change.setInput(3, of: id, to: change.node("Not", [.existing(value)]))
      }
      if found.isCausal { change.setAttribute("is_causal", of: id, to: .int(1)) }
      if let left = found.left { change.setAttribute("left_window_size", of: id, to: .int(Int64(left))) }
      if let right = found.right { change.setAttribute("right_window_size", of: id, to: .int(Int64(right))) }
      return change
    }

    /// nonpad_kv_seqlen in the place of a mask of lengths. It stands beside neither a cache nor limits that count from its end.
    private func counted(_ mask: ValueID, _ lengths: [Dim], _ id: NodeID, _ context: PassContext) throws -> GraphChange?
    {
      let node = context.graph[id]
      guard let key = node.input(1), node.input(4) == nil, node.input(5) == nil,
        !["is_causal", "left_window_size", "right_window_size"].contains(where: { node[$0] != nil }),
        (1...2).allSatisfy({ node.output($0).map { context.graph[$0].uses.isEmpty } ?? true }),
        context.shape(mask)?.last == lengths[3], let found = KeyLengths(mask, lengths, context),
        !CacheAppend.readsCache(key, context)
      else { return nil }
      guard context.mayEmit(opset: 24) else {
        throw Refusal("the mask is of lengths, which Attention knows as nonpad_kv_seqlen from opset 24 on", at: id)
      }
      var change = GraphChange(rule: name, covers: [], region: node.region)
      let axis = context.rank(key) == 4 ? 2 : 1
      change.setInput(3, of: id, to: nil)
      change.setInput(6, of: id, to: try found.write(total: lengths[3], key, axis: axis, context, &change))
      return change
    }

    /// Of batch, heads, queries and keys.
    private static func lengths(_ node: Node, _ context: PassContext) -> [Dim]? {
      guard let q = context.shape(node.input(0)), let k = context.shape(node.input(1)), q.count == k.count else {
        return nil
      }
      let past = context.shape(node.input(4))?[2] ?? 0
      if q.count == 4 { return [q[0], q[1], q[2], k[2] + past] }
      guard q.count == 3, let heads = try? AttributeReader(node).optionalInt("q_num_heads") else { return nil }
      return [q[0], Dim(heads), q[1], k[1] + past]
    }
  }
}

/// What a mask can be reduced to.
struct MaskReduction {
  struct Found {
    enum Rest {
      case none
      case value(ValueID)
      case negated(ValueID)
    }

    var isCausal = false
    var left: Int?
    var right: Int?
    var rest = Rest.none
  }

  let context: PassContext
  /// Of batch, heads, queries and keys.
  let lengths: [Dim]
  /// The length of the cache.
  let past: Dim

  init(_ context: PassContext, lengths: [Dim], past: Dim) {
    self.context = context
    self.lengths = lengths
    self.past = past
  }

  func reduce(_ mask: ValueID, isCausal: Bool, at node: NodeID) throws -> Found? {
    guard let last = context.shape(mask)?.last, last.spans(lengths[3]) else { return nil }
    if let found = bool(mask, isCausal: isCausal) { return found }
    if let found = try whole(mask, at: node)?.found { return found }
    guard let (part, rest) = try parts(mask, at: node) else { return nil }
    var found = part
    found.rest = .value(rest)
    return found
  }

  // MARK: The whole mask

  /// A mask that depends on the places of query and key alone; `isExact` where it forbids with -inf. `isInverse`: a bool one that
  /// is true where a key is forbidden.
  private func whole(
    _ mask: ValueID, isInverse: Bool = false, at node: NodeID
  ) throws -> (found: Found, isExact: Bool)? {
    var evaluator = IndexEvaluator(context)
    let isBool = context.dataType(mask) == .bool
    guard let value = evaluator.value(mask) else {
      if isMasking(mask, isBool) {
        throw Refusal("the mask is the same in every run, but no causal triangle or window", at: node)
      }
      return nil
    }
    let proof = IndexProof(lengths: lengths)
    let tests = value.tests
    var isExact = true
    /// True where the mask allows exactly what `allowed` says, with fills that no row can tell from -inf.
    func isMask(_ allowed: IndexTest) -> Bool {
      var lowest = -Double.infinity
      let fits = proof.holds(tests + [allowed]) { known in
        guard let number = value.number(known) else { return false }
        if isBool { return ((number != 0) != isInverse) == allowed.holds(known) }
        if allowed.holds(known) { return number == 0 }
        lowest = max(lowest, number)
        return number <= MaskForm.forbidding
      }
      guard fits else { return false }
      isExact = isBool || lowest == -.infinity
      return isExact || context.options.assumesNoEmptyRows
        || RowProof.everyRow(lengths) { allowed.substituting(3, by: $0) }
    }
    if isMask(.always(true)) { return (Found(), true) }
    let distance = AffineIndex.variable(2) - .variable(3) + AffineIndex(past)
    let causal = IndexTest.reaches(distance)
    if isMask(causal) { return (Found(isCausal: true), isExact) }
    let atoms = tests.reduce(into: Set<AffineIndex>()) { $0.formUnion($1.atoms) }
    // Bounds of a window: right - left >= 0 with numbers.
    var (lefts, rights): (Set<Int>, Set<Int>) = ([], [])
    for atom in atoms {
      for index in [atom, atom * -1 - AffineIndex(1)] {
        if let left = (index + distance).constant?.value, left >= 0 { lefts.insert(left) }
        if let right = (index - distance).constant?.value, right >= 0 { rights.insert(right) }
      }
    }
    for left in lefts.sorted() {
      let near = IndexTest.reaches(distance * -1 + AffineIndex(Dim(left)))
      let windows: [(IndexTest, Found)] =
        [(.both(causal, near), Found(isCausal: true, left: left)), (near, Found(left: left))]
        + rights.sorted().map { right in
          (.both(near, .reaches(distance + AffineIndex(Dim(right)))), Found(left: left, right: right))
        }
      for (test, found) in windows where isMask(test) {
        guard context.mayEmit(opset: 25) else {
          throw Refusal(
            "the mask is no causal triangle but a window of \(left) keys, which Attention knows from opset 25 on",
            at: node)
        }
        return (found, isExact)
      }
    }
    let isPattern = proof.holds(tests) { known in
      value.number(known).map { isBool || $0 == 0 || $0 <= MaskForm.forbidding } ?? false
    }
    guard isPattern else { return nil }
    for index in atoms.flatMap({ [$0, $0 * -1 - AffineIndex(1)] }) {
      guard let shift = (index - distance).constant, shift != 0 else { continue }
      throw Refusal(
        "the causal triangle is shifted by \(shift + past), is_causal counts from the cache's \(past) keys", at: node)
    }
    throw Refusal("the mask is the same in every run, but no causal triangle or window", at: node)
  }

  /// True for a constant that forbids some keys and leaves the others as they are.
  private func isMasking(_ mask: ValueID, _ isBool: Bool) -> Bool {
    guard let tensor = context.constant(mask), tensor.count <= 1 << 22 else { return false }
    return isBool
      || (try? tensor.elements(as: Double.self))?.allSatisfy { $0 == 0 || $0 <= MaskForm.forbidding } ?? false
  }

  // MARK: A triangle and something else

  /// A sum, conjunction or choice of which one part is the triangle.
  private func parts(_ mask: ValueID, at node: NodeID) throws -> (Found, ValueID)? {
    guard let id = context.graph.producer(mask) else { return nil }
    let operation = context.graph[id]
    let isBool = context.dataType(mask) == .bool
    guard operation.domain.isEmpty, let a = operation.input(0), let b = operation.input(1) else { return nil }
    if operation.type == "Where", !isBool, let c = operation.input(2) { return try chosen(a, b, c, id, at: node) }
    guard operation.type == (isBool ? "And" : "Add") else { return nil }
    for (triangle, rest) in [(a, b), (b, a)] {
      guard let (found, isExact) = try whole(triangle, at: node) else { continue }
      try check(rest, isExact: isBool || isExact, at: id)
      return (found, rest)
    }
    return nil
  }

  /// Where(c, bias, -inf).
  private func chosen(
    _ condition: ValueID, _ a: ValueID, _ b: ValueID, _ id: NodeID, at node: NodeID
  ) throws -> (Found, ValueID)? {
    for (rest, low, isInverse) in [(a, b, false), (b, a, true)] {
      guard let fill = context.uniform(low), fill <= MaskForm.forbidding, context.uniform(rest) == nil,
        let (found, _) = try whole(condition, isInverse: isInverse, at: node),
        fill == -.infinity || found.left == nil && found.right == nil
      else { continue }
      try check(rest, isExact: fill == -.infinity, at: id)
      return (found, rest)
    }
    return nil
  }

  /// Throws where the rest of a mask without its triangle would not do.
  private func check(_ rest: ValueID, isExact: Bool, at id: NodeID) throws {
    guard let shape = context.shape(rest), shape.count >= 2, shape[shape.count - 1].spans(lengths[3]) else {
      throw Refusal("what the causal triangle is joined with does not have \(lengths[3]) keys", at: id)
    }
    if !shape[shape.count - 2].spans(lengths[2]) && MaskForm.needsRows(context) {
      throw Refusal("without the triangle the mask would have one row, which ONNX Runtime does not take", at: id)
    }
    // A row of which the rest forbids all that the triangle allows: nothing is left but what the triangle's number forbids.
    guard isExact || RowProof(context).isSmall(rest, 1) || context.options.assumesNoEmptyRows else {
      throw Refusal(
        "where the bias beside the triangle forbids all keys up to a query's own, the mean would be of fewer values "
          + "(--assume no-empty-rows says that this does not occur)", at: id)
    }
  }

  // MARK: Float to bool

  /// Where(m, 0, -inf) is m.
  private func bool(_ mask: ValueID, isCausal: Bool) -> Found? {
    guard let id = context.graph.producer(mask), context.graph[id].is("Where"),
      let condition = context.graph[id].input(0), let a = context.uniform(context.graph[id].input(1)),
      let b = context.uniform(context.graph[id].input(2)), context.haveSameShape(condition, mask)
    else { return nil }
    let isAllowed = a == 0
    guard (isAllowed ? b : a) <= MaskForm.forbidding, isAllowed || b == 0 else { return nil }
    if (isAllowed ? b : a) != -.infinity && !context.options.assumesNoEmptyRows {
      let place = ScorePlace(shape: lengths, isFlipped: false)
      guard !isCausal, RowProof(context).everyRowHasKey(condition, keepsWhenTrue: isAllowed, place) else { return nil }
    }
    if isAllowed { return Found(rest: .value(condition)) }
    if let not = context.graph.producer(condition), context.graph[not].is("Not"),
      let inner = context.graph[not].input(0)
    {
      return Found(rest: .value(inner))
    }
    return Found(rest: .negated(condition))
  }
}
