import GraphIR
import Operators
import PassKit
import Tensors

/// Scale and zero point of an 8-bit DequantizeLinear or QuantizeLinear, constants both.
struct QuantizedValue {
  let node: NodeID
  /// The integers: what a DequantizeLinear reads, what a QuantizeLinear writes.
  let data: ValueID
  let type: DataType
  let scale: ValueID
  /// Absent: 0.
  let zero: ValueID?
  let scales: [Float]
  let zeros: [Int]
  /// The axis that the scales go along where there are several.
  let axis: Int

  /// One scale and one zero point.
  var isPlain: Bool { scales.count == 1 && zeros.count <= 1 }

  /// What the float value `value` is dequantized from, in its reader's region; nil where a DequantizeLinear does not make it.
  /// `types`: integers that are taken.
  static func dequantized(
    _ value: ValueID?, in region: RegionID, _ context: PassContext, types: Set<DataType> = bytes
  ) throws -> QuantizedValue? {
    guard let value, let node = context.graph.producer(value), context.graph[node].is("DequantizeLinear"),
      context.graph[node].region == region, let data = context.graph[node].input(0)
    else { return nil }
    return try QuantizedValue(node, data, context, types: types)
  }

  static let bytes: Set<DataType> = [.uint8, .int8]

  /// nil where the integers are not of the given types, their scales are in blocks, or the floats are not of type float.
  init?(_ id: NodeID, _ data: ValueID, _ context: PassContext, types: Set<DataType> = bytes) throws {
    let node = context.graph[id]
    guard let type = context.dataType(data), types.contains(type), let scale = node.input(1),
      context.dataType(scale) == .float
    else { return nil }
    let reader = AttributeReader(node)
    guard try reader.int("block_size", default: 0) == 0 else { return nil }
    guard let factors = context.constant(scale), factors.rank <= 1 else {
      throw Refusal("the scale of \(node.type) is computed", at: id)
    }
    scales = try factors.elements(as: Float.self)
    guard scales.allSatisfy({ $0.isFinite && $0 > 0 }) else {
      throw Refusal("the scale of \(node.type) is no positive number", at: id)
    }
    zero = node.input(2)
    if let zero {
      guard let tensor = context.constant(zero) else {
        throw Refusal("the zero point of \(node.type) is computed", at: id)
      }
      zeros = try tensor.elements(as: Int64.self).map { Int($0) }
    } else {
      zeros = []
    }
    self.node = id
    self.data = data
    self.type = type
    self.scale = scale
    axis = try reader.int("axis", default: 1)
  }

  /// The zero point as an input that must be there.
  func zeroPoint(_ change: inout GraphChange) throws -> GraphChange.Ref {
    if let zero { return .existing(zero) }
    if scales.count == 1 { return change.constant(try Tensor.scalar(0, type)) }
    return change.constant(
      try Tensor.of([Int64](repeating: 0, count: scales.count), type, shape: [scales.count]))
  }

  /// Data, scale and zero point, as most operators take them.
  func triple(_ change: inout GraphChange) throws -> [GraphChange.Ref?] {
    [.existing(data), .existing(scale), try zeroPoint(&change)]
  }

  /// Refuses scales along an axis.
  func requirePlain() throws {
    guard isPlain else { throw Refusal("the scales go along an axis", at: node) }
  }

  /// Refuses other integers than `other`'s.
  func requireType(of other: QuantizedValue) throws {
    guard type == other.type else {
      throw Refusal("the integers are of the types \(type) and \(other.type)", at: node)
    }
  }
}

/// Weights of an integer product: 8-bit, one scale or one for each output channel, all of one zero point.
struct QuantizedWeights {
  let value: QuantizedValue

  /// `channelAxis` is the axis of the weights that counts output channels.
  init(_ value: QuantizedValue, channelAxis: Int, rank: Int) throws {
    if value.scales.count > 1 {
      let axis = value.axis < 0 ? value.axis + rank : value.axis
      guard axis == channelAxis else {
        throw Refusal("the scales of the weights go along axis \(value.axis), not the output channels", at: value.node)
      }
    }
    guard Set(value.zeros).count <= 1 else {
      throw Refusal("the weights have several zero points", at: value.node)
    }
    self.value = value
  }

  /// `bias` as int32 in steps of data scale * weight scale: the integers of its DequantizeLinear where its scale is that, else
  /// a constant rounded to it.
  func bias(
    _ bias: ValueID, data: QuantizedValue, channels: Int, at node: NodeID, _ context: PassContext,
    _ change: inout GraphChange
  ) throws -> GraphChange.Ref {
    let graph = context.graph
    let steps = (0..<channels).map {
      Double(data.scales[0]) * Double(value.scales[value.scales.count == 1 ? 0 : $0])
    }
    var numbers: [Double]?
    if let constant = graph.constant(bias), constant.shape.last == channels {
      numbers = try constant.elements(as: Double.self)
    } else if let source = graph.producer(bias), graph[source].is("DequantizeLinear"),
      let integers = graph.constant(graph[source].input(0)), integers.dataType == .int32,
      let scale = graph.constant(graph[source].input(1)), let given = graph[source].input(0), scale.rank <= 1,
      graph[source].input(2) == nil || context.uniform(graph[source].input(2)) == 0
    {
      let own = try scale.elements(as: Double.self)
      guard integers.count == channels, own.count == 1 || own.count == channels else {
        throw Refusal("the bias has not one number an output channel", at: node)
      }
      let isExact = steps.indices.allSatisfy {
        abs(own[own.count == 1 ? 0 : $0] - steps[$0]) <= 1e-6 * steps[$0]
      }
      if isExact { return .existing(given) }
      let whole = try integers.elements(as: Double.self)
      numbers = whole.indices.map { whole[$0] * own[own.count == 1 ? 0 : $0] }
    }
    guard let numbers, numbers.count == channels else {
      throw Refusal("the bias is no constant with one number an output channel", at: node)
    }
    let whole = zip(numbers, steps).map { ($0 / $1).rounded(.toNearestOrEven) }
    guard whole.allSatisfy({ abs($0) < 0x1p31 - 1 }) else {
      throw Refusal("the bias is too large for int32 in steps of the scales' product", at: node)
    }
    return change.constant(try Tensor.of(whole.map { Int64($0) }, .int32, shape: [channels]))
  }
}
