internal import CKernels
import GraphIR
import Tensors

/// MaxPool: the maximum of each window and, as second output, where in the whole tensor it stands.
struct MaxPool: Operator {
  let name = OperatorName("MaxPool")

  func infer(_ context: inout InferenceContext) throws {
    let shape = try NNPooling.shape(context)
    context.set(0, context.dataType(0), shape)
    context.set(1, .int64, shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let geometry = try NNPooling.geometry(context, x)
    let isColumnMajor = try context.attributes.bool("storage_order")
    let shape = Array(x.shape[..<2]) + geometry.output
    guard context.hasOutput(1) else {
      if Quantized.isEightBit(x.dataType), geometry.rank <= 3 { return [.tensor(try MaxPool.eightBit(x, geometry))] }
      let result = try NNPooling.evaluate(x, geometry) { out, input, window, planes in
        var window = window
        ck_maxpool_f32(out, nil, input, &window, isColumnMajor, planes.lowerBound, planes.upperBound)
      } double: { input, position in
        MaxPool.largest(input, geometry, position).value
      }
      return [.tensor(result)]
    }
    var values: Tensor?
    let view = try ElementView<Double>(x)
    let indices = try Tensor.make(.int64, shape, as: Int64.self) { places in
      values = try Tensor.make(x.dataType, shape, as: Double.self) { out in
        let positions = geometry.outputCount
        for plane in 0..<x.shape[0] * x.shape[1] {
          let start = plane * geometry.inputCount
          for position in 0..<positions {
            let found = MaxPool.largest(view.base + start, geometry, position)
            out[plane * positions + position] = found.value
            let place = isColumnMajor ? MaxPool.columnMajor(found.index, geometry.input) : found.index
            places[plane * positions + position] = Int64(start + place)
          }
        }
      }
    }
    return [values.map { .tensor($0) }, .tensor(indices)]
  }

  private static func eightBit(_ x: Tensor, _ geometry: NNGeometry) throws -> Tensor {
    let window = try geometry.kernelWindow()
    return try Tensor.makeRaw(x.dataType, Array(x.shape[..<2]) + geometry.output) { raw in
      guard let out = raw.baseAddress?.assumingMemoryBound(to: UInt8.self), raw.count > 0 else { return }
      withExtendedLifetime(x) {
        let source = x.baseAddress.assumingMemoryBound(to: UInt8.self)
        let grain = max(1, 50_000 / max(1, geometry.outputCount * geometry.taps))
        NNParallel.ranges(x.shape[0] * x.shape[1], grain: grain) { planes in
          var window = window
          ck_maxpool_u8(out, source, &window, x.dataType == .int8, 0, planes.lowerBound, planes.upperBound)
        }
      }
    }
  }

  /// The maximum and its linear index in the plane; NaN wins, padding never.
  private static func largest(_ plane: UnsafePointer<Double>, _ geometry: NNGeometry, _ position: Int) -> (
    value: Double, index: Int
  ) {
    var best = -Double.infinity
    var place = -1
    geometry.forEachTap(position) { _, index in
      guard index >= 0, !best.isNaN else { return }
      if place < 0 || plane[index] > best || plane[index].isNaN {
        best = plane[index]
        place = index
      }
    }
    return (best, max(0, place))
  }

  private static func columnMajor(_ index: Int, _ sizes: [Int]) -> Int {
    var rest = index
    var digits: [Int] = []
    for size in sizes.reversed() {
      digits.append(rest % size)
      rest /= size
    }
    // `digits` holds the last axis first; it varies slowest now.
    var result = 0
    for (digit, size) in zip(digits, sizes.reversed()) { result = result * size + digit }
    return result
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 8 && graph[node].output(1) != nil {
      throw CameoError.unsupported("MaxPool has no Indices before opset 8")
    }
    guard version < 10 else { return }
    NNPooling.dropPlainDilations(&graph, node)
    try NNPooling.lowerCeilMode(&graph, node)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MaxPool(), to: $0) })
