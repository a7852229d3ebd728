import PassKit
import Tensors
import TestSupport

/// Builds an ONNX file of any opset node by node. Values are names; nothing is inferred or checked here.
final class GraphWriter {
  let opset: Int
  /// The element type of activations and weights.
  let real: DataType
  var draw: Draw
  /// The order in which operands of commutative operators are written.
  private let operands: String
  private let constants: String
  private let shapes: String
  /// What may differ, of max|a|.
  var tolerance: Double
  private var graph = Wire()
  private var initializers = Wire()
  private var inputs = Wire()
  private var outputs = Wire()
  private var next = 0
  private var declared = Wire()
  /// Of the output, where it is not the optimizer's own choice.
  var maximumOpset: Int?
  var target: OptimizationOptions.Target?
  private(set) var feeds: [(name: String, tensor: Tensor)] = []

  /// Draws the axes that every family has: `opset`, `operands`, `constants`, `shapes`.
  init(_ draw: Draw, opsets: ClosedRange<Int>, real: DataType = .float) throws {
    self.draw = draw
    self.real = real
    tolerance = real == .float16 ? 1e-2 : 2e-4
    opset = try self.draw.pick("opset", opsets)
    operands = try self.draw.pick("operands", ["asWritten", "swapped", "mixed"])
    constants = try self.draw.pick("constants", ["initializer", "node", "mixed"])
    shapes = try self.draw.pick("shapes", opset >= 15 ? ["gather", "slice", "startEnd"] : ["gather", "slice"])
  }

  // MARK: Values

  private func fresh(_ stem: String) -> String {
    next += 1
    return "\(stem.lowercased())_\(next)"
  }

  func input(_ name: String, _ type: DataType, _ shape: [Size], _ tensor: Tensor) -> String {
    inputs.message(11, .value(name, type, shape))
    feeds.append((name, tensor))
    return name
  }

  /// A graph input of `real` elements in -1 ..< 1.
  func realInput(_ name: String, _ shape: [Size]) throws -> String {
    let dims = shape.map(\.value)
    return input(name, real, shape, try .of(draw.numbers(dims.reduce(1, *)), real, shape: dims))
  }

  func output(_ value: String, _ shape: [Size], _ type: DataType? = nil) {
    outputs.message(12, .value(value, type ?? real, shape))
  }

  /// States what a value in between is.
  func declare(_ value: String, _ shape: [Size]) { declared.message(13, .value(value, real, shape)) }

  func constant(_ tensor: Tensor) -> String {
    let name = fresh("c")
    let isNode = constants == "node" || (constants == "mixed" && draw.flip())
    if isNode {
      write("Constant", [], [.tensor("value", tensor)], [name])
    } else {
      initializers.message(5, .tensor(tensor, name: name))
    }
    return name
  }

  func scalar(_ value: Double, _ type: DataType? = nil) throws -> String {
    // torch writes scalars, keras and paddle often tensors of one element.
    constant(try .of([value], type ?? real, shape: draw.number(0...3) == 0 ? [1] : []))
  }

  func exactScalar(_ value: Double, _ type: DataType) throws -> String {
    constant(try .of([value], type, shape: []))
  }

  func ints(_ values: [Int], scalar: Bool = false) throws -> String {
    constant(try .of(values.map(Int64.init), .int64, shape: scalar ? [] : [values.count]))
  }

  func weight(_ shape: [Int], limit: Double = 0.7) throws -> String {
    constant(try .of(draw.numbers(shape.reduce(1, *), limit), real, shape: shape))
  }

  /// Weights around one, as those of norms are.
  func gamma(_ shape: [Int]) throws -> String {
    constant(try .of(draw.numbers(shape.reduce(1, *), 0.5).map { $0 + 1 }, real, shape: shape))
  }

  // MARK: Nodes

  private func write(_ type: String, _ inputs: [String], _ attributes: [Attr], _ outputs: [String]) {
    var node = Wire()
    for input in inputs { node.text(1, input) }
    for output in outputs { node.text(2, output) }
    node.text(3, "/" + (outputs.first ?? type))
    node.text(4, type)
    for attribute in attributes { node.message(5, attribute.wire) }
    graph.message(1, node)
  }

  func nodes(_ type: String, _ inputs: [String], _ attributes: [Attr] = [], outputs: Int) -> [String] {
    let names = (0..<outputs).map { _ in fresh(type) }
    write(type, inputs, attributes, names)
    return names
  }

  func node(_ type: String, _ inputs: [String], _ attributes: [Attr] = []) -> String {
    nodes(type, inputs, attributes, outputs: 1)[0]
  }

  /// A commutative operator, its operands in the order that was drawn.
  func pair(_ type: String, _ a: String, _ b: String) -> String {
    let isSwapped = operands == "swapped" || (operands == "mixed" && draw.flip())
    return node(type, isSwapped ? [b, a] : [a, b])
  }

  func add(_ a: String, _ b: String) -> String { pair("Add", a, b) }
  func mul(_ a: String, _ b: String) -> String { pair("Mul", a, b) }
  func sub(_ a: String, _ b: String) -> String { node("Sub", [a, b]) }
  func div(_ a: String, _ b: String) -> String { node("Div", [a, b]) }
  func matMul(_ a: String, _ b: String) -> String { node("MatMul", [a, b]) }

  func cast(_ a: String, _ type: DataType) -> String { node("Cast", [a], [.int("to", Int(type.rawValue))]) }
  func transpose(_ a: String, _ permutation: [Int]) -> String { node("Transpose", [a], [.ints("perm", permutation)]) }
  func concat(_ values: [String], axis: Int) -> String { node("Concat", values, [.int("axis", axis)]) }

  // MARK: Operators whose form the opset decides

  func unsqueeze(_ a: String, _ axes: [Int]) throws -> String {
    opset < 13 ? node("Unsqueeze", [a], [.ints("axes", axes)]) : node("Unsqueeze", [a, try ints(axes)])
  }

  func squeeze(_ a: String, _ axes: [Int]) throws -> String {
    opset < 13 ? node("Squeeze", [a], [.ints("axes", axes)]) : node("Squeeze", [a, try ints(axes)])
  }

  func softmax(_ a: String, axis: Int) -> String { node("Softmax", [a], [.int("axis", axis)]) }

  /// ReduceMean and its kin; `axis` counts from the front.
  func reduce(_ type: String, _ a: String, _ axes: [Int], keep: Bool = true) throws -> String {
    let isInput = type == "ReduceSum" ? opset >= 13 : opset >= 18
    let kept: [Attr] = keep && draw.flip() ? [] : [.int("keepdims", keep ? 1 : 0)]
    return isInput ? node(type, [a, try ints(axes)], kept) : node(type, [a], [.ints("axes", axes)] + kept)
  }

  func split(_ a: String, _ parts: [Int], axis: Int) throws -> [String] {
    let isEven = Set(parts).count == 1
    if opset < 13 {
      let sizes: [Attr] = isEven && draw.flip() ? [] : [.ints("split", parts)]
      return nodes("Split", [a], sizes + [.int("axis", axis)], outputs: parts.count)
    }
    if isEven && draw.flip() {
      let count: [Attr] = opset >= 18 ? [.int("num_outputs", parts.count)] : []
      return nodes("Split", [a], count + [.int("axis", axis)], outputs: parts.count)
    }
    return nodes("Split", [a, try ints(parts)], [.int("axis", axis)], outputs: parts.count)
  }

  /// `a[start:end:step]` along `axis`; nil is the end of the axis.
  func slice(_ a: String, _ start: Int, _ end: Int?, axis: Int, step: Int = 1) throws -> String {
    let end = end ?? draw.choose([Int(Int64.max), Int(Int32.max)])
    if opset < 10 && step == 1 {
      return node("Slice", [a], [.ints("starts", [start]), .ints("ends", [end]), .ints("axes", [axis])])
    }
    return try slice(a, try ints([start]), try ints([end]), axis: axis, step: step)
  }

  /// Likewise with computed bounds (1-D tensors of one element); from opset 10 on.
  func slice(_ a: String, _ start: String, _ end: String, axis: Int, step: Int = 1) throws -> String {
    var inputs = [a, start, end, try ints([axis])]
    if step != 1 || draw.flip() { inputs.append(try ints([step])) }
    return node("Slice", inputs)
  }

  func gather(_ a: String, _ index: Int, axis: Int) throws -> String {
    node("Gather", [a, try ints([index], scalar: true)], [.int("axis", axis)])
  }

  func dropout(_ a: String) throws -> String {
    if opset < 12 { return node("Dropout", [a], [.float("ratio", 0.1)]) }
    var inputs = [a, try exactScalar(0.1, .float)]
    if draw.flip() { inputs.append(constant(try .of([Int64(0)], .bool, shape: []))) }
    return node("Dropout", inputs)
  }

  func clip(_ a: String, _ low: Double, _ high: Double) throws -> String {
    if opset < 11 { return node("Clip", [a], [.float("min", Float(low)), .float("max", Float(high))]) }
    return node("Clip", [a, try exactScalar(low, real), try exactScalar(high, real)])
  }

  /// If: one value of two bodies, each of which reads what stands outside.
  func choice(
    _ condition: String, _ shape: [Size], then: () throws -> String, otherwise: () throws -> String
  ) throws -> String {
    func wire(_ body: () throws -> String) throws -> Wire {
      let outer = (graph, initializers)
      (graph, initializers) = (Wire(), Wire())
      defer { (graph, initializers) = outer }
      let value = try body()
      graph.text(2, "body")
      graph.append(initializers)
      graph.message(12, .value(value, real, shape))
      return graph
    }
    let bodies = [try wire(then), try wire(otherwise)]
    return node("If", [condition], [.graph("then_branch", bodies[0]), .graph("else_branch", bodies[1])])
  }

  // MARK: Shapes

  /// The size of an axis as int64[1].
  func dim(_ a: String, _ axis: Int) throws -> String {
    switch shapes {
    case "startEnd": return node("Shape", [a], [.int("start", axis), .int("end", axis + 1)])
    case "slice": return try slice(node("Shape", [a]), axis, axis + 1, axis: 0)
    default: return try unsqueeze(try gather(node("Shape", [a]), axis, axis: 0), [0])
    }
  }

  /// The size of an axis as an int64 scalar.
  func dimScalar(_ a: String, _ axis: Int) throws -> String {
    if shapes == "gather" { return try gather(node("Shape", [a]), axis, axis: 0) }
    return try squeeze(try dim(a, axis), [0])
  }

  /// A dimension of a Reshape's result.
  enum Part {
    case fixed(Int)
    /// The size of an axis of the reshaped tensor.
    case axis(Int, Size)
    /// The product of axes of the reshaped tensor and a factor.
    case product([Int], Size, Int)

    var size: Size {
      switch self {
      case .fixed(let value): Size(value)
      case .axis(_, let size): size
      case .product(_, let size, _): size
      }
    }
  }

  /// Reshape, its shape spelled as `style` says: constant, zero (0 and -1), or computed from the tensor's own shape.
  func reshape(_ a: String, _ parts: [Part], style: String) throws -> String {
    let isStatic = parts.allSatisfy { $0.size.symbol == nil }
    if style == "constant" && isStatic {
      var values = parts.map(\.size.value)
      if draw.flip() { values[draw.number(0...values.count - 1)] = -1 }
      return node("Reshape", [a, try ints(values)])
    }
    if style != "computed" {
      var values: [Int] = []
      var open = 0
      for (index, part) in parts.enumerated() {
        if case .axis(let axis, _) = part, axis == index, style == "zero" || part.size.symbol != nil {
          values.append(0)
        } else if part.size.symbol == nil {
          values.append(part.size.value)
        } else {
          values.append(-1)
          open += 1
        }
      }
      if open <= 1 {
        // torch likes -1 in the place of a batch or length whatever else is known.
        if open == 0, draw.flip(), let zero = values.firstIndex(of: 0) { values[zero] = -1 }
        return node("Reshape", [a, try ints(values)])
      }
    }
    let pieces = try parts.map { part in
      switch part {
      case .fixed(let value): return try ints([value])
      case .axis(let axis, _): return try dim(a, axis)
      case .product(let axes, _, let factor):
        var result = try factor == 1 ? dim(a, axes[0]) : mul(dim(a, axes[0]), ints([factor]))
        for axis in axes.dropFirst() { result = mul(result, try dim(a, axis)) }
        return result
      }
    }
    return node("Reshape", [a, concat(pieces, axis: 0)])
  }

  /// A shape from sizes, each fixed or read from an axis of a value.
  func shapeTensor(_ parts: [(size: Size, value: String, axis: Int)]) throws -> String {
    if parts.allSatisfy({ $0.size.symbol == nil }) { return try ints(parts.map(\.size.value)) }
    return concat(
      try parts.map { try $0.size.symbol == nil ? ints([$0.size.value]) : dim($0.value, $0.axis) }, axis: 0)
  }

  // MARK: The file

  var bytes: [UInt8] {
    var body = graph
    body.text(2, "spelling")
    var wire = Wire()
    wire.int(1, irVersion)
    wire.text(2, "spelling-runner")
    for part in [initializers, inputs, outputs, declared] { body.append(part) }
    wire.message(7, body)
    var imported = Wire()
    imported.text(1, "")
    imported.int(2, opset)
    wire.message(8, imported)
    return wire.bytes
  }

  private var irVersion: Int {
    switch opset {
    case ..<11: 4
    case 11: 6
    case 12...14: 7
    case 15...18: 8
    case 19...20: 9
    case 21...22: 10
    case 23: 11
    default: 12
    }
  }
}
