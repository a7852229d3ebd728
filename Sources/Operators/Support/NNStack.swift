import Tensors

/// Joins and cuts tensors along one axis, for scan outputs and sequences. Elements are moved by bytes; sub-byte types by value.
enum NNStack {
  /// Tensors of one shape as a new axis `axis`.
  static func stack(_ parts: [Tensor], axis: Int = 0) throws -> Tensor {
    guard let first = parts.first else { throw CameoError.badInput("nothing to stack") }
    guard axis >= 0, axis <= first.rank else {
      throw CameoError.badInput("axis \(axis) lies outside a tensor of rank \(first.rank + 1)")
    }
    var shape = first.shape
    shape.insert(1, at: axis)
    return try concatenate(
      try parts.map { part in
        guard part.shape == first.shape else { throw CameoError.badInput("\(part) cannot be stacked on \(first)") }
        return try part.reshaped(shape)
      }, axis: axis)
  }

  static func concatenate(_ parts: [Tensor], axis: Int) throws -> Tensor {
    guard let first = parts.first else { throw CameoError.badInput("nothing to concatenate") }
    guard axis >= 0, axis < first.rank else {
      throw CameoError.badInput("axis \(axis) lies outside a tensor of rank \(first.rank)")
    }
    var shape = first.shape
    var total = 0
    for part in parts {
      guard part.rank == first.rank, part.dataType == first.dataType,
        (0..<first.rank).allSatisfy({ $0 == axis || part.shape[$0] == first.shape[$0] })
      else { throw CameoError.badInput("\(part) cannot be concatenated to \(first) along axis \(axis)") }
      total += part.shape[axis]
    }
    shape[axis] = total
    let outer = first.shape[..<axis].reduce(1, *)
    let inner = first.shape[(axis + 1)...].reduce(1, *)
    if first.dataType == .string {
      var strings: [String] = []
      for o in 0..<outer {
        for part in parts {
          let length = part.shape[axis] * inner
          strings += part.strings[o * length..<(o + 1) * length]
        }
      }
      return try Tensor(strings: strings, shape: shape)
    }
    if first.dataType.isSubByte {
      var elements: [Double] = []
      for o in 0..<outer {
        for part in parts {
          let values = try part.elements(as: Double.self)
          let length = part.shape[axis] * inner
          elements += values[o * length..<(o + 1) * length]
        }
      }
      return try Tensor.of(elements, first.dataType, shape: shape)
    }
    let width = first.dataType.bitWidth / 8
    return try Tensor.makeRaw(first.dataType, shape) { out in
      guard let base = out.baseAddress else { return }
      var place = 0
      for o in 0..<outer {
        for part in parts {
          let bytes = part.shape[axis] * inner * width
          part.withUnsafeBytes { source in
            guard bytes > 0, let from = source.baseAddress else { return }
            (base + place).copyMemory(from: from + o * bytes, byteCount: bytes)
          }
          place += bytes
        }
      }
    }
  }

  /// The part `range` of an axis.
  static func slice(_ tensor: Tensor, axis: Int, _ range: Range<Int>) throws -> Tensor {
    guard axis >= 0, axis < tensor.rank, range.lowerBound >= 0, range.upperBound <= tensor.shape[axis] else {
      throw CameoError.badInput("\(range) lies outside axis \(axis) of \(tensor)")
    }
    var shape = tensor.shape
    shape[axis] = range.count
    let outer = tensor.shape[..<axis].reduce(1, *)
    let inner = tensor.shape[(axis + 1)...].reduce(1, *)
    let whole = tensor.shape[axis] * inner
    let (start, length) = (range.lowerBound * inner, range.count * inner)
    if tensor.dataType == .string {
      var strings: [String] = []
      for o in 0..<outer { strings += tensor.strings[o * whole + start..<o * whole + start + length] }
      return try Tensor(strings: strings, shape: shape)
    }
    if tensor.dataType.isSubByte {
      let values = try tensor.elements(as: Double.self)
      var elements: [Double] = []
      for o in 0..<outer { elements += values[o * whole + start..<o * whole + start + length] }
      return try Tensor.of(elements, tensor.dataType, shape: shape)
    }
    let width = tensor.dataType.bitWidth / 8
    return try Tensor.makeRaw(tensor.dataType, shape) { out in
      tensor.withUnsafeBytes { source in
        guard let base = out.baseAddress, let from = source.baseAddress, length > 0 else { return }
        for o in 0..<outer {
          (base + o * length * width).copyMemory(from: from + (o * whole + start) * width, byteCount: length * width)
        }
      }
    }
  }

  /// Item `index` of an axis; the axis goes.
  static func item(_ tensor: Tensor, axis: Int, _ index: Int) throws -> Tensor {
    var shape = tensor.shape
    let part = try slice(tensor, axis: axis, index..<index + 1)
    shape.remove(at: axis)
    return try part.reshaped(shape)
  }
}
