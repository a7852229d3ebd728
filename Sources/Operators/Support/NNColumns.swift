internal import CKernels
import Tensors

/// im2col and its adjoint, per compute type: float in C, the others here.
protocol NNConvolvable: NNScalar {
  /// Columns `range` of the matrix (channel, tap) x position of one image, to `out` with row stride `ld`.
  static func columns(
    _ out: UnsafeMutablePointer<Self>, ld: Int, _ image: UnsafePointer<Self>, channels: Int, _ geometry: NNGeometry,
    _ range: Range<Int>) throws
  /// Adds the columns of `channels` channels onto the image.
  static func addColumns(
    _ image: UnsafeMutablePointer<Self>, _ columns: UnsafePointer<Self>, ld: Int, channels: Int, _ geometry: NNGeometry)
    throws
  static func sum(_ a: Self, _ b: Self) -> Self
}

extension NNConvolvable {
  static func columns(
    _ out: UnsafeMutablePointer<Self>, ld: Int, _ image: UnsafePointer<Self>, channels: Int, _ geometry: NNGeometry,
    _ range: Range<Int>
  ) throws {
    let taps = geometry.taps
    let plane = geometry.inputCount
    let zero = Self(0)
    for position in range {
      geometry.forEachTap(position) { tap, index in
        for channel in 0..<channels {
          out[(channel * taps + tap) * ld + position - range.lowerBound] =
            index < 0 ? zero : image[channel * plane + index]
        }
      }
    }
  }

  static func addColumns(
    _ image: UnsafeMutablePointer<Self>, _ columns: UnsafePointer<Self>, ld: Int, channels: Int, _ geometry: NNGeometry
  ) throws {
    let taps = geometry.taps
    let plane = geometry.inputCount
    for position in 0..<geometry.outputCount {
      geometry.forEachTap(position) { tap, index in
        guard index >= 0 else { return }
        for channel in 0..<channels {
          let at = channel * plane + index
          image[at] = sum(image[at], columns[(channel * taps + tap) * ld + position])
        }
      }
    }
  }
}

extension Float: NNConvolvable {
  static func sum(_ a: Float, _ b: Float) -> Float { a + b }

  static func columns(
    _ out: UnsafeMutablePointer<Float>, ld: Int, _ image: UnsafePointer<Float>, channels: Int, _ geometry: NNGeometry,
    _ range: Range<Int>
  ) throws {
    var window = try geometry.kernelWindow()
    ck_im2col_f32(out, ld, image, &window, 0, channels * geometry.taps, range.lowerBound, range.upperBound)
  }

  static func addColumns(
    _ image: UnsafeMutablePointer<Float>, _ columns: UnsafePointer<Float>, ld: Int, channels: Int,
    _ geometry: NNGeometry
  ) throws {
    var window = try geometry.kernelWindow()
    ck_col2im_f32(image, columns, ld, &window, 0, channels)
  }
}

extension Double: NNConvolvable {
  static func sum(_ a: Double, _ b: Double) -> Double { a + b }
}

extension Int64: NNConvolvable {
  static func sum(_ a: Int64, _ b: Int64) -> Int64 { a &+ b }
}

/// Memory for one piece of work.
struct NNScratch<T>: ~Copyable {
  let base: UnsafeMutablePointer<T>

  /// Throws `.limit` past the memory budget. The memory is not initialised: T is a number.
  init(_ count: Int, _: T.Type = T.self) throws {
    try MemoryBudget.shared.check(count * MemoryLayout<T>.stride, for: "scratch")
    base = .allocate(capacity: max(1, count))
  }

  deinit { base.deallocate() }
}

enum NNConvolution {
  /// Grouped convolution: x [N, C, ..], w [M, C / groups, ..], bias [M]; y [N, M, ..] zeroed or not.
  static func forward<T: NNConvolvable>(
    _ y: UnsafeMutablePointer<T>, _ x: UnsafePointer<T>, _ w: UnsafePointer<T>, bias: UnsafePointer<T>?, batch: Int,
    channels: Int, outChannels: Int, groups: Int, _ geometry: NNGeometry, inDouble: Bool
  ) throws {
    let (positions, plane) = (geometry.outputCount, geometry.inputCount)
    let depth = channels / groups * geometry.taps
    let rows = outChannels / groups
    guard positions > 0, rows > 0 else { return }
    let isDirect = geometry.isPointwise
    // Scratch of one piece: at most about 4 MB of columns.
    let width = isDirect ? positions : min(positions, max(64, (1 << 20) / max(1, depth) / 64 * 64))
    let blocks = (positions + width - 1) / width
    let pieces = batch * groups * blocks
    func piece(_ number: Int, isSerial: Bool) throws {
      let block = number % blocks
      let group = number / blocks % groups
      let item = number / blocks / groups
      let range = block * width..<min(positions, (block + 1) * width)
      let image = x + (item * channels + group * (channels / groups)) * plane
      let out = y + (item * outChannels + group * rows) * positions + range.lowerBound
      let weights = NNMatrix(w + group * rows * depth, row: depth, col: 1)
      if isDirect {
        NNContraction.multiply(
          out, ldc: positions, weights, NNMatrix(image, row: plane, col: 1), m: rows, n: positions, k: depth,
          inDouble: inDouble, isSerial: isSerial)
      } else {
        let scratch = try NNScratch(depth * range.count, T.self)
        try T.columns(scratch.base, ld: range.count, image, channels: channels / groups, geometry, range)
        NNContraction.multiply(
          out, ldc: positions, weights, NNMatrix(UnsafePointer(scratch.base), row: range.count, col: 1), m: rows,
          n: range.count, k: depth, inDouble: inDouble, isSerial: isSerial)
      }
      if let bias {
        for row in 0..<rows {
          let added = bias[group * rows + row]
          for p in 0..<range.count { out[row * positions + p] = T.sum(out[row * positions + p], added) }
        }
      }
    }
    if pieces >= 4 {
      try NNParallel.throwingRanges(pieces, grain: 1) { range in
        for number in range { try piece(number, isSerial: true) }
      }
    } else {
      for number in 0..<pieces { try piece(number, isSerial: false) }
    }
  }
}
