import InferenceRuntime

/// Products with constant weights of few bits: com.microsoft's MatMulNBits and MatMulBnb4, ai.cameo.BlockMatMul.
enum BlockProductKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "com.microsoft.MatMulNBits": { try BlockProduct.make($0, BlockSource(nbits: $0.request), bias: 5) },
    "com.microsoft.MatMulBnb4": { try BlockProduct.make($0, BlockSource(bnb4: $0.request), bias: nil) },
    "ai.cameo.BlockMatMul": { try BlockProduct.make($0, BlockSource(blockMatMul: $0.request), bias: 4) },
  ]
}
