import Operators

/// Which input of an 8-bit product is what; nil: the operator has none.
public struct IntegerRoles: Sendable {
  public let a: Int
  public var aScale: Int?
  public var aZero: Int?
  public let b: Int
  public var bScale: Int?
  public var bZero: Int?
  public var yScale: Int?
  public var yZero: Int?
  /// Added in int32.
  public var bias: Int?
  /// Added in float, after scaling; one number or one a column.
  public var addend: Int?
  public var z: Int?
  public var zScale: Int?
  public var zZero: Int?
  /// B is [n, k].
  public var isTransposed = false
  public var alpha: Float?
  /// Where y_scale is heeded: in the factor of each column, or behind the activation by its inverse.
  public var foldsResult = true

  /// The inputs that say how numbers are scaled.
  public var scalars: [Int?] { [aScale, aZero, yScale, yZero, zScale, zZero] }
  public var rows: [Int?] { [bScale, bZero, bias, addend] }

  public init(
    a: Int, aScale: Int? = nil, aZero: Int? = nil, b: Int, bScale: Int? = nil, bZero: Int? = nil, yScale: Int? = nil,
    yZero: Int? = nil, bias: Int? = nil, addend: Int? = nil, z: Int? = nil, zScale: Int? = nil, zZero: Int? = nil,
    foldsResult: Bool = true
  ) {
    (self.a, self.aScale, self.aZero, self.b, self.bScale, self.bZero) = (a, aScale, aZero, b, bScale, bZero)
    (self.yScale, self.yZero, self.bias, self.addend) = (yScale, yZero, bias, addend)
    (self.z, self.zScale, self.zZero, self.foldsResult) = (z, zScale, zZero, foldsResult)
  }
}

extension IntegerRoles {
  /// Those of IntegerMatMul and IntegerConv.
  public static let fused = IntegerRoles(
    a: 0, aScale: 1, aZero: 2, b: 3, bScale: 4, bZero: 5, yScale: 7, yZero: 8, addend: 6, z: 9, zScale: 10, zZero: 11,
    foldsResult: false)
  /// Those of MatMulInteger and ConvInteger.
  public static let plain = IntegerRoles(a: 0, aZero: 2, b: 1, bZero: 3)
  public static let qLinearMatMul = IntegerRoles(
    a: 0, aScale: 1, aZero: 2, b: 3, bScale: 4, bZero: 5, yScale: 6, yZero: 7)
  public static let qLinearConv = IntegerRoles(
    a: 0, aScale: 1, aZero: 2, b: 3, bScale: 4, bZero: 5, yScale: 6, yZero: 7, bias: 8)
  public static let matMulIntegerToFloat = IntegerRoles(
    a: 0, aScale: 2, aZero: 4, b: 1, bScale: 3, bZero: 5, addend: 6)
  public static let dynamicQuantizeMatMul = IntegerRoles(a: 0, b: 1, bScale: 2, bZero: 3, addend: 4)

  /// Those of com.microsoft.QGemm. Throws a refusal for a transposed A.
  public static func qGemm(_ request: KernelRequest) throws -> IntegerRoles {
    guard try !request.attributes.bool("transA") else { throw Refusal("a transposed A") }
    var roles = IntegerRoles(a: 0, aScale: 1, aZero: 2, b: 3, bScale: 4, bZero: 5, yScale: 7, yZero: 8, bias: 6)
    roles.isTransposed = try request.attributes.bool("transB")
    roles.alpha = try request.attributes.float("alpha", default: 1)
    return roles
  }
}
