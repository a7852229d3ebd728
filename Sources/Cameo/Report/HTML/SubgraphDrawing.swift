import PassKit

/// A subgraph as an inline SVG picture.
enum SubgraphDrawing {
  static func svg(_ nodes: [SubgraphNode]) -> String {
    let layout = SubgraphLayout(nodes)
    let (width, height) = (HTMLText.pixels(layout.width), HTMLText.pixels(layout.height))
    var out =
      "<svg class=\"g\" viewBox=\"0 0 \(width) \(height)\" width=\"\(width)\" height=\"\(height)\" role=\"img\" "
      + "aria-label=\"\(HTMLText.escape(nodes.map(\.type).joined(separator: ", ")))\">"
    for edge in layout.edges { out += "<path class=\"e\" d=\"\(path(edge.points))\"/>" }
    for box in layout.boxes {
      let (x, y) = (HTMLText.pixels(box.x), HTMLText.pixels(box.y))
      if let input = box.input {
        let label = SubgraphLayout.elided(SubgraphLayout.lastPart(input), 22)
        out +=
          "<g class=\"in\"><title>\(HTMLText.escape(input))</title><rect x=\"\(x)\" y=\"\(y)\" width=\"\(HTMLText.pixels(box.width))\" "
          + "height=\"20\" rx=\"10\"/><text x=\"\(HTMLText.pixels(box.x + box.width / 2))\" y=\"\(HTMLText.pixels(box.y + 14))\">"
          + "\(HTMLText.escape(label))</text></g>"
        continue
      }
      out +=
        "<g class=\"n\"><rect x=\"\(x)\" y=\"\(y)\" width=\"\(HTMLText.pixels(box.width))\" height=\"\(HTMLText.pixels(box.height))\" rx=\"5\"/>"
      for (index, row) in box.rows.enumerated() {
        let top = box.y + 3 + Double(index) * SubgraphLayout.rowHeight
        let detail = row.detail.isEmpty ? "" : "<tspan class=\"d\" dx=\"7\">\(HTMLText.escape(row.detail))</tspan>"
        out +=
          "<rect class=\"k \(kind(row.type))\" x=\"\(HTMLText.pixels(box.x + 4))\" y=\"\(HTMLText.pixels(top + 4))\" width=\"4\" height=\"13\" rx=\"2\"/>"
          + "<text x=\"\(HTMLText.pixels(box.x + 14))\" y=\"\(HTMLText.pixels(top + 15))\">"
          + (row.tooltip.isEmpty ? "" : "<title>\(HTMLText.escape(row.tooltip))</title>")
          + "\(HTMLText.escape(row.type))\(detail)</text>"
      }
      out += "</g>"
    }
    return out + "</svg>"
  }

  /// A line through the points: straight down along waypoints, curved between layers.
  private static func path(_ points: [(x: Double, y: Double)]) -> String {
    guard let start = points.first else { return "" }
    var out = "M\(HTMLText.pixels(start.x)) \(HTMLText.pixels(start.y))"
    for (a, b) in zip(points, points.dropFirst()) {
      if abs(a.x - b.x) < 0.5 {
        out += "L\(HTMLText.pixels(b.x)) \(HTMLText.pixels(b.y))"
      } else {
        let middle = (a.y + b.y) / 2
        out +=
          "C\(HTMLText.pixels(a.x)) \(HTMLText.pixels(middle)) \(HTMLText.pixels(b.x)) \(HTMLText.pixels(middle)) "
          + "\(HTMLText.pixels(b.x)) \(HTMLText.pixels(b.y))"
      }
    }
    return out
  }

  /// The colour class of an operator: products, statistics, data movement, the rest.
  static func kind(_ type: String) -> String {
    let name = type.split(separator: ".").last.map(String.init) ?? type
    if products.contains(name) { return "kp" }
    if statistics.contains(name) { return "ks" }
    if movement.contains(name) { return "km" }
    return "ke"
  }

  private static let products: Set<String> = [
    "MatMul", "Gemm", "Conv", "ConvTranspose", "Attention", "Einsum", "LSTM", "GRU", "RNN", "MatMulInteger",
    "QLinearMatMul",
    "ConvInteger", "QLinearConv", "MatMulNBits", "FusedMatMul", "FusedConv", "FusedGemm", "MultiHeadAttention",
  ]
  private static let statistics: Set<String> = [
    "Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization",
    "BatchNormalization",
    "GroupNormalization", "InstanceNormalization", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd",
    "ReduceL2", "ReduceSumSquare", "ReduceL1", "GlobalAveragePool", "AveragePool", "MaxPool", "GlobalMaxPool", "CumSum",
    "SkipLayerNormalization", "LpNormalization", "TopK", "ArgMax", "ArgMin",
  ]
  private static let movement: Set<String> = [
    "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Split", "Concat", "Gather", "GatherND",
    "GatherElements", "Expand", "Tile", "Pad", "Cast", "CastLike", "Identity", "Shape", "Size", "ConstantOfShape",
    "Range",
    "ScatterND", "ScatterElements", "DepthToSpace", "SpaceToDepth", "Resize", "Dropout",
  ]
}
