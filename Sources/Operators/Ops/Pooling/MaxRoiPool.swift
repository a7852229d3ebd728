import GraphIR
import Tensors

/// MaxRoiPool: the maximum of each cell of a region, [batch, x1, y1, x2, y2], whose corners are rounded.
struct MaxRoiPool: Operator {
  let name = OperatorName("MaxRoiPool")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 4...4, of: 0)
    try context.require(rank: 2...2, of: 1)
    let pooled = try context.attributes.ints("pooled_shape")
    guard pooled.count == 2, pooled.allSatisfy({ $0 > 0 }) else {
      throw CameoError.badInput("attribute pooled_shape is \(pooled), two positive sizes were expected")
    }
    context.set(
      0, context.dataType(0),
      [context.shape(1)?.first ?? context.unknownDim(), context.shape(0)?[1] ?? context.unknownDim()]
        + pooled.map { Dim($0) })
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let rois = try context.tensor(1)
    let pooled = try context.attributes.ints("pooled_shape")
    let scale = Double(try context.attributes.float("spatial_scale", default: 1))
    guard x.rank == 4, rois.rank == 2, rois.shape[1] == 5, pooled.count == 2, pooled.allSatisfy({ $0 > 0 }) else {
      throw CameoError.badInput("rois \(rois) do not fit X \(x): [regions, 5] and [N, C, H, W] were expected")
    }
    let (channels, height, width) = (x.shape[1], x.shape[2], x.shape[3])
    let boxes = try ElementView<Double>(rois)
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(x.dataType, [rois.shape[0], channels] + pooled, as: Double.self) { out in
          for n in 0..<rois.shape[0] {
            let corners = (1..<5).map { (boxes[5 * n + $0] * scale).rounded(.toNearestOrAwayFromZero) }
            let batch = boxes[5 * n]
            guard corners.allSatisfy({ $0.magnitude < 0x1p40 }), batch >= 0, batch < Double(x.shape[0]) else {
              throw CameoError.badInput("region \(n) lies outside the batch")
            }
            let bounds = corners.map { Int($0) }
            let cellHeight = Double(max(bounds[3] - bounds[1] + 1, 1)) / Double(pooled[0])
            let cellWidth = Double(max(bounds[2] - bounds[0] + 1, 1)) / Double(pooled[1])
            func span(_ cell: Int, _ size: Double, _ start: Int, _ limit: Int) -> Range<Int> {
              let low = min(max(Int((Double(cell) * size).rounded(.down)) + start, 0), limit)
              let high = min(max(Int((Double(cell + 1) * size).rounded(.up)) + start, 0), limit)
              return low..<max(low, high)
            }
            for c in 0..<channels {
              let plane = view.base + (Int(batch) * channels + c) * height * width
              for row in 0..<pooled[0] {
                for column in 0..<pooled[1] {
                  var largest: Double?
                  for y in span(row, cellHeight, bounds[1], height) {
                    for xx in span(column, cellWidth, bounds[0], width) {
                      largest = largest.map { max($0, plane[y * width + xx]) } ?? plane[y * width + xx]
                    }
                  }
                  out[((n * channels + c) * pooled[0] + row) * pooled[1] + column] = largest ?? 0
                }
              }
            }
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MaxRoiPool(), to: $0) })
