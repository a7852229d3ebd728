import GraphIR
import Operators
import PassKit
import Tensors

/// Integer constants of one change, each list once.
struct IntegerConstants {
  private var known: [[Int]: GraphChange.Ref] = [:]

  mutating func ref(_ numbers: [Int], in change: inout GraphChange) throws -> GraphChange.Ref {
    if let ref = known[numbers] { return ref }
    let ref = change.constant(try .ints(numbers))
    known[numbers] = ref
    return ref
  }
}

/// What passes of structure ask about nodes that only move data.
enum Movement {
  /// A Reshape, Squeeze, Unsqueeze or Flatten whose result's shape a Reshape can name whatever stands in front.
  static func isReshape(_ id: NodeID, _ context: PassContext) -> Bool {
    let node = context.graph[id]
    guard node.domain.isEmpty, MergeReshapes.kinds.contains(node.type), let output = node.output(0),
      let shape = context.shape(output)
    else { return false }
    return MergeReshapes.constantShape(shape, from: nil) != nil
  }

  /// The permutation of a Transpose.
  static func permutation(_ id: NodeID, _ context: PassContext) throws -> [Int]? {
    let node = context.graph[id]
    guard node.is("Transpose"), let rank = context.rank(node.input(0)) else { return nil }
    let permutation = try AttributeReader(node).optionalInts("perm") ?? Array((0..<rank).reversed())
    return permutation.sorted() == Array(0..<rank) ? permutation : nil
  }

  /// The sizes of a Split's parts, where all are known.
  static func sizes(_ id: NodeID, axis: Int, _ context: PassContext) -> [Int]? {
    var sizes: [Int] = []
    for output in context.graph[id].outputs {
      guard let output, let shape = context.shape(output), shape.indices.contains(axis), let size = shape[axis].value
      else { return nil }
      sizes.append(size)
    }
    return sizes
  }

  /// The axis attribute of `id` for a value of that rank.
  static func axis(_ id: NodeID, rank: Int, _ context: PassContext) throws -> Int? {
    let axis = try AttributeReader(context.graph[id]).int("axis", default: 0)
    let normal = axis < 0 ? axis + rank : axis
    return (0..<rank).contains(normal) ? normal : nil
  }

  /// The tensors side by side along `axis`. They agree in type and in all other dimensions; whole bytes an element.
  static func joined(_ tensors: [Tensor], axis: Int) throws -> Tensor {
    guard let first = tensors.first, first.dataType != .string, first.dataType.bitWidth % 8 == 0,
      first.shape.indices.contains(axis)
    else { throw CameoError.badInput("the constants cannot be put side by side") }
    let rows = tensors.compactMap(\.deferredRows)
    if axis == 1, rows.count == tensors.count { return try WeightColumns.of(rows.flatMap { $0 }) }
    var shape = first.shape
    shape[axis] = tensors.reduce(0) { $0 + $1.shape[axis] }
    let width = first.dataType.bitWidth / 8
    let runs = tensors.map { $0.shape[axis...].reduce(1, *) * width }
    let outer = first.shape[..<axis].reduce(1, *)
    let total = runs.reduce(0, +)
    return try Tensor.makeRaw(first.dataType, shape) { out in
      var place = 0
      for (tensor, run) in zip(tensors, runs) where run > 0 {
        tensor.withUnsafeBytes { bytes in
          for row in 0..<outer {
            let source = UnsafeRawBufferPointer(rebasing: bytes[row * run..<(row + 1) * run])
            let start = row * total + place
            UnsafeMutableRawBufferPointer(rebasing: out[start..<start + run]).copyMemory(from: source)
          }
        }
        place += run
      }
    }
  }

  /// A matrix with its axes exchanged.
  static func transposed(_ matrix: Tensor) throws -> Tensor {
    let rows = matrix.shape[0]
    let columns = matrix.shape[1]
    let view = try ElementView<Double>(matrix)
    return try Tensor.make(matrix.dataType, [columns, rows], as: Double.self) { out in
      for row in 0..<rows { for column in 0..<columns { out[column * rows + row] = view[row * columns + column] } }
    }
  }

  /// `tensor` with axis i of the result being axis permutation[i]; whole bytes an element.
  static func transposed(_ tensor: Tensor, by permutation: [Int]) throws -> Tensor {
    guard permutation.sorted() == Array(0..<tensor.rank), tensor.dataType != .string, tensor.dataType.bitWidth % 8 == 0
    else { throw CameoError.badInput("\(tensor) cannot be transposed by \(permutation)") }
    let width = tensor.dataType.bitWidth / 8
    let strides = Tensor.strides(tensor.shape)
    let shape = permutation.map { tensor.shape[$0] }
    let steps = permutation.map { strides[$0] }
    return try tensor.withUnsafeBytes { source in
      try Tensor.makeRaw(tensor.dataType, shape) { bytes in
        var index = [Int](repeating: 0, count: shape.count)
        for place in 0..<tensor.count {
          let from = zip(index, steps).reduce(0) { $0 + $1.0 * $1.1 } * width
          for byte in 0..<width { bytes[place * width + byte] = source[from + byte] }
          var axis = shape.count - 1
          while axis >= 0 {
            index[axis] += 1
            if index[axis] < shape[axis] { break }
            index[axis] = 0
            axis -= 1
          }
        }
      }
    }
  }

  /// True where both nodes have the same attributes, those in `ignored` apart.
  static func haveSameAttributes(_ a: Node, _ b: Node, ignoring ignored: Set<String> = []) -> Bool {
    let x = a.attributes.filter { !ignored.contains($0.name) }
    let y = b.attributes.filter { !ignored.contains($0.name) }
    return x.count == y.count
      && x.allSatisfy { attribute in
        y.contains { $0.name == attribute.name && $0.value.isIdentical(to: attribute.value) }
      }
  }
}
