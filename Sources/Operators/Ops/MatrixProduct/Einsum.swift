import GraphIR
import Tensors

/// The terms of an Einsum equation; dimensions of an ellipsis are the labels 256 and up, counted from the right.
struct EinsumEquation {
  var inputs: [[Int]]
  var output: [Int]

  /// `ranks` of the operands tell how long the ellipsis is.
  init(_ text: String, ranks: [Int]) throws {
    let bytes = text.utf8.filter { $0 != 32 }
    var left = bytes[...]
    var right: ArraySlice<UInt8>?
    if let arrow = bytes.indices.dropLast().first(where: { bytes[$0] == 45 && bytes[$0 + 1] == 62 }) {
      left = bytes[..<arrow]
      right = bytes[(arrow + 2)...]
    }
    let terms = left.split(separator: 44, omittingEmptySubsequences: false)
    guard terms.count == ranks.count else {
      throw CameoError.badInput("the equation has \(terms.count) terms for \(ranks.count) inputs")
    }
    func parse(_ term: ArraySlice<UInt8>, ellipsis: (Int) throws -> Int) throws -> [Int] {
      var result: [Int] = []
      var index = term.startIndex
      let letters = term.filter { $0 != 46 }.count
      while index < term.endIndex {
        let byte = term[index]
        if byte == 46 {
          guard term[index...].prefix(3).elementsEqual([46, 46, 46]) else {
            throw CameoError.badInput("a dot in the equation")
          }
          let count = try ellipsis(letters)
          guard count >= 0 else { throw CameoError.badInput("a term has more letters than its input has dimensions") }
          result += (0..<count).map { 256 + count - 1 - $0 }
          index += 3
          continue
        }
        guard byte >= 65 && byte <= 90 || byte >= 97 && byte <= 122 else {
          throw CameoError.badInput("the equation \(text) holds a character that is no letter")
        }
        result.append(Int(byte))
        index += 1
      }
      return result
    }
    var longest = 0
    inputs = []
    for (term, rank) in zip(terms, ranks) {
      let labels = try parse(term) { rank - $0 }
      guard labels.count == rank else {
        throw CameoError.badInput("a term of the equation names \(labels.count) dimensions, its input has \(rank)")
      }
      longest = max(longest, labels.filter { $0 >= 256 }.count)
      inputs.append(labels)
    }
    if let right {
      output = try parse(right) { _ in longest }
      guard Set(output).count == output.count else { throw CameoError.badInput("the output repeats a letter") }
      let known = Set(inputs.joined())
      guard output.allSatisfy({ known.contains($0) }) else {
        throw CameoError.badInput("the output has a letter of its own")
      }
    } else {
      var counts: [Int: Int] = [:]
      for label in inputs.joined() where label < 256 { counts[label, default: 0] += 1 }
      output = (0..<longest).map { 256 + longest - 1 - $0 } + counts.filter { $0.value == 1 }.keys.sorted()
    }
  }
}

/// Einsum by pairwise contraction: each step is a batch of matrix products.
struct Einsum: Operator {
  let name = OperatorName("Einsum")

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    let shapes = context.inputs.indices.map { context.shape($0) }
    let known = shapes.compactMap { $0 }
    guard known.count == shapes.count else { return context.set(0, type, nil) }
    let equation = try EinsumEquation(context.attributes.string("equation"), ranks: known.map(\.count))
    var sizes: [Int: Dim] = [:]
    for (labels, shape) in zip(equation.inputs, known) {
      for (label, dim) in zip(labels, shape) {
        guard let old = sizes[label] else { sizes[label] = dim; continue }
        sizes[label] = try Broadcast.shape([old], [dim])[0]
      }
    }
    context.set(0, type, equation.output.map { sizes[$0] ?? 1 })
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let tensors = try context.inputs.indices.map { try context.tensor($0) }
    guard let first = tensors.first else { throw CameoError.badInput("Einsum without inputs") }
    let equation = try EinsumEquation(context.attributes.string("equation"), ranks: tensors.map(\.rank))
    let type = first.dataType
    let result =
      if type == .double { try compute(tensors, equation, type, Double.self, context) } else if type.isInteger {
        try compute(tensors, equation, type, Int64.self, context)
      } else { try compute(tensors, equation, type, Float.self, context) }
    return [.tensor(result)]
  }

  private struct Operand<T> {
    var labels: [Int]
    var sizes: [Int]
    var data: [T]
  }

  private func compute<T: NNScalar>(
    _ tensors: [Tensor], _ equation: EinsumEquation, _ type: DataType, _: T.Type, _ context: EvaluationContext
  ) throws -> Tensor {
    var sizes: [Int: Int] = [:]
    for (labels, tensor) in zip(equation.inputs, tensors) {
      for (label, size) in zip(labels, tensor.shape) {
        if let old = sizes[label], old != size, old != 1, size != 1 {
          throw CameoError.badInput("one letter of the equation stands for dimensions of \(old) and \(size)")
        }
        if let old = sizes[label], old != 1 { continue }
        sizes[label] = size
      }
    }
    // Each operand with every label once: repeated labels walk the diagonal, size 1 is broadcast.
    var operands: [Operand<T>] = try zip(equation.inputs, tensors).map { labels, tensor in
      let strides = Tensor.strides(tensor.shape)
      var step: [Int: Int] = [:]
      for (axis, label) in labels.enumerated() where tensor.shape[axis] != 1 {
        step[label, default: 0] += strides[axis]
      }
      var unique: [Int] = []
      for label in labels where !unique.contains(label) { unique.append(label) }
      let shape = unique.map { sizes[$0] ?? 1 }
      let view = try ElementView<T>(tensor)
      return Operand(
        labels: unique, sizes: shape, data: try Einsum.gather(view.base, shape, unique.map { step[$0] ?? 0 }))
    }
    let one = Operand(labels: [], sizes: [], data: [T(1)])
    var result = operands.removeFirst()
    if operands.isEmpty { operands.append(one) }
    while !operands.isEmpty {
      let next = operands.removeFirst()
      var needed = Set(equation.output)
      for operand in operands { needed.formUnion(operand.labels) }
      result = try contract(result, next, needed, sizes, context.accumulatesInDouble)
    }
    let order = equation.output
    let moved = try arrange(result, order)
    return try Tensor.of(moved.data, type, shape: moved.sizes)
  }

  /// Elements of a strided walk over `shape` in row-major order.
  private static func gather<T: NNScalar>(_ base: UnsafePointer<T>, _ shape: [Int], _ strides: [Int]) throws -> [T] {
    let count = try Tensor.elementCount(shape)
    try MemoryBudget.shared.check(count * MemoryLayout<T>.stride, for: "an operand of Einsum")
    var result: [T] = []
    result.reserveCapacity(count)
    var index = [Int](repeating: 0, count: shape.count)
    var offset = 0
    for _ in 0..<count {
      result.append(base[offset])
      for axis in stride(from: shape.count - 1, through: 0, by: -1) {
        index[axis] += 1
        offset += strides[axis]
        if index[axis] < shape[axis] { break }
        offset -= strides[axis] * shape[axis]
        index[axis] = 0
      }
    }
    return result
  }

  /// The operand with its labels in that order (all of them, each once).
  private func arrange<T: NNScalar>(_ operand: Operand<T>, _ order: [Int]) throws -> Operand<T> {
    if operand.labels == order { return operand }
    let strides = Tensor.strides(operand.sizes)
    let axes = order.compactMap { operand.labels.firstIndex(of: $0) }
    let shape = axes.map { operand.sizes[$0] }
    let data = try operand.data.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return [T]() }
      return try Einsum.gather(base, shape, axes.map { strides[$0] })
    }
    return Operand(labels: order, sizes: shape, data: data)
  }

  private func contract<T: NNScalar>(
    _ a: Operand<T>, _ b: Operand<T>, _ needed: Set<Int>, _ sizes: [Int: Int], _ inDouble: Bool
  ) throws -> Operand<T> {
    let shared = a.labels.filter { b.labels.contains($0) }
    let batch = shared.filter { needed.contains($0) }
    let left = a.labels.filter { !shared.contains($0) }
    let right = b.labels.filter { !shared.contains($0) }
    // Labels that only one side has and nobody needs are summed with a row of ones on the other side.
    let rows = left.filter { needed.contains($0) }
    let columns = right.filter { needed.contains($0) }
    let inner = shared.filter { !needed.contains($0) }
    let leftOnly = left.filter { !needed.contains($0) }
    let rightOnly = right.filter { !needed.contains($0) }
    func count(_ labels: [Int]) -> Int { labels.reduce(1) { $0 * (sizes[$1] ?? 1) } }
    let x = try summed(
      try arrange(a, batch + rows + inner + leftOnly), last: count(leftOnly), drop: leftOnly.count, inDouble)
    let y = try summed(
      try arrange(b, batch + inner + columns + rightOnly), last: count(rightOnly), drop: rightOnly.count, inDouble)
    let (m, n, k, items) = (count(rows), count(columns), count(inner), count(batch))
    let labels = batch + rows + columns
    var data = [T](repeating: T(0), count: try Tensor.elementCount(labels.map { sizes[$0] ?? 1 }))
    data.withUnsafeMutableBufferPointer { out in
      x.withUnsafeBufferPointer { x in
        y.withUnsafeBufferPointer { y in
          guard let out = out.baseAddress, let x = x.baseAddress, let y = y.baseAddress else { return }
          NNContraction.batched(
            out, count: items, NNMatrix(x, row: k, col: 1), NNMatrix(y, row: n, col: 1),
            aOffsets: (0..<items).map { $0 * m * k }, bOffsets: (0..<items).map { $0 * k * n }, m: m, n: n, k: k,
            inDouble: inDouble)
        }
      }
    }
    return Operand(labels: labels, sizes: labels.map { sizes[$0] ?? 1 }, data: data)
  }

  /// Sums runs of `last` elements.
  private func summed<T: NNScalar>(_ operand: Operand<T>, last: Int, drop: Int, _ inDouble: Bool) throws -> [T] {
    if drop == 0 { return operand.data }
    let rows = operand.sizes.dropLast(drop).reduce(1, *)
    let ones = [T](repeating: T(1), count: last)
    var result = [T](repeating: T(0), count: rows)
    result.withUnsafeMutableBufferPointer { out in
      operand.data.withUnsafeBufferPointer { x in
        ones.withUnsafeBufferPointer { y in
          guard let out = out.baseAddress, let x = x.baseAddress, let y = y.baseAddress else { return }
          NNContraction.multiply(
            out, ldc: 1, NNMatrix(x, row: last, col: 1), NNMatrix(y, row: 1, col: 1), m: rows, n: 1, k: last,
            inDouble: inDouble)
        }
      }
    }
    return result
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Einsum(), to: $0) })
