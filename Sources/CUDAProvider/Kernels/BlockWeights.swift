import InferenceRuntime
import Tensors

/// Weights of few bits in device memory as block_skinny.cu reads them: unsigned codes of 4 or 8 bits by columns, their scales, what they count
/// from. Made once a session.
struct BlockWeights {
  let codes: DeviceStorage
  let scales: DeviceStorage
  let zeros: DeviceStorage?
  let book: DeviceStorage?
  let bits: Int
  let middle: Int
  /// Bytes of a column.
  let pitch: Int
  let blocks: Int
  let group: Int
  let scaleType: DataType

  init(_ request: CUDARequest, _ source: BlockSource) throws {
    bits = max(4, source.bits)
    blocks = source.blocks
    // One block has all, however long it was said to be.
    group = source.blocks == 1 ? (source.k + 31) / 32 * 32 : source.group
    let given = source.codes
    let isPlain = given.alongK == 1 && source.bits == bits && given.alongN % 8 == 0
    pitch = isPlain ? given.alongN * bits / 8 : (source.k * bits + 127) / 128 * 16
    let name =
      "blocks \(source.k) by \(source.n) of \(source.bits), \(given.alongK) \(given.alongN) \(source.isSigned) \(source.isHighFirst)"
    let pitch = pitch
    // What is read behind the last column stays within.
    let bytes = source.n * pitch + 256
    codes = try request.resident(given.tensor, name, byteCount: bytes) { target in
      let to = target.assumingMemoryBound(to: UInt8.self)
      (target + source.n * pitch).initializeMemory(as: UInt8.self, repeating: 0, count: 256)
      withExtendedLifetime(given.tensor) {
        let from = given.tensor.baseAddress.assumingMemoryBound(to: UInt8.self)
        if isPlain {
          Self.copy(from, to, min(given.tensor.byteCount, source.n * pitch), source)
        } else {
          Self.repack(from, to, pitch, source)
        }
      }
    }
    let scaleTensor = source.scales.tensor
    guard [.float, .float16, .bfloat16].contains(scaleTensor.dataType) else {
      throw Refusal("scales of \(scaleTensor.dataType)")
    }
    scaleType = scaleTensor.dataType
    scales = try Self.scales(request, source)
    let (middle, zeros) = try Self.zeros(source)
    self.middle = middle
    self.zeros = try zeros.map { try Self.floats(request, source.zeros?.tensor ?? scaleTensor, "zeros \(name)", $0) }
    book = try source.book.map { try Self.floats(request, given.tensor, "book \($0)", $0) }
  }

  private static func floats(
    _ request: CUDARequest, _ tensor: Tensor, _ name: String, _ values: [Float]
  ) throws -> DeviceStorage {
    try request.resident(tensor, name, byteCount: values.count * 4) { target in
      values.withUnsafeBytes { if let base = $0.baseAddress { target.copyMemory(from: base, byteCount: $0.count) } }
    }
  }

  /// Codes that lie right, made unsigned and low bits first.
  private static func copy(
    _ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>, _ count: Int, _ source: BlockSource
  ) {
    let flip: UInt8 = !source.isSigned ? 0 : source.bits == 8 ? 0x80 : 0x88
    let swaps = source.isHighFirst && source.bits == 4
    for index in 0..<count {
      let byte = from[index]
      to[index] = (swaps ? byte << 4 | byte >> 4 : byte) ^ flip
    }
  }

  private static func repack(
    _ from: UnsafePointer<UInt8>, _ to: UnsafeMutablePointer<UInt8>, _ pitch: Int, _ source: BlockSource
  ) {
    let isByte = source.bits == 8
    for column in 0..<source.n {
      let line = to + column * pitch
      line.update(repeating: 0, count: pitch)
      var place = column * source.codes.alongN
      for row in 0..<source.k {
        let code = source.code(from, place)
        if isByte { line[row] = code } else { line[row / 2] |= code << UInt8(row % 2 * 4) }
        place += source.codes.alongK
      }
    }
  }

  /// [n][blocks] of the type that they are given in.
  private static func scales(_ request: CUDARequest, _ source: BlockSource) throws -> DeviceStorage {
    let (layout, blocks) = (source.scales, source.blocks)
    let width = layout.tensor.dataType.bitWidth / 8
    return try request.resident(
      layout.tensor, "block scales \(source.n) \(blocks) \(layout.alongK) \(layout.alongN)",
      byteCount: source.n * blocks * width
    ) { target in
      withExtendedLifetime(layout.tensor) {
        let from = layout.tensor.baseAddress
        for column in 0..<source.n {
          for block in 0..<blocks {
            (target + (column * blocks + block) * width).copyMemory(
              from: from + (block * layout.alongK + column * layout.alongN) * width, byteCount: width)
          }
        }
      }
    }
  }

  /// One number that all codes count from, or one a block.
  private static func zeros(_ source: BlockSource) throws -> (Int, [Float]?) {
    guard let layout = source.zeros else { return (source.middle, nil) }
    var values = [Float](repeating: 0, count: source.n * source.blocks)
    let isFloat = layout.tensor.dataType.isFloatingPoint
    let floats = isFloat ? try layout.tensor.elements(as: Float.self) : []
    withExtendedLifetime(layout.tensor) {
      let from = layout.tensor.baseAddress.assumingMemoryBound(to: UInt8.self)
      for column in 0..<source.n {
        for block in 0..<source.blocks {
          let place = block * layout.alongK + column * layout.alongN
          values[column * source.blocks + block] = isFloat ? floats[place] : Float(source.code(from, place))
        }
      }
    }
    guard let first = values.first, first >= 0, first < Float(1 << source.bits), first == first.rounded(),
      values.allSatisfy({ $0 == first })
    else { return (source.middle, values) }
    return (Int(first), nil)
  }
}

/// A product with such weights.
enum BlockProduct {
  static func make(_ request: CUDARequest, _ source: BlockSource, bias: Int?) throws -> PreparedKernel {
    let (a, y) = (try request.operand(0), try request.result())
    let floats: Set<DataType> = [.float, .float16, .bfloat16]
    guard floats.contains(a.type), floats.contains(y.type) else { throw Refusal("\(a.type) to \(y.type)") }
    guard a.rank > 0, a.shape.last == source.k, y.count == a.count / source.k * source.n else {
      throw Refusal("A of \(a.shape)")
    }
    var form = ProductForm(m: a.count / source.k, n: source.n, k: source.k)
    form.isBTurned = true
    var finish = ProductFinish()
    if let bias, let operand = request.input(bias) {
      guard operand.count == source.n else { throw Refusal("input \(bias) has the shape \(operand.shape)") }
      finish.addend = .init(index: bias, type: operand.type, row: 0, column: 1)
    }
    let weights = try BlockWeights(request, source)
    var builder = try ProductBuilder(request, form, ProductBatches(), finish, (a.type, a.type))
    for index in [1, 2, 3, 5] where index != bias && request.input(index)?.constant != nil { builder.leave(index) }
    if try isSkinny(request, form, a.type, weights) {
      builder.append(try skinny(request, form, finish, a.type, y.type, weights))
      return builder.prepared
    }
    var plan = try builder.left()
    let place = builder.room(form.n * form.k * plan.width)
    builder.append(try unpack(request, form, weights, to: .scratch(offset: place), plan.factors))
    plan.b = .scratch(offset: place)
    try builder.append(plan)
    return builder.prepared
  }

  private static func isSkinny(
    _ request: CUDARequest, _ form: ProductForm, _ type: DataType, _ weights: BlockWeights
  ) throws -> Bool {
    guard form.m <= 16, weights.group % 32 == 0, form.k % 8 == 0 else { return false }
    // A book's numbers are rounded to the factors' type.
    if weights.book != nil, type == .float, request.precision == .fp32 { return false }
    return request.request.choice("block", of: 2) == 0
  }

  private static func macros(_ weights: BlockWeights) throws -> [String: Int] {
    [
      "BITS": weights.bits, "BOOK": weights.book == nil ? 0 : 1, "MIDDLE": weights.middle,
      "ZEROS": weights.zeros == nil ? 0 : 1, "SCALE": try ProductType(weights.scaleType).rawValue,
    ]
  }

  private static func places(_ weights: BlockWeights) -> [Launch.Argument] {
    func place(_ storage: DeviceStorage?) -> Launch.Argument { storage.map { .resident($0) } ?? .int64(0) }
    return [.resident(weights.codes), .resident(weights.scales), place(weights.zeros), place(weights.book)]
  }

  private static func skinny(
    _ request: CUDARequest, _ form: ProductForm, _ finish: ProductFinish, _ type: DataType, _ result: DataType,
    _ weights: BlockWeights
  ) throws -> Kernel {
    let tiles = (form.n + 15) / 16
    let turns = (form.k + 127) / 128
    let wanted = tiles >= 8 * request.context.info.multiprocessors ? 4 : 16
    let warps = [16, 8, 4, 2].first { $0 <= wanted && $0 <= turns } ?? 1
    var macros = try macros(weights)
    macros.merge(try finish.macros(result: try ProductType(result))) { $1 }
    macros["X"] = try ProductType(type).rawValue
    macros["GROUPS"] = form.m <= 8 ? 1 : 2
    macros["WARPS"] = warps
    let function = try request.function(
      "block_skinny", in: ["elements.cuh", "product.cuh", "block_skinny.cu"], macros: macros)
    return LaunchKernel(
      "gemv \(weights.bits) bits",
      [
        Launch(
          function, grid: LaunchSize(tiles), block: LaunchSize(warps * 32),
          [.input(0)] + places(weights) + [
            .output(), .int32(form.m), .int32(form.n), .int32(form.k), .int32(weights.pitch), .int32(weights.blocks),
            .int32(weights.group),
          ] + finish.arguments)
      ])
  }

  private static func unpack(
    _ request: CUDARequest, _ form: ProductForm, _ weights: BlockWeights, to place: Launch.Argument, _ type: DataType
  ) throws -> Kernel {
    var macros = try macros(weights)
    macros["RESULT"] = try ProductType(type).rawValue
    let function = try request.function(
      "block_unpack", in: ["elements.cuh", "product.cuh", "block_unpack.cu"], macros: macros)
    return LaunchKernel(
      "unpack \(weights.bits) bits",
      [
        Launch(
          function, grid: LaunchSize((form.k + 1023) / 1024, min(65535, form.n)), block: LaunchSize(128),
          places(weights) + [
            place, .int64(form.n), .int32(form.k), .int32(weights.pitch), .int32(weights.blocks), .int32(weights.group),
          ])
      ])
  }
}
