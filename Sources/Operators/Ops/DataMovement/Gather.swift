import GraphIR
import Tensors

/// Gather: the slices of `data` along `axis` that `indices` names; negative indices count from the end.
struct Gather: Operator {
  let name = OperatorName("Gather")
  let traits: OperatorTraits = .dataMovement

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    guard let shape = context.shape(0) else { return context.set(0, type, nil) }
    let axis = try Axes.normalize(try context.attributes.int("axis", default: 0), rank: shape.count)
    guard let indices = context.shape(1) else { return context.set(0, type, nil) }
    if let facts = context.facts(1), let known = facts.symbols, let length = shape[axis].value {
      for case .some(let index) in known.map(\.value) { _ = try Gather.place(index, length, axis) }
    }
    var symbols: [Dim]?
    if shape.count == 1, let own = context.symbols(0), let places = context.ints(1) {
      symbols = try places.map { own[try Gather.place($0, own.count, 0)] }
    }
    context.set(0, type, Array(shape[..<axis]) + indices + Array(shape[(axis + 1)...]), symbols: symbols)
  }

  /// `index` counted from the front. Throws where it lies outside the dimension.
  static func place(_ index: Int, _ length: Int, _ axis: Int) throws -> Int {
    let place = index < 0 ? index &+ length : index
    guard place >= 0, place < length else {
      throw CameoError.badInput("index \(index) lies outside dimension \(axis) of length \(length)")
    }
    return place
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (data, indices) = (try context.tensor(0), try context.tensor(1))
    guard indices.dataType.isInteger else {
      throw CameoError.badInput("indices are \(indices.dataType), integers were expected")
    }
    let axis = try Axes.normalize(try context.attributes.int("axis", default: 0), rank: data.rank)
    let places = try indices.ints()
    let shape = Array(data.shape[..<axis]) + indices.shape + Array(data.shape[(axis + 1)...])
    let outer = try Tensor.elementCount(data.shape[..<axis])
    let inner = try Tensor.elementCount(data.shape[(axis + 1)...])
    let length = data.shape[axis]
    var out = try ElementBuffer(data.dataType, shape)
    var position = 0
    let starts = try places.map { try Gather.place($0, length, axis) * inner }
    if inner == 0 { return [.tensor(try out.finish())] }
    for row in 0..<outer {
      for start in starts {
        out.copy(data, from: row * length * inner + start, count: inner, to: position)
        position += inner
      }
    }
    return [.tensor(try out.finish())]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Gather(), to: $0) })
