internal import CKernels
import InferenceRuntime
import Tensors

extension ck_bf16_result {
  /// A product's result, `ldc` elements a row, and, in `residual`, what is added to it; float32 or bfloat16 as the operands are stored.
  init(
    _ memory: UnsafeMutableRawPointer, _ type: DataType, ldc: Int, residual: UnsafeRawPointer? = nil,
    _ residualType: DataType? = nil
  ) {
    self.init(
      c: memory, ldc: ldc, is_bf16: type == .bfloat16, residual: nil, residual_stride: 0, epilogue: ck_gemm_epilogue())
    epilogue.alpha = 1
    guard let residual else { return }
    if residualType == .bfloat16 {
      self.residual = residual.assumingMemoryBound(to: UInt16.self)
      residual_stride = ldc
    } else {
      epilogue.residual = residual.assumingMemoryBound(to: Float.self)
      epilogue.residual_stride = ldc
    }
  }

  /// The same, from column `column` on.
  func from(column: Int) -> ck_bf16_result {
    var part = self
    part.c += column * (is_bf16 ? 2 : 4)
    if let residual = part.residual { part.residual = residual + column }
    if let residual = part.epilogue.residual { part.epilogue.residual = residual + column }
    if let bias = part.epilogue.bias_col { part.epilogue.bias_col = bias + column }
    return part
  }
}

/// A product with a fixed right side whose factors are rounded to bfloat16: weights when the session prepares, the left side, where it is
/// not stored so, at the begin of the step. Sums, bias and activation are float32.
enum Bfloat16Product {
  /// nil where the session keeps float32, or the product is none of this kind.
  static func make(_ plan: GemmPlan, _ request: KernelRequest, biasValues: Floats?) throws -> PreparedKernel? {
    guard request.usesBfloat16, let weights = request.input(1)?.constant, weights.count == plan.k * plan.n else {
      return nil
    }
    let (m, n, k) = (plan.m, plan.n, plan.k)
    var (bias, values) = (plan.bias, biasValues)
    if bias == .one {
      guard let one = try values.map({ $0.base[0] }) ?? request.constantFloats(2)?.first else { return nil }
      (bias, values) = (.columns, Floats([Float](repeating: one, count: n)))
    }
    let panel = Int(CK_BF16_COLUMNS)
    let depth = (k + Int(CK_BF16_DEPTH) - 1) / Int(CK_BF16_DEPTH) * Int(CK_BF16_DEPTH)
    let matrices = WeightPart.all(of: weights, k: k, n: n, strides: (plan.bRow, plan.bColumn), unit: panel)
    let packed = try request.packed(
      weights, "bf16 b \(k) \((plan.bRow, plan.bColumn))", byteCount: ck_bf16_packed_size(k, n) * 2,
      parts: (n + panel - 1) / panel
    ) { target, panels in
      for part in matrices {
        part.forPanels(panels, of: panel) { begin, end in
          ck_bf16_pack_b(
            target.assumingMemoryBound(to: UInt16.self) + part.first * depth, part.base, part.strides.0,
            part.strides.1, k, part.count, begin, end)
        }
      }
    }
    let isRounded = try request.operand(0).type == .bfloat16
    if isRounded && (plan.aColumn != 1 || k % Int(CK_BF16_DEPTH) != 0) { throw Refusal("rows of \(k) in bfloat16") }
    let tiles = ProductTiles(
      m: m, n: n, k: k, threads: request.threads, form: request.choice("cut", of: 4),
      isAMX: ck_bf16_kernel() == Int32(CK_BF16_AMX.rawValue))
    let pitch = isRounded ? plan.aRow : ck_bf16_pitch(k)
    let round = RangeKernel.Phase(count: isRounded ? 0 : m, grain: max(1, 65536 / k)) { call, begin, end, _ in
      ck_bf16_rows(
        call.scratch.assumingMemoryBound(to: UInt16.self), pitch, depth, call.input(0, Float.self), plan.aRow,
        plan.aColumn, k, begin, end)
    }
    let (fixed, kind, owned, type) = (plan, bias, values, try request.result().type)
    let multiply = RangeKernel.Phase(count: tiles.count, grain: 1) { call, begin, end, _ in
      var result = ck_bf16_result(call.output(), type, ldc: fixed.ldc)
      result.epilogue.alpha = fixed.alpha
      result.epilogue.act = fixed.activation
      if let values = owned.map({ UnsafePointer($0.base) }) ?? call.optional(2, Float.self) {
        switch kind {
        case .columns: result.epilogue.bias_col = values
        case .rows: result.epilogue.bias_row = values
        case .matrix:
          result.epilogue.residual = values
          result.epilogue.residual_stride = n
        case .none, .one: break
        }
      }
      let left =
        isRounded ? call.input(0, UInt16.self) : UnsafePointer(call.scratch.assumingMemoryBound(to: UInt16.self))
      for tile in begin..<end {
        let (row, column) = (tile / tiles.columnTiles * tiles.rows, tile % tiles.columnTiles * tiles.columns)
        ck_bf16_gemm(
          &result, left, pitch, packed.base.assumingMemoryBound(to: UInt16.self), m, k, row, min(m, row + tiles.rows),
          column, min(n, column + tiles.columns))
      }
    }
    return PreparedKernel(
      RangeKernel(
        "\(m == 1 ? "gemv" : "gemm") (\(CPUProvider.bfloat16Kernel))",
        phases: isRounded ? [multiply] : [round, multiply]),
      scratchBytes: isRounded ? 0 : aligned(m * pitch * 2), unreadInputs: [1])
  }
}
