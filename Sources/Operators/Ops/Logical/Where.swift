import GraphIR
import Tensors

/// Where: x where the condition holds, y elsewhere; all three broadcast to each other. Any element type.
struct Where: Operator {
  let name = OperatorName("Where")
  let traits: OperatorTraits = .elementwise

  func infer(_ context: inout InferenceContext) throws {
    let type = try context.commonType([1, 2])
    if let condition = context.dataType(0), condition != .bool {
      throw CameoError.badInput("input 0 must be bool, \(condition) is there")
    }
    context.set(0, type, try context.broadcastInputs(), symbols: symbols(context))
  }

  /// Integer contents where the condition is known, or both sides agree.
  private func symbols(_ context: InferenceContext) -> [Dim]? {
    guard let x = context.symbols(1), let y = context.symbols(2), let shapeX = context.type(1)?.concreteShape,
      let shapeY = context.type(2)?.concreteShape, let shapeC = context.type(0)?.concreteShape,
      let shape = try? Broadcast.shape(shapeC, Broadcast.shape(shapeX, shapeY)),
      let count = try? Tensor.elementCount(shape), count <= ValueFacts.symbolLimit
    else { return nil }
    let condition = context.facts(0)?.symbols ?? context.tensor(0).flatMap { try? $0.ints().map { Dim($0) } }
    var result: [Dim] = []
    let walk = BroadcastWalk(shape, broadcasting: [shapeC, shapeX, shapeY])
    var isKnown = true
    walk.forEachRow { _, offsets in
      for i in 0..<walk.rowLength {
        let (a, b) = (x[offsets[1] + i * walk.rowStrides[1]], y[offsets[2] + i * walk.rowStrides[2]])
        if a == b {
          result.append(a)
        } else if let choice = condition?[offsets[0] + i * walk.rowStrides[0]].value {
          result.append(choice != 0 ? a : b)
        } else {
          isKnown = false
        }
      }
    }
    return isKnown ? result : nil
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (condition, x, y) = (try context.tensor(0), try context.tensor(1), try context.tensor(2))
    guard x.dataType == y.dataType else {
      throw CameoError.badInput("inputs 1 and 2 must agree in type, \(x.dataType) and \(y.dataType) are there")
    }
    guard condition.dataType == .bool else {
      throw CameoError.badInput("input 0 must be bool, \(condition.dataType) is there")
    }
    let shape = try Broadcast.shape(condition.shape, try Broadcast.shape(x.shape, y.shape))
    let walk = BroadcastWalk(shape, broadcasting: [condition.shape, x.shape, y.shape])
    switch x.dataType.bitWidth {
    case 8: return [.tensor(try select(condition, x, y, walk, shape, UInt8.self))]
    case 16: return [.tensor(try select(condition, x, y, walk, shape, UInt16.self))]
    case 32: return [.tensor(try select(condition, x, y, walk, shape, UInt32.self))]
    case 64: return [.tensor(try select(condition, x, y, walk, shape, UInt64.self))]
    default: return [.tensor(try select(condition, x, y, walk, shape))]
    }
  }

  private func select<T: BitwiseCopyable>(
    _ condition: Tensor, _ x: Tensor, _ y: Tensor, _ walk: BroadcastWalk, _ shape: [Int], _: T.Type
  ) throws -> Tensor {
    try Tensor.makeRaw(x.dataType, shape) { out in
      guard let base = out.baseAddress else { return }
      let target = base.assumingMemoryBound(to: T.self)
      let size = MemoryLayout<T>.size
      let (stepC, stepX, stepY) = (walk.rowStrides[0], walk.rowStrides[1], walk.rowStrides[2])
      withExtendedLifetime((condition.storage, x.storage, y.storage)) {
        walk.forEachRow { position, offsets in
          let c = condition.baseAddress.assumingMemoryBound(to: UInt8.self) + offsets[0]
          let (p, q, o) = (x.baseAddress + offsets[1] * size, y.baseAddress + offsets[2] * size, target + position)
          var i = 0
          while i < walk.rowLength {
            o[i] =
              c[i &* stepC] != 0
              ? p.loadUnaligned(fromByteOffset: i &* stepX &* size, as: T.self)
              : q.loadUnaligned(fromByteOffset: i &* stepY &* size, as: T.self)
            i &+= 1
          }
        }
      }
    }
  }

  /// Strings, packed and wide types.
  private func select(_ condition: Tensor, _ x: Tensor, _ y: Tensor, _ walk: BroadcastWalk, _ shape: [Int]) throws
    -> Tensor
  {
    let truths = try ElementwiseMaps.truths(condition)
    var out = try ElementBuffer(x.dataType, shape)
    walk.forEachRow { position, offsets in
      for i in 0..<walk.rowLength {
        if truths[offsets[0] + i * walk.rowStrides[0]] {
          out.copy(x, from: offsets[1] + i * walk.rowStrides[1], count: 1, to: position + i)
        } else {
          out.copy(y, from: offsets[2] + i * walk.rowStrides[2], count: 1, to: position + i)
        }
      }
    }
    return try out.finish()
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Where(), to: $0) })
