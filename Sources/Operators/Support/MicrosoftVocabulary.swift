public import GraphIR
public import Tensors

/// The words that compositions are written in.
extension Composer {
  public var attributes: AttributeReader { AttributeReader(node) }
  public func has(_ index: Int) -> Bool { input(index) != nil }
  public func wants(_ output: Int) -> Bool { node.output(output) != nil }

  /// Throws where the input is left out.
  public func given(_ index: Int, _ what: String) throws -> Ref {
    guard let ref = input(index) else { throw CameoError.badInput("input \(index) (\(what)) is missing") }
    return ref
  }

  // MARK: What is known

  /// Throws `Undecided` where it is not known.
  public func type(_ ref: Ref) throws -> DataType {
    guard let type = facts(ref).dataType else { throw Undecided("an input's element type is not known") }
    return type
  }

  public func shape(_ ref: Ref) throws -> [Dim] {
    guard let shape = facts(ref).shape else { throw Undecided("the rank of an input is not known") }
    return shape
  }

  public func rank(_ ref: Ref) throws -> Int { try shape(ref).count }

  /// Throws `.badInput` where the rank is known and none of `ranks`; `Undecided` where it is not known.
  public func require(_ ref: Ref, ranks: ClosedRange<Int>, _ what: String) throws {
    let rank = try rank(ref)
    guard ranks.contains(rank) else {
      let expected = ranks.count == 1 ? "\(ranks.lowerBound)" : "\(ranks.lowerBound) to \(ranks.upperBound)"
      throw CameoError.badInput("\(what) has rank \(rank), \(expected) was expected")
    }
  }

  /// A dimension that the composition needs as a number.
  public func number(_ dim: Dim, _ what: String) throws -> Int {
    guard let value = dim.value else { throw Undecided("\(what) is not known") }
    return value
  }

  /// Throws where both are numbers and differ.
  public func requireEqual(_ a: Dim, _ b: Dim, _ what: @autoclosure () -> String) throws {
    if let x = a.value, let y = b.value, x != y { throw CameoError.badInput("\(what()): \(x) and \(y) differ") }
  }

  /// Attribute `num_heads`; throws unless it is 1 or more.
  public func heads(_ name: String = "num_heads") throws -> Int {
    let heads = try attributes.int(name)
    guard heads > 0 else { throw CameoError.badInput("attribute \(name) is \(heads), 1 or more was expected") }
    return heads
  }

  // MARK: Nodes

  public mutating func node(_ type: String, _ inputs: [Ref?], _ attributes: [NamedAttribute] = []) throws -> Ref {
    try nodes(OperatorName(type), inputs, attributes, outputs: 1)[0]
  }

  public mutating func ints(_ values: [Int]) throws -> Ref { try constant(try .ints(values)) }
  public mutating func scalar(_ value: Double, _ type: DataType = .float) throws -> Ref {
    try constant(try .scalar(value, type))
  }

  public mutating func add(_ a: Ref, _ b: Ref) throws -> Ref { try node("Add", [a, b]) }
  public mutating func sub(_ a: Ref, _ b: Ref) throws -> Ref { try node("Sub", [a, b]) }
  public mutating func mul(_ a: Ref, _ b: Ref) throws -> Ref { try node("Mul", [a, b]) }

  /// No node where it has the type already.
  public mutating func cast(_ ref: Ref, _ target: DataType) throws -> Ref {
    if facts(ref).dataType == target { return ref }
    return try node("Cast", [ref], [NamedAttribute("to", .int(Int64(target.rawValue)))])
  }

  /// float where it is narrower than that.
  public mutating func wide(_ ref: Ref) throws -> Ref {
    let type = try type(ref)
    guard type.isFloatingPoint else { throw CameoError.badInput("\(type) was given, a float type was expected") }
    return type == .float16 || type == .bfloat16 ? try cast(ref, .float) : ref
  }

  public mutating func widened(_ ref: Ref?) throws -> Ref? { try ref.map { try wide($0) } }

  /// 0 keeps a dimension, -1 takes the rest.
  public mutating func reshape(_ ref: Ref, _ shape: [Int]) throws -> Ref {
    try node("Reshape", [ref, try ints(shape)])
  }

  public mutating func transpose(_ ref: Ref, _ permutation: [Int]) throws -> Ref {
    if permutation == Array(permutation.indices) { return ref }
    return try node("Transpose", [ref], [NamedAttribute("perm", .ints(permutation.map(Int64.init)))])
  }

  public mutating func unsqueeze(_ ref: Ref, _ axes: [Int]) throws -> Ref {
    try node("Unsqueeze", [ref, try ints(axes)])
  }

  public mutating func squeeze(_ ref: Ref, _ axes: [Int]) throws -> Ref {
    try node("Squeeze", [ref, try ints(axes)])
  }

  public mutating func concat(_ parts: [Ref], axis: Int) throws -> Ref {
    if parts.count == 1 { return parts[0] }
    return try node("Concat", parts, [NamedAttribute("axis", .int(Int64(axis)))])
  }

  /// Elements `start ..< end` of an axis; both are int64[1].
  public mutating func slice(_ ref: Ref, from start: Ref, to end: Ref, axis: Int) throws -> Ref {
    try node("Slice", [ref, start, end, try ints([axis])])
  }

  public mutating func slice(_ ref: Ref, _ range: Range<Int>, axis: Int) throws -> Ref {
    try slice(ref, from: try ints([range.lowerBound]), to: try ints([range.upperBound]), axis: axis)
  }

  /// Parts of these sizes along an axis.
  public mutating func split(_ ref: Ref, _ sizes: [Int], axis: Int) throws -> [Ref] {
    try nodes(
      OperatorName("Split"), [ref, try ints(sizes)], [NamedAttribute("axis", .int(Int64(axis)))], outputs: sizes.count)
  }

  /// The length of an axis as int64[1]: a constant where it is known.
  public mutating func size(_ ref: Ref, axis: Int) throws -> Ref {
    if let shape = facts(ref).shape, axis < shape.count, let value = shape[axis].value { return try ints([value]) }
    return try node(
      "Shape", [ref], [NamedAttribute("start", .int(Int64(axis))), NamedAttribute("end", .int(Int64(axis + 1)))])
  }

  /// 0 ..< count as int64; `count` is int64[1].
  public mutating func range(_ count: Ref) throws -> Ref {
    try node("Range", [try scalar(0, .int64), try node("Squeeze", [count]), try scalar(1, .int64)])
  }

  /// A tensor of one value; `shape` is int64[rank].
  public mutating func filled(_ shape: Ref, _ value: Double, _ type: DataType) throws -> Ref {
    try node("ConstantOfShape", [shape], [NamedAttribute("value", .tensor(try .of([value], type)))])
  }

  // MARK: Functions that several operators share

  /// x * sigmoid(alpha * x).
  public mutating func swish(_ x: Ref, alpha: Float = 1) throws -> Ref {
    if mayEmit(opset: 24) { return try node("Swish", [x], [NamedAttribute("alpha", .float(alpha))]) }
    let scaled = alpha == 1 ? x : try mul(x, try scalar(Double(alpha), try type(x)))
    return try mul(x, try node("Sigmoid", [scaled]))
  }

  public mutating func gelu(_ x: Ref, tanh: Bool = false) throws -> Ref {
    try node("Gelu", [x], tanh ? [NamedAttribute("approximate", .string("tanh"))] : [])
  }

  /// An activation that a fused node names, with its parameters in the order alpha, beta, gamma.
  /// Throws for a name that no runtime knows.
  public mutating func activation(_ name: String, _ x: Ref, _ parameters: [Float?], axis: Int? = nil) throws -> Ref {
    func named(_ names: String?...) -> [NamedAttribute] {
      zip(names, parameters).compactMap { name, value in
        guard let name, let value else { return nil }
        return NamedAttribute(name, .float(value))
      }
    }
    switch name {
    case "": return x
    case "Relu", "Tanh", "Sigmoid", "Softplus", "Softsign", "HardSwish", "Gelu", "Mish": return try node(name, [x])
    case "LeakyRelu", "Elu", "ThresholdedRelu", "Celu", "Swish": return try node(name, [x], named("alpha"))
    case "HardSigmoid": return try node(name, [x], named("alpha", "beta"))
    case "Selu": return try node(name, [x], named("alpha", nil, "gamma"))
    case "Softmax", "LogSoftmax", "Hardmax":
      return try node(name, [x], axis.map { [NamedAttribute("axis", .int(Int64($0)))] } ?? [])
    case "QuickGelu": return try swish(x, alpha: parameters.first.flatMap { $0 } ?? 1.702)
    case "Clip":
      let type = try type(x)
      let bounds = try parameters.prefix(2).map { value in try value.map { try scalar(Double($0), type) } }
      return try node(name, [x] + bounds)
    default: throw CameoError.unsupported("activation \(name) is not known")
    }
  }
}
