import GraphIR
import Tensors

/// com.microsoft.ComplexMul(A, B): the product of complex numbers, real and imaginary part in the last axis, A times B;
/// the other axes broadcast.
struct MicrosoftComplexMul: ComposedOperator {
  let name = OperatorName("ComplexMul", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O ComplexMul 1 2 2 1 1
    i A T
    i B T
    o C T
    c T tensor(*):float,double,float16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] { [try ComplexProduct.compose(&c, conjugates: false)] }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftComplexMul(), to: $0) })
