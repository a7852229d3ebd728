import GraphIR
import Tensors

/// Col2Im: adds columns of blocks back onto an image.
struct Col2Im: Operator {
  let name = OperatorName("Col2Im")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 3...3, of: 0)
    try context.requireList(1)
    try context.requireList(2)
    let x = context.shape(0)
    var rank = context.length(1) ?? context.length(2)
    for (name, perAxis) in [("dilations", 1), ("strides", 1), ("pads", 2)] where rank == nil {
      rank = try context.attributes.optionalInts(name).flatMap { $0.isEmpty ? nil : $0.count / perAxis }
    }
    guard let rank else { return context.set(0, context.dataType(0), nil) }
    if let image = context.length(1), let block = context.length(2), image != block {
      throw CameoError.badInput("image_shape has \(image) sizes and block_shape \(block), equal numbers were expected")
    }
    let block = try context.ints(2).map { try Tensor.elementCount($0) }
    let channels =
      block.flatMap { size in size > 0 ? x.map { $0[1].floorDiv(Dim(size)) } : nil } ?? context.unknownDim()
    let image = context.symbols(1) ?? context.unknownShape(rank: rank)
    context.set(0, context.dataType(0), [x?[0] ?? context.unknownDim(), channels] + image)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let image = try context.tensor(1).ints()
    let block = try context.tensor(2).ints()
    guard x.rank == 3, image.count == block.count, !block.isEmpty, image.allSatisfy({ $0 >= 0 }) else {
      throw CameoError.badInput(
        "block_shape \(block) and image_shape \(image) do not fit each other or the input \(x) of rank 3")
    }
    let geometry = try NNWindow(context.attributes, kernel: block).resolved(image)
    let taps = geometry.taps
    guard x.shape[1] % taps == 0, x.shape[2] == geometry.outputCount else {
      throw CameoError.badInput("input 0 (input) is \(x), [N, C * \(taps), \(geometry.outputCount)] was expected")
    }
    let channels = x.shape[1] / taps
    if x.dataType.isComplex { return try LinearParts.complex(context, evaluate) }
    if x.dataType == .string { return [.tensor(try texts(x, [x.shape[0], channels] + image, geometry))] }
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(x.dataType, [x.shape[0], channels] + image, as: Double.self) { out in
          for item in 0..<x.shape[0] {
            try Double.addColumns(
              out + item * channels * geometry.inputCount, view.base + item * x.shape[1] * x.shape[2], ld: x.shape[2],
              channels: channels, geometry)
          }
        })
    ]
  }

  /// Strings that meet in one place are put one behind the other.
  private func texts(_ x: Tensor, _ shape: [Int], _ geometry: NNGeometry) throws -> Tensor {
    let count = try Tensor.elementCount(shape)
    try MemoryBudget.shared.check(count &* MemoryLayout<String>.stride)
    let (channels, taps) = (shape[1], geometry.taps)
    var result = [String](repeating: "", count: count)
    for item in 0..<shape[0] {
      for position in 0..<geometry.outputCount {
        geometry.forEachTap(position) { tap, index in
          guard index >= 0 else { return }
          for channel in 0..<channels {
            let source = (item * x.shape[1] + channel * taps + tap) * x.shape[2] + position
            result[(item * channels + channel) * geometry.inputCount + index] += x.strings[source]
          }
        }
      }
    }
    return try Tensor(strings: result, shape: shape)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Col2Im(), to: $0) })
