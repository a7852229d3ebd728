import Tensors

/// A map whose values are single elements: as many tensors of one element as keys.
struct MLMap {
  let keys: Tensor
  let values: [Tensor]

  init(_ value: Value) throws {
    guard case .map(let map) = value else { throw CameoError.badInput("input 0 is no map") }
    guard map.keys.count == map.values.count else {
      throw CameoError.badInput("a map of \(map.keys.count) keys and \(map.values.count) values")
    }
    keys = map.keys
    values = try map.values.map { value in
      guard let tensor = value.tensor, tensor.count == 1 else {
        throw CameoError.badInput("the map's values are no single elements")
      }
      return tensor
    }
  }
}
