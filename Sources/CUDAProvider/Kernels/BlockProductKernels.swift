import InferenceRuntime

/// Products with constant weights of few bits: com.microsoft's MatMulNBits and MatMulBnb4, ai.cameo's BlockMatMul and
/// BlockMatMuls.
enum BlockProductKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "com.microsoft.MatMulNBits": { try BlockProduct.make($0, BlockSource(nbits: $0.request), bias: 5) },
    "com.microsoft.MatMulBnb4": { try BlockProduct.make($0, BlockSource(bnb4: $0.request), bias: nil) },
    "ai.cameo.BlockMatMul": { try BlockProduct.make($0, BlockSource(blockMatMul: $0.request), bias: 4) },
    "ai.cameo.BlockMatMuls": { request in
      let members = try request.request.blockMatMuls()
      let prepared = try members.map {
        try BlockProduct.make(CUDARequest($0.request, request.context), BlockSource(blockMatMul: $0.request), bias: 4)
      }
      return request.request.grouped(prepared, members.map(\.inputs))
    },
  ]
}
