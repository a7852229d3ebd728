import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Element-wise operators by themselves, and ai.cameo.FusedElementwise: a generated program each (`ElementwiseProgram`).
enum ElementwiseKernels {
  static let makers: [String: CUDAProvider.Maker] = {
    var table: [String: CUDAProvider.Maker] = [:]
    for name in ElementwiseOperators.names { table[name] = { try single($0) } }
    table["QuantizeLinear"] = { try QuantizationKernels.linear($0) }
    table["DequantizeLinear"] = { try QuantizationKernels.linear($0) }
    table["DynamicQuantizeLinear"] = { try QuantizationKernels.dynamic($0) }
    table["Identity"] = { try identity($0) }
    table["BitCast"] = { try identity($0) }
    table["Dropout"] = { try dropout($0) }
    table["ai.cameo.FusedElementwise"] = { try fused($0) }
    return table
  }()

  /// The inputs of a node as values of a program: constants of one element within the launch, the others in memory.
  struct Operands {
    var program = ElementwiseProgram()
    var inputs: [ElementwiseProgram.Input] = []
    var values: [ElementwiseProgram.Value?] = []
    var unread: [Int] = []

    /// `shape`: what the operand is seen as, its own where it is left out.
    mutating func add(_ request: CUDARequest, _ index: Int, seenAs shape: [Int]? = nil) throws {
      guard let operand = request.input(index) else { return values.append(nil) }
      if let tensor = operand.constant, operand.count == 1 {
        values.append(try program.constant(tensor))
        return unread.append(index)
      }
      values.append(try program.input(operand.type))
      inputs.append(.init(.input(index), shape ?? operand.shape))
    }
  }

  static func needed(_ request: CUDARequest, _ index: Int) throws -> Operand {
    guard let operand = request.input(index) else { throw Refusal("input \(index) is left out") }
    return operand
  }

  static func result(_ request: CUDARequest, _ index: Int = 0) throws -> Operand {
    guard let operand = request.output(index) else { throw Refusal("output \(index) is left out") }
    return operand
  }

  /// Inputs of the result's own type and size.
  static func inPlace(_ request: CUDARequest) -> [Int] {
    guard let result = request.output(0) else { return [] }
    return request.inputs.indices.filter {
      request.input($0)?.count == result.count && request.input($0)?.type == result.type
    }
  }

  private static func single(_ request: CUDARequest) throws -> PreparedKernel {
    let result = try result(request)
    guard request.outputs.count == 1 else { throw Refusal("\(request.outputs.count) outputs") }
    var operands = Operands()
    for index in request.inputs.indices {
      if request.node.type == "CastLike", index == 1 {
        operands.unread.append(1)
        continue
      }
      try operands.add(request, index)
    }
    let value = try ElementwiseOperators.emit(
      request.node, operands.values, to: result.type, in: &operands.program)
    try operands.program.store(value, as: result.type)
    let launch = try operands.program.launch(over: result.shape, operands.inputs, to: [.output()], request.context)
    return PreparedKernel(
      LaunchKernel("elementwise", [launch]), inPlaceInputs: inPlace(request), unreadInputs: operands.unread)
  }

  /// The unsigned type of an element's bytes, for what only moves it.
  static func raw(_ type: DataType) throws -> DataType {
    switch type.bitWidth {
    case 8: .uint8
    case 16: .uint16
    case 32: .uint32
    case 64 where type != .string: .uint64
    default: throw Refusal("elements of \(type)")
    }
  }

  private static func identity(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, y) = (try needed(request, 0), try result(request))
    guard x.type.bitWidth == y.type.bitWidth else {
      // float32 on one side, stored in 16 bits on the other.
      guard x.type.elementKind == .float, y.type.elementKind == .float, request.node.type == "Identity" else {
        throw Refusal("\(x.type) as \(y.type)")
      }
      return try single(request)
    }
    return try copy(x.type, x.shape, to: y.shape, request)
  }

  /// Input 0, seen as of shape `from`, broadcast to `shape`.
  static func copy(
    _ type: DataType, _ from: [Int], to shape: [Int], _ request: CUDARequest
  ) throws -> PreparedKernel {
    var program = ElementwiseProgram()
    let raw = try raw(type)
    try program.store(try program.input(raw), as: raw)
    let launch = try program.launch(over: shape, [.init(.input(0), from)], to: [.output()], request.context)
    return PreparedKernel(LaunchKernel("copy", [launch]), inPlaceInputs: inPlace(request))
  }

  /// As in inference: the input as it is, and a mask that is true everywhere.
  private static func dropout(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, y) = (try needed(request, 0), try result(request))
    if let training = request.input(2) {
      guard let flag = training.constant, try flag.scalar(as: Int64.self) == 0 else { throw Refusal("training_mode") }
    }
    var program = ElementwiseProgram()
    try program.store(try program.input(x.type), as: y.type)
    var outputs: [Launch.Argument] = [.output()]
    if let mask = request.output(1) {
      try program.store(program.constant(1, .bool), as: mask.type)
      outputs.append(.output(1))
    }
    let launch = try program.launch(over: y.shape, [.init(.input(0), x.shape)], to: outputs, request.context)
    let read: Set<Int> = [0]
    return PreparedKernel(
      LaunchKernel("elementwise", [launch]), unreadInputs: request.inputs.indices.filter { !read.contains($0) })
  }

  // MARK: Bodies

  private static func fused(_ request: CUDARequest) throws -> PreparedKernel {
    guard let body = try request.request.body(FusedElementwise.body) else {
      throw Refusal("its body reads what is computed outside")
    }
    let result = try result(request)
    guard body.inputs.count == request.inputs.count, body.outputs.count == 1 else {
      throw Refusal("a body of another form")
    }
    var operands = Operands()
    for index in request.inputs.indices { try operands.add(request, index) }
    var values: [ValueID: ElementwiseProgram.Value] = [:]
    for (index, input) in body.inputs.enumerated() { values[input] = operands.values[index] }
    var output = body.outputs[0]
    var last: Node?
    if let id = body.producer(output), ElementwiseVocabulary.reductions.contains(body[id].type) {
      guard let data = body[id].input(0) else { throw Refusal("a reduction of nothing") }
      (last, output) = (body[id], data)
    }
    var shape: [Int] = []
    for index in request.inputs.indices { shape = try Broadcast.shape(shape, try needed(request, index).shape) }
    for id in body.nodes {
      let node = body[id]
      if last != nil, node.output(0) == body.outputs[0] { continue }
      let given = try node.inputs.map { input -> ElementwiseProgram.Value? in
        guard let input else { return nil }
        if let known = values[input] { return known }
        guard let tensor = body.constant(input) else { throw Refusal("a value that is not known") }
        shape = try Broadcast.shape(shape, tensor.shape)
        let made = try operands.program.constant(tensor)
        values[input] = made
        return made
      }
      guard let target = node.output(0), node.outputs.count == 1, node.domain.isEmpty else {
        throw Refusal("the operator \(node.operatorName) in its body")
      }
      values[target] = try ElementwiseOperators.emit(
        node, given, to: try type(of: node, given), in: &operands.program)
    }
    guard let value = values[output] else { throw Refusal("a body that computes nothing") }
    guard let last else {
      try operands.program.store(value, as: result.type)
      let launch = try operands.program.launch(over: result.shape, operands.inputs, to: [.output()], request.context)
      return PreparedKernel(
        LaunchKernel("elementwise", [launch]), inPlaceInputs: inPlace(request), unreadInputs: operands.unread)
    }
    return try reduced(request, body, last, value, operands, shape)
  }

  /// What a node of a body makes, where its operator alone does not say it.
  private static func type(of node: Node, _ operands: [ElementwiseProgram.Value?]) throws -> DataType {
    let attributes = AttributeReader(node)
    switch node.type {
    case "Cast": return try attributes.dataType("to") ?? .float
    case "QuantizeLinear":
      return try attributes.dataType("output_dtype") ?? (operands.count > 2 ? operands[2]?.type : nil) ?? .uint8
    default: return .float
    }
  }

  private static func reduced(
    _ request: CUDARequest, _ body: Graph, _ node: Node, _ value: ElementwiseProgram.Value, _ operands: Operands,
    _ shape: [Int]
  ) throws -> PreparedKernel {
    let result = try result(request)
    let axes = try node.input(1).map { axes in
      guard let tensor = body.constant(axes) else { throw Refusal("computed axes") }
      return try tensor.ints()
    }
    guard let from = ElementwiseVocabulary.reducedFrom(node, axes: axes, rank: shape.count),
      let reduction = ElementwiseReduction.known[node.type], value.kind == .float
    else { throw Refusal("a reduction of other than trailing axes of float") }
    guard result.count == shape[..<from].reduce(1, *), shape.allSatisfy({ $0 > 0 }) else {
      throw Refusal("a result of \(result.shape) for \(shape)")
    }
    var program = operands.program
    try program.store(value, as: result.type)
    let (launches, bytes) = try program.reduce(
      reduction, over: shape, from: from, operands.inputs, to: .output(), request.context)
    return PreparedKernel(
      LaunchKernel("elementwise", launches), scratchBytes: bytes, unreadInputs: operands.unread)
  }
}
