import GraphIR
import Tensors

/// com.microsoft.ComplexMulConj(A, B): the product of complex numbers, real and imaginary part in the last axis, A times the conjugate of B;
/// the other axes broadcast.
struct MicrosoftComplexMulConj: ComposedOperator {
  let name = OperatorName("ComplexMulConj", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O ComplexMulConj 1 2 2 1 1
    i A T
    i B T
    o C T
    c T tensor(*):float,double,float16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] { [try ComplexProduct.compose(&c, conjugates: true)] }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftComplexMulConj(), to: $0) })
