import InferenceRuntime
import Operators
import Tensors

/// Which input of an integer convolution is what; nil: the operator has none.
struct IntegerConvRoles {
  let x: Int
  var xScale: Int?
  let xZero: Int
  let w: Int
  var wScale: Int?
  let wZero: Int
  var yScale: Int?
  var yZero: Int?
  /// Added in int32.
  var wholeBias: Int?
  /// Added in float32, one number or one a filter.
  var bias: Int?
  var added: Int?
  var addedScale: Int?
  var addedZero: Int?
  /// The result's scale goes into the factor of each filter.
  var folds = false

  var scalars: [Int] { [xScale, xZero, yScale, yZero, addedScale, addedZero].compactMap(\.self) }
  var rows: [Int] { [wScale, wZero, wholeBias, bias].compactMap(\.self) }

  static let fused = IntegerConvRoles(
    x: 0, xScale: 1, xZero: 2, w: 3, wScale: 4, wZero: 5, yScale: 7, yZero: 8, bias: 6, added: 9, addedScale: 10,
    addedZero: 11)
  static let plain = IntegerConvRoles(x: 0, xZero: 2, w: 1, wZero: 3)
  static let quantized = IntegerConvRoles(
    x: 0, xScale: 1, xZero: 2, w: 3, wScale: 4, wZero: 5, yScale: 6, yZero: 7, wholeBias: 8, folds: true)
}

/// Convolutions of 8-bit numbers, exact: as products where all but the image is constant, otherwise by definition.
enum IntegerConvKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "ai.cameo.IntegerConv": { request in
      try make(request, .fused, isPlanar: (try request.attributes.bool("channels_first"), false))
    },
    "ConvInteger": { try make($0, .plain, isPlanar: (true, true)) },
    "QLinearConv": { try make($0, .quantized, isPlanar: (true, true)) },
    "com.microsoft.QLinearConv": { request in
      let isFirst = try !request.attributes.bool("channels_last")
      return try make(request, .quantized, isPlanar: (isFirst, isFirst))
    },
  ]

  /// The number that kernels give a type.
  static func code(_ type: DataType) throws -> Int {
    switch type {
    case .float: 2
    case .uint8: 3
    case .int8: 4
    case .int32: 5
    default: throw Refusal("elements of \(type)")
    }
  }

  private static func make(
    _ request: CUDARequest, _ roles: IntegerConvRoles, isPlanar: (image: Bool, result: Bool)
  ) throws -> PreparedKernel {
    let shape = try ConvShape(request, image: roles.x, weights: roles.w, isPlanar: isPlanar)
    guard let x = request.input(roles.x), let w = request.input(roles.w) else {
      throw Refusal("an operand is left out")
    }
    guard [.uint8, .int8].contains(x.type), [.uint8, .int8].contains(w.type) else {
      throw Refusal("\(x.type) times \(w.type)")
    }
    try check(request, roles, filters: shape.groups * shape.filters)
    let activation = roles.added == nil ? ConvActivation() : try ConvActivation(request.attributes)
    let isFixed = (roles.scalars + roles.rows + [roles.w]).allSatisfy {
      request.input($0).map { $0.constant != nil } ?? true
    }
    if isFixed, shape.groups == 1 || (shape.channels >= 16 && shape.filters >= 16),
      let kernel = try IntegerConvProduct.make(request, roles, shape, activation, isPlanar: isPlanar)
    {
      return kernel
    }
    return try IntegerConvDirect.make(request, roles, shape, activation, isPlanar: isPlanar)
  }

  private static func check(_ request: CUDARequest, _ roles: IntegerConvRoles, filters: Int) throws {
    for index in roles.scalars {
      if let operand = request.input(index), operand.count != 1 {
        throw Refusal("input \(index) has the shape \(operand.shape)")
      }
    }
    for index in roles.rows {
      if let operand = request.input(index), operand.count != 1 || index == roles.wholeBias, operand.count != filters {
        throw Refusal("input \(index) has the shape \(operand.shape)")
      }
    }
    for index in [roles.xScale, roles.wScale, roles.yScale, roles.addedScale, roles.bias].compactMap(\.self) {
      if let operand = request.input(index), operand.type != .float {
        throw Refusal("input \(index) is \(operand.type)")
      }
    }
    if let index = roles.wholeBias, let bias = request.input(index), bias.type != .int32 {
      throw Refusal("a bias of \(bias.type)")
    }
    if let index = roles.added, let added = request.input(index), added.shape != request.output()?.shape {
      throw Refusal("a residual of the shape \(added.shape)")
    }
  }
}

/// Launches of conv_integer_direct.cu.
private enum IntegerConvDirect {
  static func make(
    _ request: CUDARequest, _ roles: IntegerConvRoles, _ shape: ConvShape, _ activation: ConvActivation,
    isPlanar: (image: Bool, result: Bool)
  ) throws -> PreparedKernel {
    guard let y = request.output() else { throw Refusal("the result is left out") }
    func type(_ index: Int?) -> DataType? { index.flatMap { request.input($0)?.type } }
    func count(_ index: Int?) -> Int { index.flatMap { request.input($0)?.count } ?? 0 }
    func flag(_ isTrue: Bool) -> Int { isTrue ? 1 : 0 }
    let all = shape.groups * shape.filters
    let sums = shape.rows * all
    var parameters = ParameterBytes()
    parameters.add(sums, shape.channels, shape.filters)
    parameters.add(shape.input + shape.kernel + shape.strides + shape.dilations + shape.before)
    parameters.add(flag(isPlanar.image), flag(isPlanar.result), shape.groups * shape.channels, all)
    parameters.add(flag(type(roles.x) == .int8), flag(type(roles.w) == .int8), flag(y.type == .int8))
    parameters.add(flag(type(roles.added) == .int8), count(roles.wZero), count(roles.wScale), count(roles.bias))
    parameters.add(flag(roles.folds))
    for divisor in [shape.positions, all, shape.output[1] * shape.output[2], shape.output[2]] {
      parameters.add(divisor: divisor)
    }
    parameters.add(
      try IntegerConvKernels.code(y.type), try type(roles.added).map { try IntegerConvKernels.code($0) } ?? -1)
    for value in [1, 0, 1, 0] as [Float] { parameters.add(value) }
    parameters.add(activation.p0)
    parameters.add(activation.p1)
    let function = try request.function(
      "conv_integer_direct", in: ConvTask.files + ["conv_integer_finish.cuh", "conv_integer_direct.cu"],
      macros: ["ACTIVATION": activation.code])
    func argument(_ index: Int?) -> Launch.Argument {
      index.map { request.input($0) == nil ? .null : .input($0) } ?? .null
    }
    let operands = [
      roles.x, roles.xScale, roles.xZero, roles.w, roles.wScale, roles.wZero, roles.wholeBias, roles.bias, roles.yScale,
      roles.yZero, roles.added, roles.addedScale, roles.addedZero,
    ]
    let launch = Launch(
      function, grid: LaunchSize((sums + 255) / 256), block: LaunchSize(256),
      operands.map(argument) + [.output(), parameters.argument])
    return PreparedKernel(LaunchKernel("integer conv, by definition", [launch]))
  }
}
