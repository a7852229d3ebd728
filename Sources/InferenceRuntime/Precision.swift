/// In what a session may compute the sums of products (MatMul, Gemm, Conv, Attention) of float32 models. Values that only nodes read that
/// round them anyway may be stored so, too; inputs and outputs stay float32, and so do `SessionOptions.exactNodes` with what they read and
/// write. A model whose tensors are of another type is not affected.
public enum Precision: String, Sendable, CaseIterable {
  /// As the model says: float32.
  case fp32
  /// Factors rounded to bfloat16 (8 bits of mantissa), sums in float32.
  case bf16
  /// Factors rounded to float16, sums in float32.
  case fp16
  /// Factors rounded to TensorFloat-32 (11 bits of mantissa), sums in float32.
  case tf32
  /// The fastest that this machine has instructions for, of those that keep float32's range: bf16 or fp32 on a CPU.
  case auto
}
