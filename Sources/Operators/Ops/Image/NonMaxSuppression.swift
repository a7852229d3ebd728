import GraphIR
import Tensors

/// NonMaxSuppression: for each batch item and class the boxes of highest score that overlap no better one too much;
/// rows [batch, class, box].
struct NonMaxSuppression: Operator {
  let name = OperatorName("NonMaxSuppression")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 3...3, of: 0)
    try context.require(rank: 3...3, of: 1)
    context.set(0, .int64, [context.unknownDim(), 3])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let boxes = try context.tensor(0)
    let scores = try context.tensor(1)
    guard boxes.rank == 3, scores.rank == 3, boxes.shape[2] == 4, boxes.shape[0] == scores.shape[0],
      boxes.shape[1] == scores.shape[2]
    else {
      throw CameoError.badInput(
        "boxes \(boxes) and scores \(scores) do not fit: [batch, boxes, 4] and [batch, classes, boxes] were expected")
    }
    func number(_ index: Int) throws -> Float? {
      try context.optionalTensor(index).flatMap { $0.isEmpty ? nil : try $0.scalar(as: Float.self) }
    }
    let limit = try context.optionalTensor(2).flatMap { $0.isEmpty ? nil : try $0.scalar(as: Int64.self) } ?? 0
    let overlap = try number(3) ?? 0
    let threshold = try number(4)
    let isCentred = try context.attributes.bool("center_point_box")
    let (count, classes) = (boxes.shape[1], scores.shape[1])
    let corners = try ElementView<Float>(boxes)
    let values = try ElementView<Float>(scores)
    var rows: [Int] = []
    for batch in 0..<boxes.shape[0] {
      // [y1, x1, y2, x2], ordered.
      let areas: [[Float]] = (0..<count).map { box in
        let b = (0..<4).map { corners[(batch * count + box) * 4 + $0] }
        if isCentred { return [b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2] }
        return [min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3])]
      }
      for category in 0..<classes {
        let start = (batch * classes + category) * count
        var candidates = (0..<count).filter { box in threshold.map { values[start + box] > $0 } ?? true }
        candidates.sort {
          values[start + $0] > values[start + $1] || values[start + $0] == values[start + $1] && $0 < $1
        }
        var chosen: [Int] = []
        for box in candidates {
          if Int64(chosen.count) >= limit { break }
          if chosen.contains(where: { NonMaxSuppression.overlap(areas[$0], areas[box]) > overlap }) { continue }
          chosen.append(box)
          rows += [batch, category, box]
        }
      }
    }
    return [.tensor(try .ints(rows, shape: [rows.count / 3, 3]))]
  }

  /// Intersection over union; -1 where there is none.
  private static func overlap(_ a: [Float], _ b: [Float]) -> Float {
    let height = min(a[2], b[2]) - max(a[0], b[0])
    let width = min(a[3], b[3]) - max(a[1], b[1])
    guard height > 0, width > 0 else { return -1 }
    let first = (a[2] - a[0]) * (a[3] - a[1])
    let second = (b[2] - b[0]) * (b[3] - b[1])
    let union = first + second - height * width
    guard first > 0, second > 0, union > 0 else { return -1 }
    return height * width / union
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(NonMaxSuppression(), to: $0) })
