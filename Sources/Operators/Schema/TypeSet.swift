/// A set of ONNX value types, as 32 bytes: for each of eight forms, a mask over `TensorProto.DataType` numbers.
///
/// A type outside the forms (a sparse tensor, an opaque type) is not expressible and so is in no set.
/// Every type in the onnx table is expressible.
public struct TypeSet: Sendable, Hashable {
  /// What surrounds the element type.
  public enum Form: Int, Sendable, CaseIterable {
    case tensor
    case sequence
    case optional
    case optionalSequence
    case mapInt64
    case mapString
    case sequenceOfMapInt64
    case sequenceOfMapString

    /// The text before and after the element's name.
    var affixes: (String, String) {
      switch self {
      case .tensor: ("tensor(", ")")
      case .sequence: ("seq(tensor(", "))")
      case .optional: ("optional(tensor(", "))")
      case .optionalSequence: ("optional(seq(tensor(", ")))")
      case .mapInt64: ("map(int64, ", ")")
      case .mapString: ("map(string, ", ")")
      case .sequenceOfMapInt64: ("seq(map(int64, ", "))")
      case .sequenceOfMapString: ("seq(map(string, ", "))")
      }
    }

    /// The form whose affixes these are, byte for byte.
    init?(prefix: Substring, suffix: Substring) {
      for form in Form.allCases where form.affixes.0 == prefix && form.affixes.1 == suffix {
        self = form
        return
      }
      return nil
    }
  }

  /// Names as type strings write them; the index is the `TensorProto.DataType` number, 0 is UNDEFINED.
  public static let dataTypeNames: [String] = [
    "undefined", "float", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "double",
    "uint32", "uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
    "float8e5m2fnuz", "uint4", "int4", "float4e2m1", "float8e8m0", "uint2", "int2", "float6e2m3", "float6e3m2",
  ]

  /// One mask a form: bit n stands for data type number n.
  private var masks: SIMD8<UInt32>

  /// The empty set.
  public init() {
    masks = .zero
  }

  /// One type such as "seq(tensor(float))"; nil where it is not expressible.
  public init?(_ type: some StringProtocol) {
    self.init()
    let text = Substring(type)
    let tail = text.lastIndex { $0 != ")" }.map(text.index(after:)) ?? text.startIndex
    let head = text[..<tail].lastIndex { $0 == "(" || $0 == " " }.map(text.index(after:)) ?? text.startIndex
    guard let form = Form(prefix: text[..<head], suffix: text[tail...]),
      let number = TypeSet.dataTypeNumber(text[head..<tail])
    else { return nil }
    insert(form, dataType: number)
  }

  /// The expressible ones of `types`.
  public init(types: [String]) {
    self.init()
    for type in types {
      if let one = TypeSet(type) { formUnion(one) }
    }
  }

  /// Tensors of these data type numbers.
  public init(tensors dataTypes: [Int]) {
    self.init()
    for number in dataTypes { insert(.tensor, dataType: number) }
  }

  /// The number of a data type's name, 1 or more; nil where there is none.
  public static func dataTypeNumber(_ name: some StringProtocol) -> Int? {
    guard let number = dataTypeNames.firstIndex(where: { $0 == name }), number > 0 else { return nil }
    return number
  }

  /// Adds one type; a data type number outside 1...31 changes nothing.
  public mutating func insert(_ form: Form, dataType: Int) {
    guard 1...31 ~= dataType else { return }
    masks[form.rawValue] |= 1 << UInt32(dataType)
  }

  /// Adds the members of `mask`, whose bit n stands for data type number n.
  public mutating func insert(_ form: Form, mask: UInt32) {
    masks[form.rawValue] |= mask
  }

  /// Whether values of this form and data type number are in the set.
  public func contains(_ form: Form, dataType: Int) -> Bool {
    1...31 ~= dataType && masks[form.rawValue] & (1 << UInt32(dataType)) != 0
  }

  /// Whether tensors of this data type number are in the set.
  public func containsTensor(_ dataType: Int) -> Bool {
    contains(.tensor, dataType: dataType)
  }

  /// Whether a type string is in the set.
  public func contains(_ type: some StringProtocol) -> Bool {
    guard let one = TypeSet(type) else { return false }
    return one.isSubset(of: self)
  }

  /// The data types of one form: bit n stands for data type number n.
  public func mask(_ form: Form) -> UInt32 {
    masks[form.rawValue]
  }

  public var isEmpty: Bool { masks == .zero }

  /// How many types the set holds.
  public var count: Int {
    Form.allCases.reduce(0) { $0 + masks[$1.rawValue].nonzeroBitCount }
  }

  public mutating func formUnion(_ other: TypeSet) {
    masks |= other.masks
  }

  public func union(_ other: TypeSet) -> TypeSet {
    var result = self
    result.masks |= other.masks
    return result
  }

  public func intersection(_ other: TypeSet) -> TypeSet {
    var result = self
    result.masks &= other.masks
    return result
  }

  public func isSubset(of other: TypeSet) -> Bool {
    masks & other.masks == masks
  }

  /// The members as type strings, by form and then by data type number.
  public var typeStrings: [String] {
    var result: [String] = []
    result.reserveCapacity(count)
    for form in Form.allCases {
      let (prefix, suffix) = form.affixes
      for number in 1..<32 where contains(form, dataType: number) {
        let name = number < TypeSet.dataTypeNames.count ? TypeSet.dataTypeNames[number] : "type\(number)"
        result.append(prefix + name + suffix)
      }
    }
    return result
  }
}

extension TypeSet: CustomStringConvertible {
  public var description: String {
    "{" + typeStrings.joined(separator: ", ") + "}"
  }
}
