public import GraphIR
import Operators
public import Tensors

/// A node test's model with one thing changed, and whether the standard forbids it for certain.
public struct Mutation {
  public enum Judgement: Sendable {
    /// A result or an error.
    case either
    /// An error when types are inferred, before anything runs.
    case inferenceError
    /// An error when types are inferred or when it runs.
    case error
  }

  public let text: String
  public var graph: Graph
  public var inputs: [Value?]
  public var judgement = Judgement.either
}

/// Makes every mutation of a test of one node, in a fixed order.
public struct Mutator {
  let test: NodeTest
  let graph: Graph
  let id: NodeID
  let node: Node
  let schema: OperatorSchema
  private var made: [Mutation] = []

  /// None for tests of several nodes and of operators without a signature.
  public static func mutations(of test: NodeTest) -> [Mutation] {
    guard let name = test.operatorName, let schema = SchemaRegistry.newest(domain: name.domain, name: name.name) else {
      return []
    }
    var mutator = Mutator(test, schema)
    mutator.counts()
    mutator.attributes()
    mutator.elementTypes()
    mutator.ranks()
    mutator.sizes()
    mutator.contents()
    return mutator.made
  }

  private init(_ test: NodeTest, _ schema: OperatorSchema) {
    self.test = test
    self.schema = schema
    graph = test.model.graph
    id = graph.nodes[0]
    node = graph[id]
  }

  mutating func add(
    _ text: String, _ judgement: Mutation.Judgement = .either, inputs: [Value?]? = nil, _ edit: (inout Graph) -> Void
  ) {
    var changed = graph
    edit(&changed)
    let values = inputs ?? test.inputs
    for (index, input) in changed.inputs.enumerated() where index < values.count {
      if let type = values[index]?.staticType { changed.setType(type, of: input) }
    }
    made.append(Mutation(text: text, graph: changed, inputs: values, judgement: judgement))
  }

  // MARK: Counts

  private mutating func counts() {
    let least = max(schema.inputCount.lowerBound, schema.inputs.prefix { $0.option == .single }.count)
    if least > 0, node.inputs.count >= least {
      add("\(least - 1) inputs", .inferenceError) { [id, node] in
        $0.replaceInputs(of: id, with: Array(node.inputs.prefix(least - 1)))
      }
    }
    for (index, parameter) in schema.inputs.enumerated() where parameter.option == .single && index < node.inputs.count
    {
      add("input \(index) left out", .inferenceError) { [id] in $0.setInput(index, of: id, to: nil) }
    }
    if schema.inputCount.upperBound < 100, let first = node.inputs.compactMap({ $0 }).first {
      let most = schema.inputCount.upperBound
      add("\(most + 1) inputs", .inferenceError) { [id, node] in
        let more = [ValueID?](repeating: first, count: most + 1 - node.inputs.count)
        $0.replaceInputs(of: id, with: node.inputs + more)
      }
    }
    if schema.outputCount.upperBound < 100 {
      let most = schema.outputCount.upperBound
      add("\(most + 1) outputs", .inferenceError) { [id, node] graph in
        for index in node.outputs.count...most { graph.addOutput(graph.addValue(name: "more\(index)"), to: id) }
      }
      if most > node.outputs.count {
        add("\(most) outputs") { [id, node] graph in
          for index in node.outputs.count..<most { graph.addOutput(graph.addValue(name: "more\(index)"), to: id) }
        }
      }
    }
  }

  // MARK: Attributes

  private mutating func attributes() {
    for attribute in schema.attributes {
      let name = attribute.name
      if attribute.isRequired { set(name, nil, .inferenceError) }
      switch attribute.type {
      case .int:
        set(name, .string("text"), .inferenceError)
        let isAxis = name == "axis"
        for value: Int64 in [0, 1, -1, 7, 100, -100, 1 << 31, .max, .min] {
          let isOutside = isAxis && abs(Double(value)) >= 100 && !isIgnored(name)
          set(name, .int(value), isOutside ? .error : .either)
        }
      case .float:
        set(name, .string("text"), .inferenceError)
        for value: Float in [0, -1, .nan, .infinity, 1e30] { set(name, .float(value)) }
      case .string:
        set(name, .int(1), .inferenceError)
        set(name, .string("nonsense"))
        set(name, .string(""))
      case .ints:
        set(name, .string("text"), .inferenceError)
        for list: [Int64] in [[], [0], [-1], [100], [.max], [.min], [1, 1], [0, 0], [1, -1], [1, 2, 3, 4, 5, 6, 7]] {
          set(name, .ints(list), isWrongLength(name, list) ? .error : .either)
        }
        if case .ints(let list)? = node[name], !list.isEmpty {
          set(name, .ints(list + [list[0]]), isWrongLength(name, list + [list[0]]) ? .error : .either)
          set(name, .ints(Array(list.dropLast())), isWrongLength(name, Array(list.dropLast())) ? .error : .either)
          set(name, .ints(list.map { -$0 - 1 }))
          set(name, .ints(list.map { _ in 0 }))
          set(name, .ints(list.map { _ in Int64.max }))
          set(name, .ints(list.map { _ in 1 << 32 }))
        }
      case .floats:
        set(name, .ints([1]), .inferenceError)
        set(name, .floats([]))
        set(name, .floats([.nan]))
        set(name, .floats([1, 2, 3, 4, 5]))
      case .strings:
        set(name, .int(1), .inferenceError)
        set(name, .strings([]))
        set(name, .strings(["nonsense", ""]))
      default: set(name, .int(1), .inferenceError)
      }
    }
  }

  private mutating func set(_ name: String, _ value: Attribute?, _ judgement: Mutation.Judgement = .either) {
    add("\(name) = \(value.map { "\($0)" } ?? "none")", judgement) { [id] in
      $0.setAttribute(name, of: id, to: value)
    }
  }

  /// A scale for the whole tensor has no axis.
  private func isIgnored(_ attribute: String) -> Bool {
    guard ["QuantizeLinear", "DequantizeLinear"].contains(schema.name) else { return false }
    return (input(1)?.count ?? 1) == 1
  }

  /// Lists that must have one entry (pads: two) a spatial axis, or one an axis.
  private func isWrongLength(_ name: String, _ list: [Int64]) -> Bool {
    guard let x = input(0) else { return false }
    let windows: Set<String> = [
      "Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "ConvInteger", "QLinearConv", "MaxUnpool",
    ]
    if windows.contains(schema.name), schema.domain.isEmpty {
      switch name {
      case "kernel_shape", "strides", "dilations": return !list.isEmpty && list.count != x.rank - 2
      case "pads":
        // auto_pad overrides pads.
        if case .string(let mode)? = node["auto_pad"], mode != "NOTSET" { return false }
        return !list.isEmpty && list.count != 2 * (x.rank - 2)
      default: return false
      }
    }
    return schema.name == "Transpose" && name == "perm" && !list.isEmpty && list.count != x.rank
  }

  func input(_ index: Int) -> Tensor? {
    guard let id = node.input(index), let place = graph.inputs.firstIndex(of: id) else { return nil }
    return test.inputs[place]?.tensor
  }

  // MARK: Element types, ranks, sizes

  /// Each graph input that is a tensor and read by the node: where it is and at which input of the node.
  private var tensors: [(place: Int, index: Int, tensor: Tensor)] {
    graph.inputs.enumerated().compactMap { place, value in
      guard let tensor = test.inputs[place]?.tensor, let index = node.inputs.firstIndex(of: value) else { return nil }
      return (place, index, tensor)
    }
  }

  private func replacing(_ place: Int, _ value: Value) -> [Value?] {
    var inputs = test.inputs
    inputs[place] = value
    return inputs
  }

  private mutating func elementTypes() {
    for (place, index, tensor) in tensors {
      guard let parameter = schema.input(at: index) else { continue }
      let isFree = parameter.constraint.map { !schema.typeConstraints[$0].otherTypes.isEmpty } ?? false
      let types = DataType.allCases.filter { $0 != tensor.dataType }
      let outside = types.filter { !parameter.types.contains(.tensor, dataType: Int($0.rawValue)) }
      for type in [outside.first, outside.last].compactMap({ $0 }) {
        guard let value = Self.fill(type, tensor.shape) else { continue }
        add("input \(index) \(type)", isFree ? .either : .inferenceError, inputs: replacing(place, value)) { _ in }
      }
      let inside = types.filter { parameter.types.contains(.tensor, dataType: Int($0.rawValue)) }
      let isBound = parameter.constraint.map { constraint in
        node.inputs.indices.contains { other in
          other != index && node.inputs[other] != node.inputs[index] && node.inputs[other] != nil
            && schema.input(at: other)?.constraint == constraint
            && schema.input(at: other)?.option != .variadic(isHomogeneous: false, minArity: 0)
        }
      }
      let isMixed: Bool
      if case .variadic(isHomogeneous: false, _) = parameter.option { isMixed = true } else { isMixed = false }
      for type in [inside.first, inside.last].compactMap({ $0 }) {
        guard let value = Self.fill(type, tensor.shape) else { continue }
        let judgement: Mutation.Judgement = isBound == true && !isMixed ? .inferenceError : .either
        add("input \(index) \(type)", judgement, inputs: replacing(place, value)) { _ in }
      }
      add("input \(index) a sequence", inputs: replacing(place, .sequence([.tensor(tensor)]))) { _ in }
    }
  }

  private mutating func ranks() {
    for (place, index, tensor) in tensors {
      var shapes: [[Int]] = [[], [1] + tensor.shape, tensor.shape + [1], tensor.shape + [2, 1]]
      if tensor.rank > 0 {
        shapes += [Array(tensor.shape.dropFirst()), Array(tensor.shape.dropLast()), [tensor.count]]
      }
      for shape in shapes where shape != tensor.shape {
        guard let value = Self.reshaped(tensor, shape) else { continue }
        let isTooLow = shape.count < LeastRanks.of(schema.domain, schema.name, input: index)
        add("input \(index) \(shape)", isTooLow ? .error : .either, inputs: replacing(place, value)) { _ in }
      }
    }
  }

  private mutating func sizes() {
    for (place, index, tensor) in tensors {
      for axis in tensor.shape.indices {
        for size in Set([0, 1, tensor.shape[axis] + 1, tensor.shape[axis] * 2]).sorted()
        where size != tensor.shape[axis] {
          var shape = tensor.shape
          shape[axis] = size
          guard let value = Self.reshaped(tensor, shape) else { continue }
          add("input \(index) \(shape)", inputs: replacing(place, value)) { _ in }
        }
      }
    }
    let empty = test.inputs.map { value -> Value? in
      guard let tensor = value?.tensor, let last = tensor.shape.last, last > 0 else { return value }
      return Self.reshaped(tensor, Array(tensor.shape.dropLast()) + [0])
    }
    add("all inputs empty", inputs: empty) { _ in }
  }

  private mutating func contents() {
    for (place, index, tensor) in tensors where tensor.rank <= 1 && tensor.count <= 16 {
      let isAxis = ["axis", "axes"].contains(schema.input(at: index)?.name ?? "") && tensor.count > 0
      if tensor.dataType == .int64 || tensor.dataType == .int32 {
        for number: Int64 in [-1, 0, 1, 5, 1000, -1000, 1 << 31 - 1, 1 << 40, .max, .min] {
          let clamped = tensor.dataType == .int32 ? Int64(Int32(clamping: number)) : number
          let list = [Int64](repeating: clamped, count: tensor.count)
          guard let value = try? Tensor.of(list, tensor.dataType, shape: tensor.shape) else { continue }
          let isOutside = isAxis && abs(Double(number)) >= 1000
          add("input \(index) all \(clamped)", isOutside ? .error : .either, inputs: replacing(place, .tensor(value))) {
            _ in
          }
          // The same as a constant of the model, which inference sees.
          add("input \(index) constant \(clamped)", isOutside ? .error : .either) { graph in
            let constant = graph.addConstant(value, name: "constant")
            graph.setInput(index, of: graph.nodes[0], to: constant)
          }
        }
      } else if tensor.dataType == .float {
        for number: Float in [0, -1, .nan, .infinity, -.infinity, 1e30] {
          let list = [Float](repeating: number, count: tensor.count)
          guard let value = try? Tensor.of(list, .float, shape: tensor.shape) else { continue }
          add("input \(index) all \(number)", inputs: replacing(place, .tensor(value))) { _ in }
        }
      }
    }
  }

  // MARK: Values

  static func fill(_ type: DataType, _ shape: [Int]) -> Value? {
    if type == .string {
      guard let count = try? Tensor.elementCount(shape), count < 1 << 16 else { return nil }
      return (try? Tensor(strings: [String](repeating: "a", count: count), shape: shape)).map { .tensor($0) }
    }
    return (try? Tensor.makeRaw(type, shape) { bytes in for index in bytes.indices { bytes[index] = 1 } }).map {
      .tensor($0)
    }
  }

  /// The tensor's elements over and over in another shape.
  static func reshaped(_ tensor: Tensor, _ shape: [Int]) -> Value? {
    guard let count = try? Tensor.elementCount(shape), count < 1 << 20 else { return nil }
    if tensor.dataType == .string {
      let strings = (0..<count).map { tensor.count > 0 ? tensor.strings[$0 % tensor.count] : "" }
      return (try? Tensor(strings: strings, shape: shape)).map { .tensor($0) }
    }
    let made = try? Tensor.makeRaw(tensor.dataType, shape) { out in
      tensor.withUnsafeBytes { source in
        for index in out.indices { out[index] = source.isEmpty ? 0 : source[index % source.count] }
      }
    }
    return made.map { .tensor($0) }
  }
}

/// The least rank that the standard gives an input, where it is above 0.
enum LeastRanks {
  static func of(_ domain: String, _ name: String, input: Int) -> Int {
    guard domain.isEmpty else { return 0 }
    return table[name].flatMap { input < $0.count ? $0[input] : nil } ?? 0
  }

  private static let table: [String: [Int]] = [
    "Conv": [3, 3], "ConvInteger": [3, 3], "ConvTranspose": [3, 3], "DeformConv": [3, 3], "MaxPool": [3],
    "AveragePool": [3], "LpPool": [3], "MaxRoiPool": [4, 2], "RoiAlign": [4, 2, 1], "MatMul": [1, 1],
    "MatMulInteger": [1, 1], "Gemm": [2, 2], "DepthToSpace": [4], "SpaceToDepth": [4], "InstanceNormalization": [2],
    "BatchNormalization": [2], "LSTM": [3, 3, 3], "GRU": [3, 3, 3], "RNN": [3, 3, 3], "Trilu": [2], "Det": [2],
    "GatherND": [1, 1], "ScatterND": [1, 1], "Gather": [1], "GatherElements": [1, 1], "ScatterElements": [1, 1, 1],
    "Compress": [0, 1], "TopK": [1], "ReverseSequence": [2, 1], "EyeLike": [2], "NonMaxSuppression": [3, 3],
    "GridSample": [4, 4], "STFT": [2], "Col2Im": [3], "Concat": [1], "Split": [1], "Reshape": [0, 1], "Expand": [0, 1],
    "Tile": [0, 1], "Slice": [1, 1, 1],
  ]
}
