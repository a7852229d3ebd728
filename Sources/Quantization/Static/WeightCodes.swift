public import Tensors

/// Weights as integers: one scale and zero point for the tensor, or one for each index of an axis.
///
/// Signed types are symmetric (zero point 0, the most negative number unused): an integer product then needs no correction for
/// the data's sums. Unsigned types are affine. Ranges always hold 0.
public struct WeightCodes: Sendable {
  public let codes: Tensor
  /// float, [channels] or [].
  public let scales: Tensor
  /// Of the codes' type and the scales' shape.
  public let zeros: Tensor
  /// nil where there is one scale.
  public let axis: Int?

  /// `floor`: for each channel, a scale that is not gone below (a bias in steps of it must fit int32). Throws where a weight is not a number.
  public init(_ weights: Tensor, as type: DataType, axis: Int?, floor: [Float]? = nil) throws {
    guard axis.map({ weights.shape.indices.contains($0) }) ?? true else {
      throw CameoError.unsupported("weights of shape \(weights.shape) have no axis \(axis ?? 0)")
    }
    let isSigned = type.isSignedInteger
    let range = try QuantizationScheme(type, isSymmetric: isSigned).codes
    let (least, greatest) = (Float(range.lowerBound), Float(range.upperBound))
    let view = try ElementView<Float>(weights)
    let channels = axis.map { weights.shape[$0] } ?? 1
    let inner = axis.map { weights.shape[($0 + 1)...].reduce(1, *) } ?? max(1, weights.count)
    var low = [Float](repeating: 0, count: channels)
    var high = low
    for index in 0..<view.count {
      let channel = index / inner % channels
      let x = view[index]
      guard x.isFinite else { throw CameoError.badInput("a weight is \(x)") }
      if x < low[channel] { low[channel] = x }
      if x > high[channel] { high[channel] = x }
    }
    var scales = [Float](repeating: 1, count: channels)
    var zeros = [Int64](repeating: 0, count: channels)
    for c in 0..<channels {
      scales[c] = (isSigned ? max(-low[c], high[c]) : high[c] - low[c]) / greatest
      if let floor { scales[c] = max(scales[c], floor[floor.count == 1 ? 0 : c]) }
      // A channel of zeros, or of numbers too small to divide by.
      if !(scales[c] > 0x1p-100) { scales[c] = 1 }
      if !isSigned { zeros[c] = Int64(min(max(0, (-low[c] / scales[c]).rounded(.toNearestOrEven)), greatest)) }
    }
    codes = try Tensor.makeRaw(type, weights.shape) { bytes in
      guard let out = bytes.baseAddress else { return }
      for index in 0..<view.count {
        let channel = index / inner % channels
        let code = (view[index] / scales[channel]).rounded(.toNearestOrEven) + Float(zeros[channel])
        Int64.store(Int64(min(max(code, least), greatest)), out, index, as: type)
      }
    }
    let shape = axis == nil ? [] : [channels]
    self.scales = try Tensor.of(scales, .float, shape: shape)
    self.zeros = try Tensor.of(zeros, type, shape: shape)
    self.axis = axis
  }

  /// Codes about 0 that were found elsewhere, in the order of the weights' elements.
  init(_ codes: [Int64], _ scales: [Float], like weights: Tensor, as type: DataType, axis: Int) throws {
    self.codes = try Tensor.of(codes, type, shape: weights.shape)
    self.scales = try Tensor.of(scales, .float, shape: [scales.count])
    zeros = try Tensor.of([Int64](repeating: 0, count: scales.count), type, shape: [scales.count])
    self.axis = axis
  }

  /// These codes, but those of `other` in channels whose scale is below `floor`; both have scales for the same channels.
  func replacingChannels(below floor: [Float]?, by other: WeightCodes) throws -> WeightCodes {
    let (own, others) = (try scales.elements(as: Float.self), try other.scales.elements(as: Float.self))
    let replaced = own.indices.map { channel in floor.map { own[channel] < $0[channel] } ?? false }
    guard let axis, replaced.contains(true) else { return self }
    let inner = codes.shape[(axis + 1)...].reduce(1, *)
    let (a, b) = (try codes.elements(as: Int64.self), try other.codes.elements(as: Int64.self))
    return try WeightCodes(
      a.indices.map { replaced[$0 / inner % own.count] ? b[$0] : a[$0] },
      own.indices.map { replaced[$0] ? others[$0] : own[$0] }, like: codes, as: codes.dataType, axis: axis)
  }

  /// What the codes stand for.
  public func dequantized() throws -> [Float] {
    let view = try ElementView<Int64>(codes)
    let (scales, zeros) = (try scales.elements(as: Float.self), try zeros.elements(as: Int64.self))
    let inner = axis.map { codes.shape[($0 + 1)...].reduce(1, *) } ?? max(1, codes.count)
    return (0..<view.count).map { index in
      let channel = index / inner % scales.count
      return Float(view[index] - zeros[channel]) * scales[channel]
    }
  }
}
