import GraphIR
import Tensors

/// The input of a traditional model: rows of features, [N, F]. A vector [F] is one row, as in ONNX Runtime.
struct MLRows {
  let rows: Int
  let features: Int

  /// Throws where the tensor has another rank, or holds no numbers.
  init(_ tensor: Tensor) throws {
    guard tensor.rank == 1 || tensor.rank == 2 else {
      throw CameoError.badInput("the input is \(tensor), [N, F] or [F] was expected")
    }
    guard tensor.dataType != .string else {
      throw CameoError.badInput("the input is \(tensor), numbers were expected")
    }
    rows = tensor.rank == 2 ? tensor.shape[0] : 1
    features = tensor.shape[tensor.rank - 1]
  }

  /// Throws where a row has another number of features than the model.
  func require(features expected: Int) throws {
    guard features == expected else {
      throw CameoError.badInput("rows of \(features) features, the model has \(expected)")
    }
  }
}

extension InferenceContext {
  /// N and F of input 0, for operators on [N, F] or [F]; nil where they are not known.
  func mlRows() throws -> (rows: Dim?, features: Dim?) {
    try require(rank: 1...2, of: 0)
    guard let shape = shape(0), let features = shape.last else { return (nil, nil) }
    return (shape.count == 2 ? shape[0] : 1, features)
  }

  /// [N, columns]; N is unknown where the input's shape is.
  mutating func mlOutputShape(_ columns: Dim?) throws -> [Dim] {
    let rows = try mlRows().rows ?? unknownDim()
    return [rows, columns ?? unknownDim()]
  }
}

/// The labels of a classifier: integers or strings.
enum MLLabels: Sendable {
  case ints([Int64])
  case strings([String])

  var count: Int {
    switch self {
    case .ints(let labels): labels.count
    case .strings(let labels): labels.count
    }
  }

  /// What the two attributes say; nil where neither holds a label. Throws where both do.
  init?(_ attributes: AttributeReader, ints: String, strings: String = "classlabels_strings") throws {
    let numbers = try attributes.optionalInts(ints) ?? []
    let texts = try attributes.optionalStrings(strings) ?? []
    guard numbers.isEmpty || texts.isEmpty else {
      throw CameoError.badInput("both \(ints) and \(strings) are given, one of them was expected")
    }
    if numbers.isEmpty && texts.isEmpty { return nil }
    self = texts.isEmpty ? .ints(numbers.map { Int64($0) }) : .strings(texts)
  }

  /// The element type of the labels: strings where string labels are given, else integers.
  var dataType: DataType {
    switch self {
    case .ints: .int64
    case .strings: .string
    }
  }

  /// The labels [rows] of the given classes, which must be inside.
  func tensor(_ chosen: UnsafePointer<Int32>, rows: Int) throws -> Tensor {
    switch self {
    case .ints(let labels):
      return try Tensor.make(.int64, [rows], as: Int64.self) { out in
        for row in 0..<rows { out[row] = labels[Int(chosen[row])] }
      }
    case .strings(let labels):
      try MemoryBudget.shared.check(rows &* MemoryLayout<String>.stride)
      return try Tensor(strings: (0..<rows).map { labels[Int(chosen[$0])] }, shape: [rows])
    }
  }
}

/// Where each row's class is noted while scores are computed, on several threads.
struct MLChoices {
  private let storage: TensorStorage
  let base: UnsafeMutablePointer<Int32>

  init(rows: Int) throws {
    let (bytes, overflow) = rows.multipliedReportingOverflow(by: MemoryLayout<Int32>.stride)
    guard !overflow else { throw CameoError.limit("\(rows) rows overflow") }
    storage = try TensorStorage(byteCount: bytes)
    base = storage.base.bindMemory(to: Int32.self, capacity: rows)
  }

  func labels(_ labels: MLLabels, rows: Int) throws -> Tensor {
    try withExtendedLifetime(storage) { try labels.tensor(base, rows: rows) }
  }
}

extension ElementView {
  /// The elements' memory for the time of `body`; a converted copy lives as long.
  func withBase<R>(_ body: (UnsafePointer<Element>) throws -> R) rethrows -> R {
    try withExtendedLifetime(self) { try body(base) }
  }
}
