import Tensors

extension TextPrinter {
  // MARK: Words

  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { result.unicodeScalars.append("\\") }
      result.unicodeScalars.append(scalar)
    }
    return result + "\""
  }

  static func isIdentifier(_ text: String) -> Bool {
    guard let first = text.utf8.first, TextScanner.isLetter(first) || first == 0x5f else { return false }
    return text.utf8.allSatisfy(TextScanner.isIdentifierByte)
  }

  /// A name, in quotes where it is no identifier or would read as a type.
  static func name(_ text: String) -> String {
    isIdentifier(text) && !TextParser.isTypeWord(text) ? text : quoted(text)
  }

  static func text(of operatorName: OperatorName) -> String {
    let name = isIdentifier(operatorName.name) ? operatorName.name : quoted(operatorName.name)
    let domain = operatorName.domain
    if domain.isEmpty { return name }
    let isPlain = domain.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { isIdentifier(String($0)) }
    return (isPlain ? domain : quoted(domain)) + "." + name
  }

  // MARK: Types

  static func text(of type: ValueType, dim: (Dim) -> String) -> String {
    func dims(_ shape: [Dim]?) -> String {
      guard let shape else { return "[]" }
      return shape.isEmpty ? "" : "[" + shape.map(dim).joined(separator: ", ") + "]"
    }
    return switch type {
    case .tensor(let element, let shape): (element?.name ?? "undefined") + dims(shape)
    case .sparse(let element, let shape): "sparse_tensor(" + (element?.name ?? "undefined") + dims(shape) + ")"
    case .sequence(let element): "seq(" + text(of: element, dim: dim) + ")"
    case .optional(let element): "optional(" + text(of: element, dim: dim) + ")"
    case .map(let key, let value): "map(\(key.name), " + text(of: value, dim: dim) + ")"
    case .opaque(let domain, let name):
      domain.isEmpty
        ? (name.isEmpty ? "opaque()" : "opaque(\(self.name(name)))")
        : "opaque(\(self.name(domain)), \(self.name(name)))"
    }
  }

  static func dimText(_ dim: Dim) -> String {
    if let value = dim.value, value >= 0 { return String(value) }
    let text = dim.description
    return isIdentifier(text) ? text : quoted(text)
  }

  static func isAnonymous(_ symbol: String) -> Bool {
    symbol.utf8.first == UInt8(ascii: "?") && symbol.utf8.count > 1
      && symbol.utf8.dropFirst().allSatisfy(TextScanner.isDigit)
  }

  // MARK: Tensors

  static func type(of tensor: Tensor) -> String {
    tensor.dataType.name
      + (tensor.shape.isEmpty ? "" : "[" + tensor.shape.map(String.init).joined(separator: ", ") + "]")
  }

  /// `{1, 2}`, or `{... hash}` where there are more elements than `limit`.
  static func elements(of tensor: Tensor, elidingAbove limit: Int?) -> String {
    if let limit, tensor.count > limit { return "{... \(hexadecimal(contentHash(tensor)))}" }
    var words: [String] = []
    words.reserveCapacity(tensor.count)
    for index in 0..<tensor.count { appendElement(index, of: tensor, to: &words) }
    return "{" + words.joined(separator: ", ") + "}"
  }

  private static func appendElement(_ index: Int, of tensor: Tensor, to words: inout [String]) {
    let base = tensor.baseAddress
    withExtendedLifetime(tensor.storage) {
      switch tensor.dataType {
      case .string: words.append(quoted(tensor.strings[index]))
      case .float: words.append(short(Float.load(base, index, as: .float).description))
      case .double: words.append(short(Double.load(base, index, as: .double).description))
      case .complex64:
        words.append(short(Float.load(base, 2 * index, as: .float).description))
        words.append(short(Float.load(base, 2 * index + 1, as: .float).description))
      case .complex128:
        words.append(short(Double.load(base, 2 * index, as: .double).description))
        words.append(short(Double.load(base, 2 * index + 1, as: .double).description))
      case .uint64: words.append(String(UInt64.load(base, index, as: .uint64)))
      case let type where type.isFloatingPoint: words.append(String(tensor.code(at: index)))
      default: words.append(String(Int64.load(base, index, as: tensor.dataType)))
      }
    }
  }

  private static func short(_ number: String) -> String { number.hasSuffix(".0") ? String(number.dropLast(2)) : number }

  static func sparse(_ sparse: SparseTensor, elidingAbove limit: Int?) -> String {
    let shape = sparse.shape.isEmpty ? "" : "[" + sparse.shape.map(String.init).joined(separator: ", ") + "]"
    let values = type(of: sparse.values) + " " + elements(of: sparse.values, elidingAbove: limit)
    let indices = type(of: sparse.indices) + " " + elements(of: sparse.indices, elidingAbove: limit)
    return "sparse_tensor(\(sparse.values.dataType.name)\(shape)) {\(values), \(indices)}"
  }

  static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// FNV-1a over 64-bit words (bytes at the end). Equal contents, equal hash, on every machine and in every run.
  static func contentHash(_ tensor: Tensor) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func add(_ word: UInt64) {
      hash = (hash ^ word) &* 0x100_0000_01b3
      hash ^= hash >> 29
    }
    if tensor.dataType == .string {
      for text in tensor.strings {
        for byte in text.utf8 { add(UInt64(byte)) }
        add(0x100)
      }
      return hash
    }
    tensor.withUnsafeBytes { bytes in
      let whole = bytes.count / 8
      for index in 0..<whole {
        add(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)))
      }
      for index in whole * 8..<bytes.count { add(UInt64(bytes[index])) }
    }
    return hash
  }
}
