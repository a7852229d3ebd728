import GraphIR
import Tensors

/// ai.cameo.BlockMatMuls(A, (W, scale, zero_point?, bias?)...) -> Y...: several BlockMatMuls of one A in one node.
///
/// Each output has four weights' inputs, two or three where `has_zero_points` or `has_bias` is 0: they are there for all or for none.
/// `axis`, `block_size` and `transB` are BlockMatMul's, and the same for all. Code books stay with BlockMatMul.
struct BlockMatMuls: ComposedOperator {
  let name = OperatorName("BlockMatMuls", domain: "ai.cameo")

  var signature: StaticString? {
    """
    D ai.cameo 1
    O BlockMatMuls 1 3 * 1 *
    a axis int=1
    a block_size int=0
    a has_bias int=0
    a has_zero_points int=0
    a transB int=0
    i A T
    i~2 weights W
    o*1 Y T
    c T tensor(*):float,float16,bfloat16
    c W tensor(*):float,float16,bfloat16,int8,uint8,int4,uint4,int2,uint2,float4e2m1
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let members = try BlockMatMulMembers(c.node)
    let dequantization = [
      NamedAttribute("axis", .int(Int64(try c.attributes.int("axis", default: 1)))),
      NamedAttribute("block_size", .int(Int64(try c.attributes.int("block_size", default: 0)))),
    ]
    let isTransposed = try c.attributes.bool("transB")
    let a = try c.given(0, "A")
    var results: [C.Ref?] = []
    for member in 0..<members.count {
      let places = members.inputs(member)
      func operand(_ place: Int, _ name: String) throws -> C.Ref? { try places[place].map { try c.given($0, name) } }
      var weights = [try operand(1, "W"), try operand(2, "scale")]
      if let zero = try operand(3, "zero_point") { weights.append(zero) }
      var matrix = try c.nodes(OperatorName("DequantizeLinear"), weights, dequantization, outputs: 1)[0]
      if isTransposed { matrix = try c.node("Transpose", [matrix], [NamedAttribute("perm", .ints([1, 0]))]) }
      let product = try c.node("MatMul", [a, matrix])
      results.append(try operand(4, "bias").map { try c.node("Add", [product, $0]) } ?? product)
    }
    return results
  }
}

/// Where ai.cameo.BlockMatMuls has the operands of each of its products.
public struct BlockMatMulMembers: Sendable {
  /// Products, and outputs.
  public let count: Int
  private let hasZeros: Bool
  private let hasBias: Bool
  private var width: Int { 2 + (hasZeros ? 1 : 0) + (hasBias ? 1 : 0) }

  public init(_ node: Node) throws {
    let attributes = AttributeReader(node)
    hasZeros = try attributes.bool("has_zero_points")
    hasBias = try attributes.bool("has_bias")
    count = node.outputs.count
    guard node.inputs.count == 1 + count * (2 + (hasZeros ? 1 : 0) + (hasBias ? 1 : 0)) else {
      throw CameoError.badInput("\(node.inputs.count) inputs for \(count) products")
    }
  }

  /// The places of A, W, scale, zero_point and bias, as in BlockMatMul, of one product.
  public func inputs(_ member: Int) -> [Int?] {
    let first = 1 + member * width
    return [0, first, first + 1, hasZeros ? first + 2 : nil, hasBias ? first + width - 1 : nil]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(BlockMatMuls(), to: $0) })
