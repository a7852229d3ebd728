import Tensors

/// One call of attention as its kernels see it: everything but addresses.
struct AttentionProblem: Hashable {
  /// What Q, K, V and O consist of. The raw value is the kernels' ELEMENT.
  enum Element: Int {
    case float16 = 0
    case bfloat16 = 1
    case float32 = 2

    init?(_ type: DataType) {
      switch type {
      case .float16: self = .float16
      case .bfloat16: self = .bfloat16
      case .float: self = .float32
      default: return nil
      }
    }

    var bytes: Int { self == .float32 ? 4 : 2 }
    var type: DataType {
      switch self {
      case .float16: .float16
      case .bfloat16: .bfloat16
      case .float32: .float
      }
    }
  }

  /// Element (b, h, t, i) of an operand is at b * batch + h * head + t * row + i.
  struct Strides: Hashable {
    var batch: Int
    var head: Int
    var row: Int

    /// [batch, heads, rows, size], with room for `room` rows.
    static func headsFirst(heads: Int, rows: Int, size: Int, room: Int? = nil) -> Strides {
      let rows = room ?? rows
      return Strides(batch: heads * rows * size, head: rows * size, row: size)
    }

    /// [batch, rows, width], a head being `size` neighbours.
    static func rowsFirst(rows: Int, size: Int, width: Int) -> Strides {
      Strides(batch: rows * width, head: size, row: width)
    }
  }

  /// What is added to the scores. The raw value is the kernels' BIAS.
  enum BiasKind: Int {
    case element = 1
    case float32 = 2
    case bool = 3
  }

  struct Bias: Hashable {
    var kind: BiasKind
    /// 0 where it broadcasts.
    var strides: Strides

    /// Two neighbours may be loaded at once.
    var isPaired: Bool { strides.batch % 2 == 0 && strides.head % 2 == 0 && strides.row % 2 == 0 }
  }

  var element: Element
  /// Products of float32 may be made of factors rounded to tf32.
  var usesTF32 = false
  var batch: Int
  var heads: Int
  /// Heads of Q for each head of K and V.
  var group: Int
  var queries: Int
  /// Keys that may take part at all: those that there are, or that the bias covers.
  var keys: Int
  var size: Int
  var valueSize: Int
  var q: Strides
  var k: Strides
  var v: Strides
  var o: Strides
  /// What the addresses of Q, K, V and O are multiples of, in bytes.
  var alignment = 16
  var bias: Bias?
  var left: Int?
  var right: Int?
  /// Lengths of the batch items' keys are given, as int64; the last query then stands at the last of them.
  var hasLengths = false
  var queryOffset = 0
  var scale: Float
  var softcap: Float = 0

  /// Heads as the kernels pad them; nil: they have no form for such a size.
  static func padded(_ size: Int) -> Int? { [32, 64, 96, 128, 192, 256].first { size <= $0 } }

  var isLimited: Bool { left != nil || right != nil }

  /// The same without limits that no query meets.
  var simplified: AttentionProblem {
    var result = self
    if let right, hasLengths ? queries == 1 : queryOffset + right >= keys - 1 { result.right = nil }
    if let left, (hasLengths ? keys : queryOffset + queries) - 1 <= left { result.left = nil }
    return result
  }

  /// HEAD, HEAD_V, and what follows from the operator's options.
  func macros(head: Int, headV: Int) -> [String: Int] {
    var macros = ["HEAD": head, "HEAD_V": headV, "ELEMENT": element.rawValue]
    if right != nil { macros["LIMIT_RIGHT"] = 1 }
    if left != nil { macros["LIMIT_LEFT"] = 1 }
    if hasLengths { macros["LENGTHS"] = 2 }
    if let bias {
      macros["BIAS"] = bias.kind.rawValue
      if bias.isPaired { macros["BIAS_PAIRS"] = 1 }
    }
    if softcap > 0 { macros["SOFTCAP"] = 1 }
    if scale <= 0 { macros["SIGNED_SCALE"] = 1 }
    if element == .float32 && usesTF32 { macros["TF32"] = 1 }
    return macros
  }

  /// The most bytes, of 16, 8, 4 (and the element's), that all copies of rows of Q, K and V may have.
  var copyBytes: Int {
    let strides = [q, k, v].flatMap { [$0.batch, $0.head, $0.row] } + [size, valueSize]
    let units = strides.map { $0 * element.bytes } + [alignment]
    return [16, 8, 4].first { bytes in units.allSatisfy { $0 % bytes == 0 } } ?? element.bytes
  }
}

/// What launches depend on of a device.
struct AttentionDevice: Hashable {
  var capability: CUDAVersion
  var multiprocessors: Int
  /// That a block may have.
  var sharedBytes: Int
  var cacheBytes: Int

  /// Wgmma and bulk copies in the form that attention_sm90 uses are those of 9.0 alone.
  var isHopper: Bool { capability == CUDAVersion(9, 0) }
}

extension CUDAContext {
  var attention: AttentionDevice {
    AttentionDevice(
      capability: info.capability, multiprocessors: info.multiprocessors, sharedBytes: info.blockMemory,
      cacheBytes: info.cache)
  }
}
