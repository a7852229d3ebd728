import Tensors

/// The tensors of a quantized weight, in the layouts that operators read.
extension QuantizedMatrix {
  /// Codes as [depth, rows] (`transposed`), or [rows, depth], in the format's element type.
  func codeTensor(transposed: Bool) throws -> Tensor {
    let shape = transposed ? [depth, rows] : [rows, depth]
    return try pack(format.codeType, shape) { index in
      let (i, j) = index.quotientAndRemainder(dividingBy: shape[1])
      return codes[transposed ? j * depth + i : i * depth + j]
    }
  }

  /// Codes as [groups, group size, rows]; the last block is filled with `filler` where it is shorter.
  func groupedCodeTensor(filler: UInt8) throws -> Tensor {
    let (size, count) = (groupSize, rows)
    return try pack(format.codeType, [groups, size, count]) { index in
      let (place, row) = index.quotientAndRemainder(dividingBy: count)
      return place < depth ? codes[row * depth + place] : filler
    }
  }

  /// Scales as [groups, rows] (`transposed`), or [rows, groups].
  func scaleTensor(transposed: Bool) throws -> Tensor { try blockTensor(transposed, type) { $0.scale } }

  /// Zero points in the codes' type; nil where the format has none or all are 0.
  func zeroTensor(transposed: Bool) throws -> Tensor? {
    guard format.encoding.isInteger, blocks.contains(where: { $0.zero != 0 }) else { return nil }
    let shape = transposed ? [groups, rows] : [rows, groups]
    return try pack(format.codeType, shape) { index in
      let (i, j) = index.quotientAndRemainder(dividingBy: shape[1])
      return UInt8(truncatingIfNeeded: Int(blocks[transposed ? j * groups + i : i * groups + j].zero))
    }
  }

  func blockTensor(
    _ transposed: Bool, _ type: DataType, _ value: (CodeGrid.Parameters) -> Float
  ) throws -> Tensor {
    let shape = transposed ? [groups, rows] : [rows, groups]
    return try Tensor.make(type, shape, as: Float.self) { out in
      for row in 0..<rows {
        for group in 0..<groups {
          out[transposed ? group * rows + row : row * groups + group] = value(blocks[row * groups + group])
        }
      }
    }
  }

  /// Elements of 2, 4 or 8 bits, the low bits of a byte first.
  private func pack(_ type: DataType, _ shape: [Int], _ code: (Int) -> UInt8) throws -> Tensor {
    let count = try Tensor.elementCount(shape)
    let bits = type.bitWidth
    let mask = UInt8(truncatingIfNeeded: (1 << bits) - 1)
    return try Tensor.makeRaw(type, shape) { bytes in
      for index in 0..<count {
        let bit = index * bits
        bytes[bit / 8] |= (code(index) & mask) << UInt8(bit % 8)
      }
    }
  }

  /// MatMulNBits' B: uint8[rows, groups, bytes of a block], unsigned codes, the low bits first; signed codes are moved
  /// by half the range.
  func blockBytes() throws -> Tensor {
    let bits = format.codeType.bitWidth
    let perByte = 8 / bits
    let width = groups * groupSize / perByte
    let flip: UInt8 = format.codeType.isSignedInteger ? 1 << UInt8(bits - 1) : 0
    let mask = UInt8(truncatingIfNeeded: (1 << bits) - 1)
    return try Tensor.makeRaw(.uint8, [rows, groups, groupSize / perByte]) { bytes in
      for row in 0..<rows {
        for index in 0..<depth {
          let code = (codes[row * depth + index] ^ flip) & mask
          bytes[row * width + index / perByte] |= code << UInt8(index % perByte * bits)
        }
      }
    }
  }

  /// MatMulNBits' zero points: uint8[rows, bytes] packed like B, or floats where one is no code; nil where all are the
  /// middle.
  func blockZeros() throws -> Tensor? {
    let bits = format.codeType.bitWidth
    let move: Float = format.codeType.isSignedInteger ? Float(1 << (bits - 1)) : 0
    if blocks.allSatisfy({ $0.zero + move == Float(1 << (bits - 1)) }) { return nil }
    guard hasWholeZeros else { return try blockTensor(false, type) { $0.zero + move } }
    let perByte = 8 / bits
    let width = (groups + perByte - 1) / perByte
    return try Tensor.makeRaw(.uint8, [rows, width]) { bytes in
      for row in 0..<rows {
        for group in 0..<groups {
          let zero = UInt8(blocks[row * groups + group].zero + move)
          bytes[row * width + group / perByte] |= zero << UInt8(group % perByte * bits)
        }
      }
    }
  }

  /// MatMulBnb4's B: the codes [rows, depth] two a byte, the high half first.
  func nibbles() throws -> Tensor {
    try Tensor.makeRaw(.uint8, [(codes.count + 1) / 2]) { bytes in
      for (index, code) in codes.enumerated() { bytes[index / 2] |= (code & 15) << (index % 2 == 0 ? 4 : 0) }
    }
  }
}
