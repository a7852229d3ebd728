internal import CKernels
import Tensors

/// The types that contractions run in: float for 32-bit floats and less, double, int64 for all integers.
protocol NNScalar: ComputeElement {
  init(_ value: Int)
  /// C[i][j] = sum over p of A[i][p] B[p][j] for rows m of C; strides in elements.
  static func contract(
    _ c: UnsafeMutablePointer<Self>, _ cRow: Int, _ cCol: Int, _ a: UnsafePointer<Self>, _ aRow: Int, _ aCol: Int,
    _ b: UnsafePointer<Self>, _ bRow: Int, _ bCol: Int, n: Int, k: Int, m: Range<Int>, inDouble: Bool)
}

extension Float: NNScalar {
  static func contract(
    _ c: UnsafeMutablePointer<Float>, _ cRow: Int, _ cCol: Int, _ a: UnsafePointer<Float>, _ aRow: Int, _ aCol: Int,
    _ b: UnsafePointer<Float>, _ bRow: Int, _ bCol: Int, n: Int, k: Int, m: Range<Int>, inDouble: Bool
  ) {
    if inDouble {
      ck_contract_f32_dacc(c, cRow, cCol, a, aRow, aCol, b, bRow, bCol, n, k, m.lowerBound, m.upperBound)
    } else {
      ck_contract_f32(c, cRow, cCol, a, aRow, aCol, b, bRow, bCol, n, k, m.lowerBound, m.upperBound)
    }
  }
}

extension Double: NNScalar {
  static func contract(
    _ c: UnsafeMutablePointer<Double>, _ cRow: Int, _ cCol: Int, _ a: UnsafePointer<Double>, _ aRow: Int, _ aCol: Int,
    _ b: UnsafePointer<Double>, _ bRow: Int, _ bCol: Int, n: Int, k: Int, m: Range<Int>, inDouble: Bool
  ) {
    ck_contract_f64(c, cRow, cCol, a, aRow, aCol, b, bRow, bCol, n, k, m.lowerBound, m.upperBound)
  }
}

extension Int64: NNScalar {
  static func contract(
    _ c: UnsafeMutablePointer<Int64>, _ cRow: Int, _ cCol: Int, _ a: UnsafePointer<Int64>, _ aRow: Int, _ aCol: Int,
    _ b: UnsafePointer<Int64>, _ bRow: Int, _ bCol: Int, n: Int, k: Int, m: Range<Int>, inDouble: Bool
  ) {
    ck_contract_i64(c, cRow, cCol, a, aRow, aCol, b, bRow, bCol, n, k, m.lowerBound, m.upperBound)
  }
}

/// A strided matrix in memory.
struct NNMatrix<T> {
  var base: UnsafePointer<T>
  var row: Int
  var col: Int

  init(_ base: UnsafePointer<T>, row: Int, col: Int) {
    self.base = base
    self.row = row
    self.col = col
  }

  /// The matrix of the same elements with rows and columns exchanged.
  var transposed: NNMatrix { NNMatrix(base, row: col, col: row) }
}

enum NNContraction {
  /// C (row stride `ldc`) = A B, m x k by k x n, on all threads unless `isSerial`.
  static func multiply<T: NNScalar>(
    _ c: UnsafeMutablePointer<T>, ldc: Int, _ a: NNMatrix<T>, _ b: NNMatrix<T>, m: Int, n: Int, k: Int, inDouble: Bool,
    isSerial: Bool = false
  ) {
    guard m > 0, n > 0 else { return }
    let work = Double(m) * Double(n) * Double(max(k, 1))
    if isSerial || work < 100_000 {
      T.contract(c, ldc, 1, a.base, a.row, a.col, b.base, b.row, b.col, n: n, k: k, m: 0..<m, inDouble: inDouble)
    } else if n >= 2 * m || m < 64 {
      NNParallel.ranges((n + 63) / 64, grain: 1) { blocks in
        let begin = blocks.lowerBound * 64
        let end = min(n, blocks.upperBound * 64)
        T.contract(
          c + begin, ldc, 1, a.base, a.row, a.col, b.base + begin * b.col, b.row, b.col, n: end - begin, k: k, m: 0..<m,
          inDouble: inDouble)
      }
    } else {
      NNParallel.ranges((m + 31) / 32, grain: 1) { blocks in
        T.contract(
          c, ldc, 1, a.base, a.row, a.col, b.base, b.row, b.col, n: n, k: k,
          m: blocks.lowerBound * 32..<min(m, blocks.upperBound * 32), inDouble: inDouble)
      }
    }
  }

  /// `count` products C[i] = A[i] B[i]; offsets in elements by index.
  static func batched<T: NNScalar>(
    _ c: UnsafeMutablePointer<T>, count: Int, _ a: NNMatrix<T>, _ b: NNMatrix<T>, aOffsets: [Int], bOffsets: [Int],
    m: Int, n: Int, k: Int, inDouble: Bool
  ) {
    let isLarge = Double(m) * Double(n) * Double(max(k, 1)) > 1e6
    func one(_ i: Int, isSerial: Bool) {
      let x = NNMatrix(a.base + aOffsets[i], row: a.row, col: a.col)
      let y = NNMatrix(b.base + bOffsets[i], row: b.row, col: b.col)
      multiply(c + i * m * n, ldc: n, x, y, m: m, n: n, k: k, inDouble: inDouble, isSerial: isSerial)
    }
    if isLarge || count == 1 {
      for i in 0..<count { one(i, isSerial: false) }
    } else {
      let grain = max(1, 100_000 / max(1, m * n * k))
      NNParallel.ranges(count, grain: grain) { range in for i in range { one(i, isSerial: true) } }
    }
  }

  /// Offsets in elements of each item of the batch `target` in a tensor whose leading axes are `batch` and whose items have
  /// `size` elements.
  static func offsets(of batch: [Int], to target: [Int], size: Int) -> [Int] {
    let strides = Broadcast.strides(of: batch, to: target).map { $0 * size }
    let count = target.reduce(1, *)
    var result = [Int](repeating: 0, count: count)
    var index = [Int](repeating: 0, count: target.count)
    var offset = 0
    for i in 0..<count {
      result[i] = offset
      for axis in stride(from: target.count - 1, through: 0, by: -1) {
        index[axis] += 1
        offset += strides[axis]
        if index[axis] < target[axis] { break }
        offset -= strides[axis] * target[axis]
        index[axis] = 0
      }
    }
    return result
  }
}
