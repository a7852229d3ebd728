import InferenceRuntime
import Operators
import Tensors

/// The launches of one 8-bit product: B by columns, sums where zero points need them, the product.
struct IntegerProduct {
  let request: CUDARequest
  let roles: IntegerRoles
  let activation: FusedActivation?
  let form: ProductForm
  let batches: ProductBatches
  /// Of B.
  let matrices: Int

  private static let common = ["elements.cuh", "product.cuh"]

  /// Bytes of a column of B.
  private var pitch: Int { (form.k + 15) / 16 * 16 }
  private var codeBytes: Int { (matrices * form.n * pitch + 255) / 256 * 256 }
  private var sumBytes: Int { (matrices * form.n * 4 + 255) / 256 * 256 }
  private var isBSigned: Bool { request.input(roles.b)?.type == .int8 }
  private var isASigned: Bool { request.input(roles.a)?.type == .int8 }

  func prepared() throws -> PreparedKernel {
    var launches: [Launch] = []
    var (scratch, unread): (Int, [Int]) = (0, [])
    let b: Launch.Argument
    if let constant = try request.operand(roles.b).constant {
      b = .resident(try turned(constant))
      unread = [roles.b]
    } else {
      b = .scratch()
      scratch = codeBytes + sumBytes
      launches.append(try turn(.input(roles.b), to: b))
    }
    var rowSums: Launch.Argument?
    if try needsRowSums() {
      let rows = try request.operand(roles.a).count / form.k
      rowSums = .scratch(offset: scratch)
      scratch += rows * 4
      let function = try request.function(
        "integer_sums", in: Self.common + ["integer_forms.cu"],
        macros: ["IS_SIGNED": isASigned ? 1 : 0, "TURNED": 0])
      launches.append(
        Launch(
          function, grid: LaunchSize((rows + 7) / 8), block: LaunchSize(32, 8),
          [.input(roles.a), .scratch(offset: scratch - rows * 4), .int64(rows), .int32(form.k)]))
    }
    launches += try multiply(b, rowSums)
    return PreparedKernel(
      LaunchKernel(form.m == 1 ? "gemv (int8)" : "gemm (int8)", launches), scratchBytes: scratch, unreadInputs: unread)
  }

  /// B's zero points are absent, or known and all 0.
  private func needsRowSums() throws -> Bool {
    guard let zero = roles.bZero.flatMap({ request.input($0) }) else { return false }
    guard let constant = zero.constant else { return true }
    return constant.withUnsafeBytes { bytes in bytes.contains { $0 != 0 } }
  }

  // MARK: B

  private func turn(_ from: Launch.Argument, to place: Launch.Argument) throws -> Launch {
    let function = try request.function(
      "integer_turn", in: Self.common + ["integer_forms.cu"],
      macros: ["IS_SIGNED": isBSigned ? 1 : 0, "TURNED": form.isBTurned ? 1 : 0])
    guard matrices <= 65535 else { throw Refusal("\(matrices) matrices") }
    return Launch(
      function, grid: LaunchSize((form.n + 31) / 32, 1, matrices), block: LaunchSize(32, 8),
      [
        from, place, place.advanced(codeBytes), .int32(form.n), .int32(form.k), .int32(pitch),
        .int64(form.n * form.k), .int64(form.n * pitch),
      ])
  }

  /// Codes by columns, then the columns' sums; made once a session.
  private func turned(_ constant: Tensor) throws -> DeviceStorage {
    func make() throws -> DeviceStorage {
      let context = request.context
      let given = try context.memory(byteCount: constant.byteCount)
      try constant.withUnsafeBytes { bytes in
        if let base = bytes.baseAddress { try context.upload(base, to: given.address, byteCount: bytes.count) }
      }
      let made = try context.memory(byteCount: codeBytes + sumBytes)
      try context.perform([try turn(.resident(given), to: .resident(made))])
      return made
    }
    guard let residents = request.request.residents else { return try make() }
    return try residents.storage(
      constant, "int8 by columns, \(matrices) of \(form.k) by \(form.n), \(form.isBTurned)", make)
  }

  // MARK: The product

  private var tile: (rows: Int, columns: Int, warps: (Int, Int), depth: Int, stages: Int) {
    let blocks = (form.m + 127) / 128 * ((form.n + 127) / 128) * form.batch
    if blocks >= request.context.info.multiprocessors { return (128, 128, (2, 4), 64, 4) }
    if form.m <= 16 { return (16, 64, (1, 4), 128, 4) }
    return (64, 64, (2, 2), 128, 4)
  }

  private func copyBytes(_ pitch: Int, _ step: Int, _ offsets: [Int]) -> Int {
    let all = offsets.reduce(16 | pitch | step, |)
    return all & -all
  }

  private func code(_ index: Int?) -> Int {
    switch index.flatMap({ request.input($0)?.type }) {
    case .float?: 1
    case .int8?: 9
    case .uint8?: 10
    default: 0
    }
  }

  /// Those of integer_finish.cuh.
  private func finishMacros() throws -> [String: Int] {
    let finish = ProductFinish(activation: activation)
    return try finish.macros(result: try ProductType(try request.result().type)).merging([
      "A_SIGNED": isASigned ? 1 : 0, "B_SIGNED": isBSigned ? 1 : 0, "Z": code(roles.z),
      "FOLDS": roles.foldsResult ? 1 : 0,
    ]) { $1 }
  }

  /// On Hopper's own instructions; nil where those do not take the product, or it is too small for them.
  private func hopper(_ b: Launch.Argument, _ rowSums: Launch.Argument?) throws -> Launch? {
    guard batches.items.count == 1,
      let tile = WgmmaTile(form, .uint8, aIsRows: true, pitch: pitch, on: request.context),
      (request.request.choice("hopper", of: 2) == 1) != tile.fills(request.context)
    else { return nil }
    var macros = try finishMacros()
    macros["ELEMENT"] = 4
    // Elements of B count in matrices, which have another size here.
    let rows = form.bStep / (form.k * form.n) * form.n
    return try tile.launch(
      request, "integer_wgmma", before: ["integer_finish.cuh"], macros: macros, a: .input(roles.a), b: b,
      bPitch: pitch, bStep: rows * pitch,
      rest: [.int64(form.cStep), .int64(rows)] + arguments(b.advanced(codeBytes), rowSums, zOffset: 0))
  }

  private func multiply(_ b: Launch.Argument, _ rowSums: Launch.Argument?) throws -> [Launch] {
    if let launch = try hopper(b, rowSums) { return [launch] }
    let (form, tile, y) = (form, tile, try request.result())
    var macros = try finishMacros()
    let items = batches.items
    let zWidth = code(roles.z) == 1 ? 4 : 1
    macros.merge([
      "ROWS": tile.rows, "COLUMNS": tile.columns, "WARPS_M": tile.warps.0,
      "WARPS_N": tile.warps.1, "DEPTH": tile.depth, "STAGES": tile.stages,
      "COPY_A": copyBytes(form.k, form.aStep, items.map(\.a)), "COPY_B": 16,
    ]) { $1 }
    let shared = tile.stages * (tile.rows + tile.columns) * (tile.depth + 16)
    let function = try request.function(
      "integer_mma", in: Self.common + ["product_tiles.cuh", "integer_finish.cuh", "integer_mma.cu"], macros: macros,
      sharedBytes: shared)
    let tiles = (form.m + tile.rows - 1) / tile.rows * ((form.n + tile.columns - 1) / tile.columns)
    // Elements of B count in matrices, which have another size here.
    let size = form.k * form.n
    return items.map { item in
      let matrix = item.b / size
      let sums = b.advanced(codeBytes + matrix * form.n * 4)
      let parameters = arguments(
        sums, rowSums?.advanced(item.a / form.k * 4), zOffset: item.c * zWidth)
      return Launch(
        function, grid: LaunchSize(tiles, 1, form.batch), block: LaunchSize(tile.warps.0 * tile.warps.1 * 32),
        sharedBytes: shared,
        [
          .input(roles.a, offset: item.a), b.advanced(matrix * form.n * pitch),
          .output(0, offset: item.c * (y.type.bitWidth / 8)), .int32(form.m), .int32(form.n), .int32(form.k),
          .int32(pitch), .int64(form.aStep), .int64(form.bStep / size * form.n * pitch), .int64(form.cStep),
          .int64(form.bStep / size * form.n),
        ] + parameters)
    }
  }

  /// An IntegerFinish of integer_finish.cuh.
  private func arguments(
    _ columnSums: Launch.Argument, _ rowSums: Launch.Argument?, zOffset: Int
  ) -> [Launch.Argument] {
    func place(_ index: Int?, offset: Int = 0) -> Launch.Argument {
      index.flatMap { request.input($0) == nil ? nil : .input($0, offset: offset) } ?? .int64(0)
    }
    func step(_ index: Int?) -> Launch.Argument {
      .int32(index.flatMap { request.input($0)?.count } ?? 1 == 1 ? 0 : 1)
    }
    let p = (activation?.parameters ?? []) + [0, 0]
    return [
      place(roles.aScale), place(roles.bScale), place(roles.aZero), place(roles.bZero), place(roles.bias),
      place(roles.addend), place(roles.yScale), place(roles.yZero), place(roles.z, offset: zOffset),
      place(roles.zScale),
      place(roles.zZero), columnSums, rowSums ?? .int64(0), step(roles.bScale), step(roles.bZero), step(roles.addend),
      .float(roles.alpha ?? 1), .float(p[0]), .float(p[1]),
    ]
  }
}
