import GraphIR
import Tensors

/// DFT: Fourier transform along one axis; the last axis holds real (and imaginary) parts.
struct DFT: Operator {
  let name = OperatorName("DFT")

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    let isInverse = try context.attributes.bool("inverse")
    let isOneSided = try context.attributes.bool("onesided")
    guard var shape = context.shape(0) else { return context.set(0, type, nil) }
    guard shape.count >= 2 else { throw CameoError.badInput("DFT of rank \(shape.count)") }
    shape[shape.count - 1] = isInverse && isOneSided ? 1 : 2
    guard let given = context.hasInput(2) ? context.ints(2)?.first : -2 else {
      // Whichever axis it is keeps its length where nothing is cut or padded.
      if context.hasInput(1) || isOneSided {
        for axis in 0..<shape.count - 1 { shape[axis] = context.unknownDim() }
      }
      return context.set(0, type, shape)
    }
    let axis = try context.normalize(axis: given, rank: shape.count)
    guard axis < shape.count - 1 else { throw CameoError.badInput("the last axis of DFT holds complex parts") }
    if context.hasInput(1) {
      shape[axis] = context.symbols(1)?.first ?? context.unknownDim()
    } else if isInverse && isOneSided {
      shape[axis] = (shape[axis] - 1) * 2
    }
    if isOneSided && !isInverse { shape[axis] = shape[axis].floorDiv(2) + 1 }
    context.set(0, type, shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let isInverse = try context.attributes.bool("inverse")
    let isOneSided = try context.attributes.bool("onesided")
    guard x.rank >= 2, let parts = x.shape.last, parts == 1 || parts == 2 else {
      throw CameoError.badInput("DFT of \(x)")
    }
    var axis = try context.optionalTensor(2).map { Int(truncatingIfNeeded: try $0.scalar(as: Int64.self)) } ?? -2
    if axis < 0 { axis += x.rank }
    guard axis >= 0, axis < x.rank - 1 else { throw CameoError.badInput("axis \(axis) of \(x)") }
    let size = x.shape[axis]
    let asked = try context.optionalTensor(1).map { Int(truncatingIfNeeded: try $0.scalar(as: Int64.self)) }
    let length = asked ?? (isInverse && isOneSided ? 2 * (size - 1) : size)
    guard length >= 1, length < 1 << 31 else { throw CameoError.badInput("dft_length is \(length)") }
    try MemoryBudget.shared.check(128 * length, for: "a Fourier transform of \(length)")
    let isReal = isInverse && isOneSided
    let kept = isOneSided && !isInverse ? length / 2 + 1 : length
    var shape = x.shape
    shape[axis] = kept
    shape[x.rank - 1] = isReal ? 1 : 2
    // As NumPy promotes: complex numbers keep their precision, real ones are transformed in double.
    let result =
      x.dataType == .double || parts == 1
      ? try transform(x, shape, axis: axis, length: length, isReal: isReal, isInverse: isInverse, as: Double.self)
      : try transform(x, shape, axis: axis, length: length, isReal: isReal, isInverse: isInverse, as: Float.self)
    return [.tensor(result)]
  }

  /// Transforms each line along `axis` in the precision of `T`.
  private func transform<T: ComputeElement & BinaryFloatingPoint>(
    _ x: Tensor, _ shape: [Int], axis: Int, length: Int, isReal: Bool, isInverse: Bool, as _: T.Type
  ) throws -> Tensor {
    let (size, kept, parts) = (x.shape[axis], shape[axis], x.shape[x.rank - 1])
    let inner = x.shape[(axis + 1)..<(x.rank - 1)].reduce(1, *)
    let outer = x.shape[..<axis].reduce(1, *)
    let view = try ElementView<T>(x)
    let plan = NNFourierPlan<T>(length: length, isInverse: isInverse)
    let scale: T = isInverse ? 1 / T(length) : 1
    return try Tensor.make(x.dataType, shape, as: T.self) { out in
      for line in 0..<outer * inner {
        let (o, i) = (line / inner, line % inner)
        var re = [T](repeating: 0, count: length)
        var im = re
        for k in 0..<min(size, isReal ? length / 2 + 1 : length) {
          let at = ((o * size + k) * inner + i) * parts
          re[k] = view[at]
          im[k] = parts == 2 ? view[at + 1] : 0
        }
        if isReal {
          // The other half is the conjugate; ends have no imaginary part.
          im[0] = 0
          if length % 2 == 0 { im[length / 2] = 0 }
          for k in length / 2 + 1..<max(length, length / 2 + 1) {
            (re[k], im[k]) = (re[length - k], -im[length - k])
          }
        }
        plan.transform(&re, &im)
        for k in 0..<kept {
          let at = (o * kept + k) * inner + i
          if isReal {
            out[at] = re[k] * scale
          } else {
            out[2 * at] = re[k] * scale
            out[2 * at + 1] = im[k] * scale
          }
        }
      }
    }
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    guard version < 20 else { return }
    if graph[node]["axis"] == nil { graph.setAttribute("axis", of: node, to: .int(1)) }
    try graph.moveAttributeToInput("axis", of: node, at: 2)
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 20 else { return }
    if graph[node].input(2) == nil {
      guard let rank = graph[node].input(0).flatMap({ graph[$0].type?.shape?.count }) else {
        throw CameoError.unsupported("the default axis of DFT before opset 20 on a tensor of unknown rank")
      }
      return graph.setAttribute("axis", of: node, to: .int(Int64(rank - 2)))
    }
    try graph.moveInputToAttribute(2, of: node, named: "axis") { try .int($0) }
    if case .int(let axis) = graph[node]["axis"], axis < 0 {
      guard let rank = graph[node].input(0).flatMap({ graph[$0].type?.shape?.count }) else { return }
      graph.setAttribute("axis", of: node, to: .int(axis + Int64(rank)))
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(DFT(), to: $0) })
