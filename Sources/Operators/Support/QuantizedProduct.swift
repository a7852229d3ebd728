internal import CKernels
import GraphIR
import Tensors

/// 8-bit tensors less their zero points: whole numbers held in float, which is exact, as the integer contraction takes them.
enum WholeNumbers {
  /// `tensor - zero`: one zero point, one for each index of `axis`, or a tensor of the same rank with ones; nil is 0.
  static func centered(_ tensor: Tensor, _ zero: Tensor?, axis: Int) throws -> Tensor {
    guard Quantized.isEightBit(tensor.dataType) else {
      throw CameoError.badInput("\(tensor) where int8 or uint8 was expected")
    }
    if let zero, zero.dataType != tensor.dataType {
      throw CameoError.badInput("\(tensor) with the zero point \(zero)")
    }
    let isSigned = tensor.dataType == .int8
    var (channels, inner) = (1, tensor.count)
    if let zero, zero.count != 1 {
      let place = try NNIntegers.position(zero, in: tensor.shape, axis: axis)
      guard zero.rank == 1 else { return try centered(tensor, zero, place) }
      (channels, inner) = (zero.count, tensor.shape[(axis + 1)...].reduce(1, *))
    }
    return try Tensor.makeRaw(.float, tensor.shape) { raw in
      guard let out = raw.baseAddress?.assumingMemoryBound(to: Float.self), tensor.count > 0 else { return }
      withExtendedLifetime((tensor, zero)) {
        let (source, points) = (tensor.baseAddress, zero?.baseAddress)
        if channels == 1 {
          NNParallel.ranges(tensor.count, grain: 1 << 16) { range in
            ck_center_i8(
              out + range.lowerBound, source + range.lowerBound, isSigned, points, 1, range.count, 0, 1)
          }
        } else {
          NNParallel.ranges(tensor.count / inner, grain: max(1, (1 << 16) / inner)) { range in
            ck_center_i8(out, source, isSigned, points, channels, inner, range.lowerBound, range.upperBound)
          }
        }
      }
    }
  }

  private static func centered(_ tensor: Tensor, _ zero: Tensor, _ place: (Int) -> Int) throws -> Tensor {
    let (values, zeros) = (try ElementView<Float>(tensor), try ElementView<Float>(zero))
    return try Tensor.make(.float, tensor.shape, as: Float.self) { out in
      for i in 0..<values.count { out[i] = values[i] - zeros[place(i)] }
    }
  }
}

/// Exact products of whole numbers: int32 sums, which wrap.
enum WholeProduct {
  /// C (rows `ldc` apart) = A B, m x k by k x n, on all threads unless `isSerial`.
  static func multiply(
    _ c: UnsafeMutablePointer<Int32>, ldc: Int, _ a: NNMatrix<Float>, _ b: NNMatrix<Float>, m: Int, n: Int, k: Int,
    isSerial: Bool = false
  ) {
    guard m > 0, n > 0 else { return }
    func part(_ rows: Range<Int>, _ columns: Range<Int>) {
      ck_contract_whole(
        c + columns.lowerBound, ldc, a.base, a.row, a.col, b.base + columns.lowerBound * b.col, b.row, b.col,
        columns.count, k, rows.lowerBound, rows.upperBound)
    }
    if isSerial || Double(m) * Double(n) * Double(max(k, 1)) < 100_000 {
      part(0..<m, 0..<n)
    } else if n >= 2 * m || m < 64 {
      NNParallel.ranges((n + 63) / 64, grain: 1) { part(0..<m, $0.lowerBound * 64..<min(n, $0.upperBound * 64)) }
    } else {
      NNParallel.ranges((m + 31) / 32, grain: 1) { part($0.lowerBound * 32..<min(m, $0.upperBound * 32), 0..<n) }
    }
  }

  /// NumPy's matmul of two tensors that `WholeNumbers.centered` made; int32.
  static func matmul(_ a: Tensor, _ b: Tensor) throws -> Tensor {
    guard a.rank > 0, b.rank > 0 else { throw CameoError.badInput("a matrix product of a scalar") }
    let aShape = a.rank == 1 ? [1] + a.shape : a.shape
    let bShape = b.rank == 1 ? b.shape + [1] : b.shape
    let (m, k, n) = (aShape[aShape.count - 2], aShape[aShape.count - 1], bShape[bShape.count - 1])
    guard bShape[bShape.count - 2] == k else {
      throw CameoError.badInput("shapes \(a.shape) and \(b.shape) cannot be multiplied")
    }
    let (aBatch, bBatch) = (Array(aShape.dropLast(2)), Array(bShape.dropLast(2)))
    let batch = try Broadcast.shape(aBatch, bBatch)
    let shape = batch + (a.rank > 1 ? [m] : []) + (b.rank > 1 ? [n] : [])
    let (x, y) = (try ElementView<Float>(a), try ElementView<Float>(b))
    return try Tensor.makeRaw(.int32, shape) { raw in
      guard let c = raw.baseAddress?.assumingMemoryBound(to: Int32.self), raw.count > 0 else { return }
      if bBatch.allSatisfy({ $0 == 1 }) {
        let rows = aBatch.reduce(m, *)
        return multiply(
          c, ldc: n, NNMatrix(x.base, row: k, col: 1), NNMatrix(y.base, row: n, col: 1), m: rows, n: n, k: k)
      }
      let count = batch.reduce(1, *)
      let aOffsets = NNContraction.offsets(of: aBatch, to: batch, size: m * k)
      let bOffsets = NNContraction.offsets(of: bBatch, to: batch, size: k * n)
      func one(_ i: Int, isSerial: Bool) {
        multiply(
          c + i * m * n, ldc: n, NNMatrix(x.base + aOffsets[i], row: k, col: 1),
          NNMatrix(y.base + bOffsets[i], row: n, col: 1), m: m, n: n, k: k, isSerial: isSerial)
      }
      let work = Double(m) * Double(n) * Double(max(k, 1))
      if work > 1e6 {
        for i in 0..<count { one(i, isSerial: false) }
      } else {
        NNParallel.ranges(count, grain: max(1, Int(100_000 / max(1, work)))) { for i in $0 { one(i, isSerial: true) } }
      }
    }
  }
}

/// Sums of products back to 8 bits or to float.
enum Requantization {
  /// Sums [outer, channels, inner]: saturate(round((sum + bias[channel]) * scale[channel]) + zero), the product in float.
  /// One scale or one a channel; `bias` int32, one a channel.
  static func planes(
    _ sums: Tensor, bias: Tensor?, scales: [Float], zero: Int32, as type: DataType, channels: Int, inner: Int
  ) throws -> Tensor {
    let added = try bias.map { try $0.elements(as: Int64.self).map { Int32(truncatingIfNeeded: $0) } }
    guard scales.count == 1 || scales.count == channels, added == nil || added?.count == channels else {
      throw CameoError.badInput("\(scales.count) scales for \(channels) channels")
    }
    return try Tensor.makeRaw(type, sums.shape) { raw in
      guard let out = raw.baseAddress, raw.count > 0 else { return }
      let source = sums.baseAddress.assumingMemoryBound(to: Int32.self)
      func run(_ bias: UnsafePointer<Int32>?, _ scales: UnsafePointer<Float>, step: Int) {
        NNParallel.ranges(sums.count / inner, grain: max(1, (1 << 16) / inner)) { range in
          ck_requantize_planes(
            out, type == .int8, source, bias, scales, step, zero, channels, inner, range.lowerBound, range.upperBound)
        }
      }
      let step = scales.count == 1 ? 0 : 1
      withExtendedLifetime(sums) {
        scales.withUnsafeBufferPointer { scales in
          guard let scales = scales.baseAddress else { return }
          if let added {
            added.withUnsafeBufferPointer { run($0.baseAddress, scales, step: step) }
          } else {
            run(nil, scales, step: step)
          }
        }
      }
    }
  }

  /// Sums [rows, columns]: saturate(round(sum * scale[column]) + zero); one scale or one a column.
  static func rows(_ sums: Tensor, scales: [Float], zero: Int32, as type: DataType, columns: Int) throws -> Tensor {
    guard scales.count == 1 || scales.count == columns else {
      throw CameoError.badInput("\(scales.count) scales for \(columns) columns")
    }
    return try Tensor.makeRaw(type, sums.shape) { raw in
      guard let out = raw.baseAddress, raw.count > 0 else { return }
      let source = sums.baseAddress.assumingMemoryBound(to: Int32.self)
      withExtendedLifetime(sums) {
        scales.withUnsafeBufferPointer { buffer in
          guard let scales = buffer.baseAddress else { return }
          let step = buffer.count == 1 ? 0 : 1
          NNParallel.ranges(sums.count / columns, grain: max(1, (1 << 16) / columns)) { range in
            ck_requantize_rows(
              out, type == .int8, columns, source, columns, nil, scales, step, zero, columns, range.lowerBound,
              range.upperBound)
          }
        }
      }
    }
  }

  /// Sums [rows, columns] as float: sum * scale[column] + bias[column].
  static func floats(_ sums: Tensor, scales: [Float], bias: [Float]?, columns: Int) throws -> Tensor {
    guard scales.count == 1 || scales.count == columns, bias == nil || bias?.count == columns else {
      throw CameoError.badInput("\(scales.count) scales and a bias of \(bias?.count ?? 0) for \(columns) columns")
    }
    return try Tensor.makeRaw(.float, sums.shape) { raw in
      guard let out = raw.baseAddress?.assumingMemoryBound(to: Float.self), raw.count > 0 else { return }
      let source = sums.baseAddress.assumingMemoryBound(to: Int32.self)
      let step = scales.count == 1 ? 0 : 1
      func run(_ bias: UnsafePointer<Float>?, _ scales: UnsafePointer<Float>) {
        NNParallel.ranges(sums.count / columns, grain: max(1, (1 << 16) / columns)) { range in
          ck_scale_rows_i32(out, source, scales, step, bias, columns, range.lowerBound, range.upperBound)
        }
      }
      withExtendedLifetime(sums) {
        scales.withUnsafeBufferPointer { scales in
          guard let scales = scales.baseAddress else { return }
          if let bias {
            bias.withUnsafeBufferPointer { run($0.baseAddress, scales) }
          } else {
            run(nil, scales)
          }
        }
      }
    }
  }
}
