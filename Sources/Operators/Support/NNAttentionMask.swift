import Tensors

/// What is added to the scores of Attention.
struct AttentionMask {
  private let shape: [Int]
  private let offsets: [Int]
  private let valid: [Int]?
  private let isCausal: Bool
  private let left: Int
  private let right: Int
  private let bias: [Double]?
  private let strides: [Int]
  /// Keys that the mask covers; those past it are not allowed.
  private let covered: Int

  /// `shape` is [batch, heads, queries, keys]; `offsets` has the position of the first query of each batch item.
  init(_ context: EvaluationContext, shape: [Int], offsets: [Int], valid: [Int]?) throws {
    self.shape = shape
    self.offsets = offsets
    self.valid = valid
    isCausal = try context.attributes.bool("is_causal")
    left = try context.attributes.int("left_window_size", default: -1)
    right = try context.attributes.int("right_window_size", default: -1)
    guard left >= -1, right >= -1 else {
      throw CameoError.badInput("left_window_size is \(left) and right_window_size \(right), -1 or more was expected")
    }
    guard let mask = try context.optionalTensor(3) else {
      bias = nil
      strides = []
      covered = shape[3]
      return
    }
    guard let last = mask.shape.last, last <= shape[3] else {
      throw CameoError.badInput("attn_mask \(mask) has more than \(shape[3]) keys")
    }
    covered = last == 1 && shape[3] > 1 && mask.count >= 1 ? (mask.shape == [1] ? 1 : last) : last
    var target = shape
    target[3] = covered
    guard try Broadcast.shape(target, mask.shape) == target else {
      throw CameoError.badInput("attn_mask \(mask) does not broadcast to \(target)")
    }
    let values = try mask.elements(as: Double.self)
    bias = mask.dataType == .bool ? values.map { $0 != 0 ? 0 : -Double.infinity } : values
    strides = Broadcast.strides(of: mask.shape, to: target)
  }

  /// Adds the mask to one row of scores; true where no key is allowed.
  func add(to line: UnsafeMutablePointer<Double>, batch: Int, head: Int, query: Int) -> Bool {
    let position = query + offsets[batch]
    let start = bias == nil ? 0 : batch * strides[0] + head * strides[1] + query * strides[2]
    var isMasked = true
    for key in 0..<shape[3] {
      var added = 0.0
      if let bias { added = key < covered ? bias[start + key * strides[3]] : -.infinity }
      if isCausal && key > position { added -= .infinity }
      if left >= 0 && position - key > left { added -= .infinity }
      if right >= 0 && key - position > right { added -= .infinity }
      if let valid, key >= valid[batch] { added -= .infinity }
      if added != -.infinity { isMasked = false }
      line[key] += added
    }
    return isMasked
  }
}
