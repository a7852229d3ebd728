import InferenceRuntime
import Tensors

/// Products by tiles of 128 by 128 on Hopper's own instructions (wgmma_tile.cuh): both factors by rows of k elements.
struct WgmmaTile {
  private static let files = [
    "elements.cuh", "product.cuh", "product_tiles.cuh", "bulk_copy.cuh", "wgmma.cuh", "wgmma_tile.cuh",
  ]
  private static let size = 128
  private static let stages = 3

  let form: ProductForm
  let element: TensorMap.Element

  private var width: Int { element == .uint8 ? 1 : 2 }

  /// Nil where the product is none of this kind. `pitch`: elements from a row of B to the next; rows and steps are multiples of 16 bytes.
  init?(_ form: ProductForm, _ element: TensorMap.Element, aIsRows: Bool, pitch: Int, on context: CUDAContext) {
    (self.form, self.element) = (form, element)
    let unit = 16 / width
    guard context.info.capability.major == 9, aIsRows, form.batch <= 65535, form.k % unit == 0, pitch % unit == 0,
      form.aStep % unit == 0, form.bStep % unit == 0
    else { return nil }
  }

  private var tiles: Int { (form.m + Self.size - 1) / Self.size * ((form.n + Self.size - 1) / Self.size) }

  /// Whether its tiles keep most of the multiprocessors busy.
  func fills(_ context: CUDAContext) -> Bool { tiles * form.batch * 4 >= context.info.multiprocessors * 3 }

  /// One launch of `name` in `file` (and what is `before` it), with a struct behind the maps that begins with the result, m, n, k, the batches of A
  /// and of B, and continues with `rest`.
  func launch(
    _ request: CUDARequest, _ name: String, before: [String] = [], macros: [String: Int],
    a: Launch.Argument, b: Launch.Argument, bPitch: Int, bStep: Int, rest: [Launch.Argument]
  ) throws -> Launch {
    let shared = Self.stages * 32768 + 1024
    let function = try request.function(
      name, in: Self.files + before + [name + ".cu"], macros: macros.merging(["STAGES": Self.stages]) { $1 },
      architecture: "sm_90a", sharedBytes: shared)
    let (aBatches, bBatches) = (form.aStep == 0 ? 1 : form.batch, bStep == 0 ? 1 : form.batch)
    return Launch(
      function, grid: LaunchSize(tiles, 1, form.batch), block: LaunchSize(288), sharedBytes: shared,
      [
        .tensorMap(map(rows: form.m, pitch: form.k, batches: aBatches, step: form.aStep), of: a),
        .tensorMap(map(rows: form.n, pitch: bPitch, batches: bBatches, step: bStep), of: b),
        .output(), .int32(form.m), .int32(form.n), .int32(form.k), .int32(aBatches), .int32(bBatches),
      ] + rest)
  }

  /// Boxes of 128 rows of 128 bytes of [1][batches][rows][k].
  private func map(rows: Int, pitch: Int, batches: Int, step: Int) -> TensorMap {
    let each = (batches > 1 ? step : rows * pitch) * width
    return TensorMap(
      type: element, sizes: [form.k, rows, batches, 1], strides: [pitch * width, each, each * batches],
      box: [128 / width, Self.size, 1, 1], swizzleBytes: 128)
  }
}
