internal import CBLAS
internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Kernels for this machine's processor: SIMD tiers chosen at start, OpenBLAS for matrix products where it is found.
public struct CPUProvider: ExecutionProvider {
  public let name = "cpu"

  public init() { _ = cblas_loader_open() }

  public func prepare(_ request: KernelRequest) throws -> PreparedKernel { throw Refusal("no kernel for this operator") }
}
