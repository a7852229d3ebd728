import Tensors

/// A weight as rows of codes: one row an output channel, `depth` numbers each, in blocks that share a scale and a zero
/// point.
struct QuantizedMatrix: Sendable {
  let rows: Int
  let depth: Int
  let format: WeightFormat
  /// The type of the scales, and of the numbers that come out.
  let type: DataType
  /// [rows, depth], as `CodeGrid` holds them.
  var codes: [UInt8]
  /// [rows, groups].
  var blocks: [CodeGrid.Parameters]
  /// The scales in 8 bits, where the format has them so.
  private(set) var scaleTable: ScaleTable?

  var groups: Int { format.groups(depth: depth) }
  var groupSize: Int { format.groupSize ?? max(1, depth) }

  /// Nothing but zeros. Throws `.limit` where the sizes overflow.
  init(rows: Int, depth: Int, format: WeightFormat, type: DataType) throws {
    let count = try Tensor.elementCount([rows, depth])
    try MemoryBudget.shared.check(count, for: "a quantized weight")
    self.rows = rows
    self.depth = depth
    self.format = format
    self.type = type
    codes = [UInt8](repeating: 0, count: count)
    blocks = [CodeGrid.Parameters](
      repeating: CodeGrid.Parameters(scale: 0, zero: 0), count: rows * format.groups(depth: depth))
  }

  /// Writes the scales in 8 bits and takes what they then are.
  mutating func quantizeScales() {
    let order = (0..<groups).flatMap { group in (0..<rows).map { $0 * groups + group } }
    let table = ScaleTable(order.map { blocks[$0].scale })
    for (place, index) in order.enumerated() { blocks[index].scale = table.scale(place) }
    scaleTable = table
  }

  /// True where every zero point is a code.
  var hasWholeZeros: Bool { blocks.allSatisfy { $0.zero == $0.zero.rounded() } }

  /// What the codes stand for, [rows, depth].
  func dequantized() -> [Float] {
    let grid = CodeGrid(format, scaleType: type)
    var result = [Float](repeating: 0, count: codes.count)
    for row in 0..<rows {
      for index in 0..<depth {
        let block = blocks[row * groups + index / groupSize]
        result[row * depth + index] = grid.decode(codes[row * depth + index], block)
      }
    }
    return result
  }

  /// Bytes of codes, scales and zero points as they are written.
  var byteCount: Int {
    let codeBits = format.codeType.bitWidth
    let scaleBits = format.quantizesScales ? 8 : type.bitWidth
    let zeroBits = format.scheme == .affine ? codeBits : 0
    return (codes.count * codeBits + blocks.count * (scaleBits + zeroBits) + 7) / 8
  }
}

/// Scales in 8 bits, those of one block after the other, all rows of a block; `blockSize` of them share a float scale.
struct ScaleTable: Sendable {
  static let blockSize = 256
  let codes: [UInt8]
  let scales: [Float]

  init(_ values: [Float]) {
    var (codes, scales): ([UInt8], [Float]) = ([], [])
    for first in stride(from: 0, to: values.count, by: ScaleTable.blockSize) {
      let part = values[first..<min(values.count, first + ScaleTable.blockSize)]
      let scale = max((part.max() ?? 0) / 255, .leastNormalMagnitude)
      // A block that is not all zeros keeps a scale.
      codes += part.map { $0 <= 0 ? 0 : UInt8(min(255, max(1, ($0 / scale).rounded(.toNearestOrEven)))) }
      scales.append(scale)
    }
    (self.codes, self.scales) = (codes, scales)
  }

  func scale(_ place: Int) -> Float { Float(codes[place]) * scales[place / ScaleTable.blockSize] }
}

/// A weight in floats: `rows` output channels of `depth` numbers.
struct WeightMatrix: Sendable {
  let rows: Int
  let depth: Int
  /// The element type that it is stored in.
  let type: DataType
  /// [rows, depth].
  var values: [Float]

  /// The matrix of a constant [rows, depth], or, `isTransposed`, [depth, rows]. Throws `.limit` past the memory budget.
  static func of(_ tensor: Tensor, isTransposed: Bool) throws -> WeightMatrix {
    try MemoryBudget.shared.check(tensor.count * MemoryLayout<Float>.stride, for: "a weight in float32")
    guard isTransposed else {
      return WeightMatrix(type: tensor.dataType, depth: tensor.shape[1], values: try tensor.elements(as: Float.self))
    }
    let (depth, rows) = (tensor.shape[0], tensor.shape[1])
    if let parts = tensor.deferredRows {
      let values = try parts.flatMap { try $0.elements(as: Float.self) }
      return WeightMatrix(type: tensor.dataType, depth: depth, values: values)
    }
    let view = try ElementView<Float>(tensor)
    var values = [Float](repeating: 0, count: tensor.count)
    values.withUnsafeMutableBufferPointer { values in
      for index in 0..<depth {
        for row in 0..<rows { values[row * depth + index] = view[index * rows + row] }
      }
    }
    return WeightMatrix(type: tensor.dataType, depth: depth, values: values)
  }

  init(type: DataType, depth: Int, values: [Float]) {
    self.type = type
    self.depth = depth
    self.values = values
    rows = depth == 0 ? 0 : values.count / depth
  }

  /// The signal-to-noise ratio of `other` in dB: infinite where it is the same.
  func signalToNoise(of other: [Float]) -> Double {
    var (signal, noise) = (0.0, 0.0)
    for (a, b) in zip(values, other) {
      signal += Double(a) * Double(a)
      noise += (Double(a) - Double(b)) * (Double(a) - Double(b))
    }
    return Closeness.decibel(signal: signal, noise: noise)
  }

  var hasOnlyFiniteNumbers: Bool { values.allSatisfy(\.isFinite) }
}
