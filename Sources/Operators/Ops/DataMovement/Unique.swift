import GraphIR
import Tensors

/// Unique: the different elements, or slices along `axis`, with the place of their first occurrence, the number of each
/// element's value among them, and how often each occurs. Ascending, or in order of occurrence where `sorted` is 0.
struct Unique: Operator {
  let name = OperatorName("Unique")

  func infer(_ context: inout InferenceContext) throws {
    let count = context.unknownDim()
    let axis = try context.attributes.optionalInt("axis")
    if let axis {
      if var shape = context.shape(0) {
        let place = try Axes.normalize(axis, rank: shape.count)
        let length = shape[place]
        shape[place] = count
        context.set(0, context.dataType(0), shape)
        context.set(2, .int64, [length])
      } else {
        context.set(0, context.dataType(0), nil)
        context.set(2, .int64, [context.unknownDim()])
      }
    } else {
      context.set(0, context.dataType(0), [count])
      context.set(2, .int64, [context.shape(0).map { Axes.product($0) } ?? context.unknownDim()])
    }
    context.set(1, .int64, [count])
    context.set(3, .int64, [count])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    var data = try context.tensor(0)
    let axis: Int
    if let given = try context.attributes.optionalInt("axis") {
      axis = try Axes.normalize(given, rank: data.rank)
    } else {
      data = try data.reshaped([data.count])
      axis = 0
    }
    let sorted = try context.attributes.int("sorted", default: 1) != 0
    // Slices in front: each is one row.
    var order = Array(data.shape.indices)
    order.remove(at: axis)
    order.insert(axis, at: 0)
    let rows = axis == 0 ? data : try DataMovement.transpose(data, order)
    let groups: [[Int]]
    switch rows.dataType {
    case .string: groups = group(rows.strings, rows.shape[0], sorted)
    case .uint64: groups = group(try rows.elements(as: UInt64.self), rows.shape[0], sorted)
    case let type where type.isFloatingPoint: groups = group(try rows.elements(as: Double.self), rows.shape[0], sorted)
    case let type where type.isComplex:
      let (re, im) = (try LinearParts.part(0, of: rows), try LinearParts.part(1, of: rows))
      groups = group(
        zip(try re.elements(as: Double.self), try im.elements(as: Double.self)).map { Complex(re: $0, im: $1) },
        rows.shape[0], sorted)
    default: groups = group(try rows.elements(as: Int64.self), rows.shape[0], sorted)
    }
    let width = rows.shape[0] == 0 ? 0 : rows.count / rows.shape[0]
    var picked = try ElementBuffer(rows.dataType, [groups.count] + Array(rows.shape.dropFirst()))
    var inverse = [Int](repeating: 0, count: rows.shape[0])
    for (number, members) in groups.enumerated() {
      picked.copy(rows, from: members[0] * width, count: width, to: number * width)
      for member in members { inverse[member] = number }
    }
    var result = try picked.finish()
    if axis != 0 {
      let back = Array(1...axis) + [0] + Array((axis + 1)..<data.rank)
      result = try DataMovement.transpose(result, back)
    }
    return [
      .tensor(result), .tensor(try .ints(groups.map { $0[0] })), .tensor(try .ints(inverse)),
      .tensor(try .ints(groups.map(\.count))),
    ]
  }

  /// Ordered by real part, then by imaginary part, as in NumPy.
  private struct Complex: Comparable {
    var re: Double
    var im: Double
    static func < (a: Complex, b: Complex) -> Bool { (a.re, a.im) < (b.re, b.im) }
  }

  /// Rows that are equal, each group ascending; groups by their rows' order or by first occurrence.
  private func group<T: Comparable>(_ elements: [T], _ count: Int, _ sorted: Bool) -> [[Int]] {
    let width = count == 0 ? 0 : elements.count / count
    /// Negative, 0 or positive as row a comes before, with or after row b. NaN comes last and equals nothing, as in NumPy.
    func compare(_ a: Int, _ b: Int) -> Int {
      for i in 0..<width {
        let (x, y) = (elements[a * width + i], elements[b * width + i])
        if x < y { return -1 }
        if y < x { return 1 }
        if x != y { return x != x ? (y != y ? a - b : 1) : -1 }
      }
      return 0
    }
    let ordered = (0..<count).sorted { a, b in
      let order = compare(a, b)
      return order == 0 ? a < b : order < 0
    }
    var groups: [[Int]] = []
    for row in ordered {
      if let last = groups.last, compare(last[0], row) == 0 {
        groups[groups.count - 1].append(row)
      } else {
        groups.append([row])
      }
    }
    return sorted ? groups : groups.sorted { $0[0] < $1[0] }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Unique(), to: $0) })
