internal import CKernels
public import Tensors

/// The mean of x x^T over all rows x along a value's last axis: the second moments that GPTQ and AWQ weigh errors with.
///
/// Holds depth^2 float32 whatever the number of samples. O(rows * depth^2 / 2) a sample, over all threads; the same
/// bits for any number of them.
public final class GramObserver: ValueObserver {
  /// [depth, depth], row-major, both triangles; empty before the first sample.
  public private(set) var gram: [Float] = []
  /// Length of the last axis; nil before the first sample.
  public private(set) var depth: Int?
  /// Rows seen.
  public private(set) var count = 0
  private static let panel = 32
  /// The deepest value that is taken: its matrix holds 1 GiB.
  public static let greatestDepth = 1 << 14

  public init() {}

  /// Throws `.badInput` for a scalar, another depth than before, and numbers that are not finite; `.limit` past
  /// `greatestDepth`.
  public func observe(_ tensor: Tensor) throws {
    let width = try LastAxis.depth(of: tensor, after: depth)
    guard width <= GramObserver.greatestDepth else {
      throw CameoError.limit("a last axis of \(width): products of up to \(GramObserver.greatestDepth) are kept")
    }
    if depth == nil {
      try MemoryBudget.shared.check(width * width * MemoryLayout<Float>.stride, for: "the activations' products")
      gram = [Float](repeating: 0, count: width * width)
      depth = width
    }
    let rows = width == 0 ? 0 : tensor.count / width
    if rows == 0 { return }
    let view = try LastAxis.finite(tensor)
    gram.withUnsafeMutableBufferPointer {
      GramObserver.add(view.base, rows: rows, width: width, after: count, to: $0)
    }
    count += rows
  }

  /// Makes `gram`, the mean of x x^T over `count` rows, the mean over those and [rows, width] more.
  static func add(
    _ base: UnsafePointer<Float>, rows: Int, width: Int, after count: Int, to gram: UnsafeMutableBufferPointer<Float>
  ) {
    let total = count + rows
    let (kept, added) = (Float(Double(count) / Double(total)), Float(1 / Double(total)))
    nonisolated(unsafe) let (gram, base) = (gram, base)
    ParallelRows.run(width, grain: panel) { part in
      let columns = width - part.lowerBound
      withUnsafeTemporaryAllocation(of: Float.self, capacity: part.count * columns) { product in
        guard let out = product.baseAddress else { return }
        let left = base + part.lowerBound
        ck_contract_f32(out, columns, 1, left, 1, width, left, width, 1, columns, rows, 0, part.count)
        for i in part {
          for j in i..<width {
            let sum = out[(i - part.lowerBound) * columns + j - part.lowerBound]
            let value = gram[i * width + j] * kept + sum * added
            gram[i * width + j] = value
            gram[j * width + i] = value
          }
        }
      }
    }
  }
}

enum LastAxis {
  /// The length of the last axis. Throws `.badInput` for what is no float tensor with one, or where `known` says
  /// another.
  static func depth(of tensor: Tensor, after known: Int?) throws -> Int {
    guard tensor.dataType.isFloatingPoint, let width = tensor.shape.last else {
      throw CameoError.badInput("\(tensor) has no channels of floats along a last axis")
    }
    if let known, known != width {
      throw CameoError.badInput("\(tensor) has \(width) channels, \(known) were there before")
    }
    return width
  }

  /// Its elements. Throws `.badInput` where one is not finite.
  static func finite(_ tensor: Tensor) throws -> ElementView<Float> {
    let view = try ElementView<Float>(tensor)
    // The sum of magnitudes is finite only where all are, or where it overflows on the way.
    var sum = 0.0
    for index in 0..<view.count { sum += Double(view.base[index].magnitude) }
    guard sum.isFinite else { throw CameoError.badInput("\(tensor) holds numbers that are not finite") }
    return view
  }
}

/// What is known of a product's left operand when its weight is quantized.
public struct ActivationStatistics: Sendable {
  /// The mean of x x^T, [depth, depth].
  public let gram: [Float]
  /// mean |x| of each channel, [depth].
  public let magnitudes: [Float]

  public init(gram: [Float], magnitudes: [Float]) {
    self.gram = gram
    self.magnitudes = magnitudes
  }

  /// From observers that saw the value; nil where they saw nothing.
  public init?(_ observers: [any ValueObserver]) {
    let grams = observers.compactMap { $0 as? GramObserver }
    let channels = observers.compactMap { $0 as? ChannelMoments }
    guard let gram = grams.first, gram.count > 0, let channel = channels.first?.summary else { return nil }
    self.init(gram: gram.gram, magnitudes: channel.meanMagnitude)
  }
}
