import GraphIR
import Tensors

/// An output that grows an input: `present` is `past` with more rows (extents of the second last axis), and both lie in one memory
/// with room for `capacity` rows, so that nothing but the new rows is written.
public struct CacheInPlace: Sendable {
  /// Name of the input.
  public let past: String
  /// Name of the output.
  public let present: String
  /// Rows that the memory has room for.
  public let capacity: Int

  public init(past: String, present: String, capacity: Int) {
    self.past = past
    self.present = present
    self.capacity = capacity
  }

  /// What the plan has to know of them. Throws `.badInput` for names that the session does not have, and for too little room.
  static func rooms(_ caches: [CacheInPlace], _ session: Session, _ shapes: [String: [Int]]) throws -> [ValueID: Int] {
    var rooms: [ValueID: Int] = [:]
    for cache in caches {
      guard let input = session.inputs.firstIndex(where: { $0.name == cache.past }) else {
        throw CameoError.badInput("the model has no input \(cache.past)")
      }
      guard let output = session.outputs.firstIndex(where: { $0.name == cache.present }) else {
        throw CameoError.badInput("the model has no output \(cache.present)")
      }
      let shape = shapes[cache.past] ?? []
      guard shape.count >= 2, shape[shape.count - 2] < cache.capacity else {
        throw CameoError.badInput(
          "input \(cache.past) has the shape \(shape), which leaves no room in \(cache.capacity) rows")
      }
      let ends = [session.program.formals[input], session.program.outputs[output]]
      guard ends.allSatisfy({ rooms[$0] == nil }) else {
        throw CameoError.badInput("two caches name \(cache.past) or \(cache.present)")
      }
      for value in ends { rooms[value] = cache.capacity }
    }
    return rooms
  }
}
