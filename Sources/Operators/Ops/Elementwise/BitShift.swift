import GraphIR
import Tensors

/// BitShift: x shifted by y bits, left or (arithmetically, for signed types) right. A shift that is negative or as wide as the
/// type leaves the sign's fill.
struct BitShift: Operator {
  let name = OperatorName("BitShift")
  let traits: OperatorTraits = .elementwise

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, try context.commonType([0, 1]), try context.broadcastInputs())
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (a, b) = (try context.tensor(0), try context.tensor(1))
    let left: Bool
    switch try context.attributes.string("direction") {
    case "LEFT": left = true
    case "RIGHT": left = false
    case let other: throw CameoError.badInput("attribute direction is \(other), LEFT or RIGHT was expected")
    }
    let width = a.dataType.bitWidth
    let functions = ElementFunctions(
      signed: { x, y in
        let isWide = y < 0 || y >= Int64(width)
        if left { return isWide ? 0 : x << y }
        return isWide ? (x < 0 ? -1 : 0) : x >> y
      },
      unsigned: { x, y in y >= 64 ? 0 : left ? x << y : x >> y })
    return [.tensor(try functions(a, b, try Broadcast.shape(a.shape, b.shape), name: name))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(BitShift(), to: $0) })
