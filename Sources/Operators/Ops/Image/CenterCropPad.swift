import GraphIR
import Tensors

/// CenterCropPad: crops or zero-pads `axes` around the centre to the sizes of `shape`.
struct CenterCropPad: Operator {
  let name = OperatorName("CenterCropPad")
  let traits: OperatorTraits = []

  private func axes(_ attributes: AttributeReader, rank: Int) throws -> [Int] {
    let axes = try attributes.optionalInts("axes")?.map { $0 < 0 ? $0 + rank : $0 } ?? Array(0..<rank)
    guard axes.allSatisfy({ (0..<rank).contains($0) }) else {
      throw CameoError.badInput("attribute axes is \(axes), axes of a tensor of rank \(rank) were expected")
    }
    return axes
  }

  func infer(_ context: inout InferenceContext) throws {
    guard var shape = context.shape(0) else { return context.set(0, context.dataType(0), nil) }
    let axes = try axes(context.attributes, rank: shape.count)
    let sizes = context.symbols(1)
    if let sizes, sizes.count != axes.count {
      throw CameoError.badInput("\(sizes.count) sizes are given for \(axes.count) axes")
    }
    for (index, axis) in axes.enumerated() { shape[axis] = sizes?[index] ?? context.unknownDim() }
    context.set(0, context.dataType(0), shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let axes = try axes(context.attributes, rank: x.rank)
    let sizes = try context.tensor(1).ints()
    guard sizes.count == axes.count, sizes.allSatisfy({ $0 >= 0 }) else {
      throw CameoError.badInput("shape is \(sizes), \(axes.count) sizes of 0 or more were expected")
    }
    var shape = x.shape
    // Where the output's first element would lie in the input.
    var start = [Int](repeating: 0, count: x.rank)
    for (axis, size) in zip(axes, sizes) {
      shape[axis] = size
      let spare = x.shape[axis] - size
      start[axis] = spare >= 0 ? spare / 2 : -(-spare / 2)
    }
    let strides = Tensor.strides(x.shape)
    func source(_ position: Int) -> Int? {
      var rest = position
      var index = 0
      for axis in stride(from: shape.count - 1, through: 0, by: -1) {
        let at = rest % shape[axis] + start[axis]
        rest /= shape[axis]
        if at < 0 || at >= x.shape[axis] { return nil }
        index += at * strides[axis]
      }
      return index
    }
    // Zeros, or empty strings, where the input has nothing.
    var out = try ElementBuffer(x.dataType, shape)
    for i in 0..<out.count { if let place = source(i) { out.copy(x, from: place, count: 1, to: i) } }
    return [.tensor(try out.finish())]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(CenterCropPad(), to: $0) })
