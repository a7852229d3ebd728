import InferenceRuntime
import Tensors

/// Launches of conv_integer.cu: all but the image is constant.
enum IntegerConvProduct {
  /// nil for what the kernel does not take.
  static func make(
    _ request: CUDARequest, _ roles: IntegerConvRoles, _ given: ConvShape, _ activation: ConvActivation,
    isPlanar: (image: Bool, result: Bool)
  ) throws -> PreparedKernel? {
    guard let x = request.input(roles.x), let y = request.output(), let filters = request.input(roles.w)?.constant
    else {
      return nil
    }
    let zero = try whole(request, roles.xZero)?.first ?? 0
    let weights = try IntegerConvFilters(filters, zeros: try whole(request, roles.wZero) ?? [0], given)
    if weights.sets.count > 1 && given.isVolume { return nil }
    var task = ConvTask(given, ConvElement(code: x.type == .int8 ? 4 : 3))
    task.activation = activation
    task.isPlanar = isPlanar.result && given.positions > 1
    try readImage(request, roles.x, &task, zero: zero, isPlanar: isPlanar.image && given.pixels > 1)
    let padded = task.shape.channels
    let form = "integer conv, \(given.groups) groups, \(padded), zero points \(roles.wZero) \(weights.sets.count)"
    let bytes = given.groups * given.filters * weights.sets.count * given.taps * padded
    task.filters = .resident(
      try request.resident(filters, form, byteCount: max(16, bytes)) { weights.pack(to: $0, padded: padded) })
    if weights.sets.count > 1 {
      task.shape.kernel[0] = weights.sets.count
      task.shape.dilations[0] = 0
    }
    let numbers = try Numbers(request, roles, given.groups * given.filters, totals: weights.totals, zero: zero)
    let tile =
      given.rows * given.filters >= 132 * 128 * 128 && given.filters > 64
      ? ConvTile(128, 128, 2, 4, 3) : ConvTile(64, 64, 2, 2, 4)
    let macros = [
      "BM": tile.m, "BN": tile.n, "WARPS_M": tile.warpsM, "WARPS_N": tile.warpsN, "STAGES": tile.stages,
      "VOLUME": given.isVolume ? 1 : 0, "ELEMENT": task.element.code, "ACTIVATION": activation.code,
    ]
    let function = try request.function(
      "conv_integer", in: ConvTask.files + ["conv_copy.cuh", "conv_integer_finish.cuh", "conv_integer.cu"],
      macros: macros,
      sharedBytes: tile.sharedBytes)
    let columns = (given.filters + tile.n - 1) / tile.n
    let added = roles.added.flatMap { request.input($0) == nil ? nil : $0 }
    let launch = Launch(
      function, grid: LaunchSize((given.rows + tile.m - 1) / tile.m * columns, given.groups),
      block: LaunchSize(tile.threads), sharedBytes: tile.sharedBytes,
      [
        task.image, task.filters, .resident(numbers.sums), .resident(numbers.factors),
        numbers.bias.map { .resident($0) } ?? .null, added.map { .input($0) } ?? .null, .output(),
        ConvProduct.parameters(task, columns).argument,
        try epilogue(request, roles, y.type, activation).argument,
      ])
    let constants = (roles.scalars + roles.rows + [roles.w]).filter { request.input($0) != nil }
    return PreparedKernel(
      LaunchKernel("integer conv", task.launches + [launch]), scratchBytes: task.scratch, unreadInputs: constants)
  }

  /// The image as rows of whole copies; where padding would be another number than 0 it is written out.
  private static func readImage(
    _ request: CUDARequest, _ index: Int, _ task: inout ConvTask, zero: Int, isPlanar: Bool
  ) throws {
    let isPadded = (task.shape.before + task.shape.after).contains { $0 != 0 }
    if !isPlanar, task.shape.channels % 16 == 0, zero == 0 || !isPadded {
      task.image = .input(index)
      return
    }
    let shape = task.shape
    let pads = zero == 0 ? [0, 0, 0] : shape.before
    let out = zero == 0 ? shape.input : (0..<3).map { shape.input[$0] + shape.before[$0] + max(0, shape.after[$0]) }
    let padded = (shape.channels + 15) / 16 * 16
    let pixels = out.reduce(1, *)
    let count = shape.batch * shape.groups * (padded / 16) * pixels
    guard count < 1 << 27 else { throw Refusal("more than 2^31 elements") }
    task.image = task.reserve(count * 16)
    var parameters = ParameterBytes()
    parameters.add(count, shape.groups, shape.channels, padded, 16, isPlanar ? 1 : 0)
    parameters.add(shape.input + out + pads)
    parameters.add(zero & 255)
    for divisor in [pixels, padded / 16, shape.groups, out[1] * out[2], out[2]] { parameters.add(divisor: divisor) }
    let function = try request.function(
      "conv_image", in: ConvTask.files + ["conv_prepare.cu"], macros: ["IN": 3, "ELEMENT": 3])
    task.launches.append(
      Launch(
        function, grid: LaunchSize((count + 255) / 256), block: LaunchSize(256),
        [.input(index), .null, task.image, parameters.argument]))
    task.shape.channels = padded
    task.shape.input = out
    if zero != 0 { (task.shape.before, task.shape.after) = ([0, 0, 0], [0, 0, 0]) }
  }

  private static func epilogue(
    _ request: CUDARequest, _ roles: IntegerConvRoles, _ type: DataType, _ activation: ConvActivation
  ) throws -> ParameterBytes {
    let added = try roles.added.flatMap { request.input($0) }.map { try IntegerConvKernels.code($0.type) } ?? -1
    let scale = try float(request, roles.yScale)?.first
    var bytes = ParameterBytes()
    bytes.add(try IntegerConvKernels.code(type), added)
    bytes.add(try float(request, roles.addedScale)?.first ?? 1)
    bytes.add(try whole(request, roles.addedZero)?.first ?? 0)
    bytes.add(roles.folds ? 1 : scale.map { 1 / $0 } ?? 1)
    bytes.add(try whole(request, roles.yZero)?.first ?? 0)
    bytes.add(activation.p0)
    bytes.add(activation.p1)
    return bytes
  }

  static func whole(_ request: CUDARequest, _ index: Int?) throws -> [Int]? {
    try index.flatMap { request.input($0)?.constant }?.ints()
  }

  static func float(_ request: CUDARequest, _ index: Int?) throws -> [Float]? {
    try index.flatMap { request.input($0)?.constant }?.elements(as: Float.self)
  }

  /// For each filter: what is added to its sum, its factor, what is added to the product of both.
  private struct Numbers {
    let sums: DeviceStorage
    let factors: DeviceStorage
    let bias: DeviceStorage?

    init(_ request: CUDARequest, _ roles: IntegerConvRoles, _ count: Int, totals: [Int32], zero: Int) throws {
      func row<T>(_ values: [T]?, _ index: Int) -> T? { values.map { $0[$0.count == 1 ? 0 : index] } }
      let start = try whole(request, roles.wholeBias)
      let (first, scales) = (try float(request, roles.xScale)?.first ?? 1, try float(request, roles.wScale))
      let result = try float(request, roles.yScale)?.first
      let added = try float(request, roles.bias)
      func upload<T>(_ values: [T]) throws -> DeviceStorage {
        let storage = try request.context.memory(byteCount: values.count * 4)
        try values.withUnsafeBytes { bytes in
          if let base = bytes.baseAddress {
            try request.context.upload(base, to: storage.address, byteCount: bytes.count)
          }
        }
        return storage
      }
      sums = try upload(
        (0..<count).map { Int32(truncatingIfNeeded: row(start, $0) ?? 0) &- Int32(zero) &* totals[$0] })
      factors = try upload(
        (0..<count).map { index -> Float in
          let factor = first * (row(scales, index) ?? 1)
          return roles.folds ? factor / (result ?? 1) : factor
        })
      bias = try added.map { added in try upload((0..<count).map { row(added, $0) ?? 0 }) }
    }
  }
}

/// Filters less their zero points, as sums of sets of int8.
private struct IntegerConvFilters {
  /// [filters, channels, taps] each.
  private(set) var sets: [[Int8]] = []
  /// The sum of each filter's numbers.
  let totals: [Int32]
  private let shape: ConvShape

  init(_ tensor: Tensor, zeros: [Int], _ shape: ConvShape) throws {
    self.shape = shape
    let each = shape.channels * shape.taps
    var rest = try tensor.ints().enumerated().map { index, value in value - zeros[zeros.count == 1 ? 0 : index / each] }
    totals = (0..<shape.groups * shape.filters).map { filter in
      Int32(truncatingIfNeeded: rest[filter * each..<(filter + 1) * each].reduce(0, +))
    }
    repeat {
      let part = rest.map { Int8(clamping: $0) }
      for index in rest.indices { rest[index] -= Int(part[index]) }
      sets.append(part)
    } while rest.contains { $0 != 0 }
  }

  /// As [filters, sets, taps, padded].
  func pack(to target: UnsafeMutableRawPointer, padded: Int) {
    var place = 0
    for filter in 0..<shape.groups * shape.filters {
      for set in sets {
        for tap in 0..<shape.taps {
          for channel in 0..<padded {
            let value = channel < shape.channels ? set[(filter * shape.channels + channel) * shape.taps + tap] : 0
            target.storeBytes(of: value, toByteOffset: place, as: Int8.self)
            place += 1
          }
        }
      }
    }
  }
}
