import GraphIR
import Tensors

/// ZipMap: a map from class label to score for each row of float [N, C] (or [C]); keys stand in the order of the attribute.
/// Of equal labels the last one's score counts, as in ONNX Runtime.
struct ZipMap: Operator {
  let name = OperatorName("ZipMap", domain: "ai.onnx.ml")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 1...2, of: 0)
    guard let labels = try MLLabels(context.attributes, ints: "classlabels_int64s") else { return }
    if let width = context.shape(0)?.last {
      _ = try context.unify(width, Dim(labels.count), "columns and class labels")
    }
    context.set(0, ValueFacts(type: .sequence(.map(labels.dataType, .tensor(.float, [])))))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    guard x.dataType == .float else { throw CameoError.badInput("the input is \(x), float was expected") }
    let shape = try MLRows(x)
    guard let labels = try MLLabels(context.attributes, ints: "classlabels_int64s") else {
      throw CameoError.badInput("neither classlabels_int64s nor classlabels_strings is given, one of them was expected")
    }
    guard shape.features == labels.count else {
      throw CameoError.badInput("\(shape.features) columns for \(labels.count) class labels, as many were expected")
    }
    let (keys, columns) = try ZipMap.keys(labels)
    let (bytes, overflow) = shape.rows.multipliedReportingOverflow(by: MemoryLayout<Value>.stride)
    guard !overflow else { throw CameoError.limit("\(shape.rows) maps overflow") }
    try MemoryBudget.shared.check(bytes, for: "a sequence of maps")
    // Every score is a view of the input.
    return [
      .sequence(
        try (0..<shape.rows).map { row in
          .map(
            MapValue(
              keys: keys,
              values: try columns.map { column in
                let offset = x.byteOffset + (row * shape.features + column) * MemoryLayout<Float>.stride
                return .tensor(try Tensor(dataType: .float, shape: [], storage: x.storage, byteOffset: offset))
              }))
        })
    ]
  }

  /// The labels, each once, and the column that it has its score from.
  private static func keys(_ labels: MLLabels) throws -> (Tensor, [Int]) {
    func unique<Label: Hashable>(_ labels: [Label]) -> ([Label], [Int]) {
      var last: [Label: Int] = [:]
      for (column, label) in labels.enumerated() { last[label] = column }
      var seen: Set<Label> = []
      let kept = labels.filter { seen.insert($0).inserted }
      return (kept, kept.map { last[$0] ?? 0 })
    }
    switch labels {
    case .ints(let values):
      let (kept, columns) = unique(values)
      return (try Tensor.of(kept, .int64), columns)
    case .strings(let values):
      let (kept, columns) = unique(values)
      return (try Tensor(strings: kept, shape: [kept.count]), columns)
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ZipMap(), to: $0) })
