import GraphIR
import Tensors

/// ai.cameo.BlockMatMul(A, W, scale, zero_point?, bias?, book?): A times weights that stay quantized, + bias.
///
/// The weights are DequantizeLinear's result for W, scale and zero_point with `axis` and `block_size`, a matrix [K, N],
/// with `transB` [N, K]: scales for one tensor, one for each index of an axis, or one for each block of it. bias is one
/// row. With `book`, 16 numbers, W is uint4 in whole blocks, without zero points, and a code stands for its number in the
/// book (NF4).
/// It has the function body for its meaning. com.microsoft.MatMulNBits says the same of unsigned weights in blocks of a
/// power of two that are laid out anew; this one takes the exporter's tensors as they are, so that a pass copies no
/// weights, and has room for one scale a column or one for all, for signed types, for float4e2m1 and for code books.
struct BlockMatMul: Operator {
  let name = OperatorName("BlockMatMul", domain: "ai.cameo")

  var signature: StaticString? {
    """
    D ai.cameo 1
    O BlockMatMul 1 3 6 1 1
    a axis int=1
    a block_size int=0
    a transB int=0
    i A T
    i W Q
    i scale T
    i? zero_point Q
    i? bias T
    i? book T
    o Y T
    c T tensor(*):float,float16,bfloat16
    c Q tensor(*):int8,uint8,int4,uint4,int2,uint2,float4e2m1
    """
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(BlockMatMul(), to: $0) })
