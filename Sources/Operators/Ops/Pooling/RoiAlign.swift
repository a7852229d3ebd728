import GraphIR
import Tensors

/// RoiAlign: bilinear samples of each region, averaged or their maximum, in a grid of output_height x output_width.
struct RoiAlign: Operator {
  let name = OperatorName("RoiAlign")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 4...4, of: 0)
    try context.require(rank: 2...2, of: 1)
    try context.requireList(2)
    let height = try context.attributes.int("output_height", default: 1)
    let width = try context.attributes.int("output_width", default: 1)
    let regions = context.shape(1)?.first ?? context.shape(2)?.first ?? context.unknownDim()
    context.set(
      0, context.dataType(0), [regions, context.shape(0)?[1] ?? context.unknownDim(), Dim(height), Dim(width)])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let attributes = context.attributes
    let x = try context.tensor(0)
    let rois = try context.tensor(1)
    let items = try context.tensor(2).ints()
    guard x.rank == 4, rois.rank == 2, rois.shape[1] == 4, items.count == rois.shape[0],
      items.allSatisfy({ (0..<x.shape[0]).contains($0) })
    else { throw CameoError.badInput("rois \(rois) do not fit X \(x): [regions, 5] and [N, C, H, W] were expected") }
    let (channels, height, width) = (x.shape[1], x.shape[2], x.shape[3])
    let rows = try attributes.int("output_height", default: 1)
    let columns = try attributes.int("output_width", default: 1)
    let ratio = try attributes.int("sampling_ratio", default: 0)
    let scale = Double(try attributes.float("spatial_scale", default: 1))
    let isMaximum = try attributes.string("mode", default: "avg") == "max"
    let isHalf = try attributes.string("coordinate_transformation_mode", default: "half_pixel") == "half_pixel"
    guard rows > 0, columns > 0, (0...1 << 15).contains(ratio), height > 0, width > 0 else {
      throw CameoError.badInput("an output of \(rows) x \(columns)")
    }
    let boxes = try ElementView<Double>(rois)
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(x.dataType, [items.count, channels, rows, columns], as: Double.self) { out in
          for (n, item) in items.enumerated() {
            let offset = isHalf ? 0.5 : 0
            let startX = boxes[4 * n] * scale - offset
            let startY = boxes[4 * n + 1] * scale - offset
            var roiWidth = boxes[4 * n + 2] * scale - offset - startX
            var roiHeight = boxes[4 * n + 3] * scale - offset - startY
            if !isHalf {
              roiWidth = max(roiWidth, 1)
              roiHeight = max(roiHeight, 1)
            }
            guard roiWidth.magnitude < 0x1p30, roiHeight.magnitude < 0x1p30 else {
              throw CameoError.badInput("region \(n) is not finite")
            }
            let binHeight = roiHeight / Double(rows)
            let binWidth = roiWidth / Double(columns)
            let gridHeight = ratio > 0 ? ratio : Int(binHeight.rounded(.up))
            let gridWidth = ratio > 0 ? ratio : Int(binWidth.rounded(.up))
            for c in 0..<channels {
              let plane = view.base + (item * channels + c) * height * width
              for row in 0..<rows {
                for column in 0..<columns {
                  var sum = 0.0
                  var largest: Double?
                  for iy in 0..<max(0, gridHeight) {
                    let y = startY + Double(row) * binHeight + (Double(iy) + 0.5) * binHeight / Double(gridHeight)
                    for ix in 0..<max(0, gridWidth) {
                      let xx = startX + Double(column) * binWidth + (Double(ix) + 0.5) * binWidth / Double(gridWidth)
                      let parts = RoiAlign.sample(plane, height, width, y, xx)
                      sum += parts.0 + parts.1 + parts.2 + parts.3
                      let peak = max(parts.0, parts.1, parts.2, parts.3)
                      largest = largest.map { max($0, peak) } ?? peak
                    }
                  }
                  let at = ((n * channels + c) * rows + row) * columns + column
                  out[at] = isMaximum ? largest ?? 0 : sum / Double(max(gridHeight * gridWidth, 1))
                }
              }
            }
          }
        })
    ]
  }

  /// The four weighted neighbours of a place; zeros outside the map.
  private static func sample(
    _ plane: UnsafePointer<Double>, _ height: Int, _ width: Int, _ y: Double, _ x: Double
  ) -> (Double, Double, Double, Double) {
    if !(y >= -1 && y <= Double(height) && x >= -1 && x <= Double(width)) { return (0, 0, 0, 0) }
    var (y, x) = (max(y, 0), max(x, 0))
    var (y0, x0) = (Int(y), Int(x))
    var (y1, x1) = (y0 + 1, x0 + 1)
    if y0 >= height - 1 {
      (y0, y1) = (height - 1, height - 1)
      y = Double(y0)
    }
    if x0 >= width - 1 {
      (x0, x1) = (width - 1, width - 1)
      x = Double(x0)
    }
    let (ly, lx) = (y - Double(y0), x - Double(x0))
    return (
      (1 - ly) * (1 - lx) * plane[y0 * width + x0], (1 - ly) * lx * plane[y0 * width + x1],
      ly * (1 - lx) * plane[y1 * width + x0], ly * lx * plane[y1 * width + x1]
    )
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 16 { graph.setAttribute("coordinate_transformation_mode", of: node, to: .string("output_half_pixel")) }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 16 else { return }
    guard case .string("output_half_pixel") = graph[node]["coordinate_transformation_mode"] else {
      throw CameoError.unsupported("half_pixel coordinates of RoiAlign before opset 16")
    }
    graph.setAttribute("coordinate_transformation_mode", of: node, to: nil)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(RoiAlign(), to: $0) })
