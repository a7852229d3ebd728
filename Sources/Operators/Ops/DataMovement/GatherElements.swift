import GraphIR
import Tensors

/// GatherElements: each element of `data` that `indices` names along `axis`, at the index's own place on the other axes.
struct GatherElements: Operator {
  let name = OperatorName("GatherElements")
  let traits: OperatorTraits = .dataMovement

  func infer(_ context: inout InferenceContext) throws {
    if let data = context.shape(0) {
      _ = try Axes.normalize(try context.attributes.int("axis", default: 0), rank: data.count)
      try context.require(rank: data.count...data.count, of: 1)
    }
    context.set(0, context.dataType(0), context.shape(1))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (data, indices) = (try context.tensor(0), try context.tensor(1))
    let axis = try Axes.normalize(try context.attributes.int("axis", default: 0), rank: data.rank)
    let target = try ElementPlaces(data.shape, indices, axis: axis)
    var out = try ElementBuffer(data.dataType, indices.shape)
    for i in 0..<indices.count { out.copy(data, from: try target.place(i), count: 1, to: i) }
    return [.tensor(try out.finish())]
  }
}

/// Where the elements of an index tensor of the data's rank point into the data.
struct ElementPlaces {
  private let indices: ElementView<Int64>
  private let walk: [Int]
  private let length: Int
  private let axis: Int
  private let stride: Int

  /// Throws where the ranks differ or the indices reach past the data on another axis.
  init(_ shape: [Int], _ tensor: Tensor, axis: Int) throws {
    guard tensor.rank == shape.count else {
      throw CameoError.badInput("indices have rank \(tensor.rank), the data has \(shape.count)")
    }
    for other in shape.indices where other != axis && tensor.shape[other] > shape[other] && tensor.count > 0 {
      throw CameoError.badInput("indices \(tensor.shape) reach past the data \(shape) on axis \(other)")
    }
    guard tensor.dataType.isInteger else {
      throw CameoError.badInput("indices are \(tensor.dataType), integers were expected")
    }
    indices = try ElementView<Int64>(tensor)
    var strides = Tensor.strides(shape)
    stride = strides[axis]
    strides[axis] = 0
    var places: [Int] = []
    places.reserveCapacity(tensor.count)
    let rows = BroadcastWalk(tensor.shape, strides: [strides])
    rows.forEachRow { _, offsets in
      for i in 0..<rows.rowLength { places.append(offsets[0] + i * rows.rowStrides[0]) }
    }
    walk = places
    length = shape[axis]
    self.axis = axis
  }

  /// The data element that index `i` points at.
  func place(_ i: Int) throws -> Int { walk[i] + (try Gather.place(Int(indices[i]), length, axis)) * stride }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(GatherElements(), to: $0) })
