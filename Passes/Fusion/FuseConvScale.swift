import GraphIR
import Operators
import PassKit
import Tensors

/// Folds BatchNormalization and per-channel Mul, Div, Add, Sub with constants into the Conv or ConvTranspose around them.
///
/// Before: `BatchNormalization(Conv(x, W), s, b, m, v)` or `Add(Mul(Conv(x, W), {C,1,1}), {C,1,1})`. After: `Conv(x, W', B')`.
/// A BatchNormalization in front of an unpadded Conv folds likewise.
public enum FuseConvScale {
  public static let pass = RewritePass(
    "FuseConvScale", level: 2,
    summary: "folds BatchNormalization and per-channel scales and offsets into convolutions",
    rules: [After(), Before()])

  /// y = x * scale + offset per channel.
  struct Affine {
    var scale: [Double]
    var offset: [Double]
  }

  /// A convolution's constants, and what they may become.
  struct Convolution {
    let weight: Tensor
    let bias: Tensor?
    let isTransposed: Bool
    let group: Int

    init(_ id: NodeID, _ context: PassContext) throws {
      let node = context.graph[id]
      isTransposed = node.type == "ConvTranspose"
      guard let weight = context.graph.constant(node.input(1)), weight.rank >= 3 else {
        throw Refusal("the weights are not constant", at: id)
      }
      guard
        weight.dataType == .float || weight.dataType == .double || weight.dataType == .float16
          || weight.dataType == .bfloat16
      else { throw Refusal("the weights are \(weight.dataType)", at: id) }
      self.weight = weight
      if let input = node.input(2) {
        guard let bias = context.graph.constant(input) else { throw Refusal("the bias is not constant", at: id) }
        self.bias = bias
      } else {
        bias = nil
      }
      group = try AttributeReader(node).int("group", default: 1)
      let (channels, overflows) = weight.shape[1].multipliedReportingOverflow(by: group)
      guard group >= 1, !overflows, weight.count > 0, weight.shape[0] % group == 0 else {
        throw Refusal("the weights \(weight) do not fit \(group) groups", at: id)
      }
      guard bias.map({ $0.count == (isTransposed ? channels : weight.shape[0]) }) ?? true else {
        throw Refusal("the bias has not one number a channel", at: id)
      }
    }

    var outputChannels: Int { isTransposed ? weight.shape[1] * group : weight.shape[0] }

    /// Weights with output channel c scaled by scale[c].
    func scaledWeight(_ scale: [Double]) throws -> Tensor {
      let view = try ElementView<Double>(weight)
      let kernel = weight.shape[2...].reduce(1, *)
      let inner = weight.shape[1]
      let perGroup = max(1, weight.shape[0] / max(1, group))
      return try Tensor.make(weight.dataType, weight.shape, as: Double.self) { out in
        for first in 0..<weight.shape[0] {
          for second in 0..<inner {
            let channel = isTransposed ? (first / perGroup) * inner + second : first
            let base = (first * inner + second) * kernel
            for k in 0..<kernel { out[base + k] = view[base + k] * scale[channel] }
          }
        }
      }
    }
  }

  static let convolutions = ["Conv", "ConvTranspose"]

  /// The affine form of `id` acting on its `data` input with `channels` channels on axis 1; nil where it is none.
  static func affine(_ id: NodeID, data: ValueID, channels: Int, rank: Int, _ context: PassContext) throws -> Affine? {
    let node = context.graph[id]
    if node.type == "BatchNormalization" {
      guard node.input(0) == data else { return nil }
      if try AttributeReader(node).int("training_mode", default: 0) != 0 {
        throw Refusal("BatchNormalization is in training mode", at: id)
      }
      for extra in node.outputs.dropFirst() { if let extra, !context.graph[extra].uses.isEmpty { return nil } }
      let parameters = (1...4).map { context.graph.constant(node.input($0)) }
      guard parameters.allSatisfy({ $0?.count == channels }) else {
        throw Refusal("the parameters of BatchNormalization are not constant", at: id)
      }
      let values = try parameters.compactMap { try $0?.elements(as: Double.self) }
      let epsilon = Double(try AttributeReader(node).float("epsilon", default: 1e-5))
      let scale = (0..<channels).map { values[0][$0] / (values[3][$0] + epsilon).squareRoot() }
      return Affine(scale: scale, offset: (0..<channels).map { values[1][$0] - values[2][$0] * scale[$0] })
    }
    guard let a = node.input(0), let b = node.input(1), a != b else { return nil }
    let other = a == data ? b : a
    guard let tensor = context.graph.constant(other) else { return nil }
    if a != data && (node.type == "Div" || node.type == "Sub") { return nil }
    guard let values = perChannel(tensor, channels: channels, rank: rank) else { return nil }
    let ones = [Double](repeating: 1, count: channels)
    let zeros = [Double](repeating: 0, count: channels)
    switch node.type {
    case "Mul": return Affine(scale: values, offset: zeros)
    case "Div": return Affine(scale: values.map { 1 / $0 }, offset: zeros)
    case "Add": return Affine(scale: ones, offset: values)
    case "Sub": return Affine(scale: ones, offset: values.map { -$0 })
    default: return nil
    }
  }

  /// One number a channel, where the constant broadcasts along channels only.
  static func perChannel(_ tensor: Tensor, channels: Int, rank: Int) -> [Double]? {
    guard tensor.dataType.isFloatingPoint, tensor.rank <= rank, let values = try? tensor.elements(as: Double.self)
    else { return nil }
    if tensor.count == 1 { return [Double](repeating: values[0], count: channels) }
    guard tensor.count == channels, tensor.rank >= rank - 1 else { return nil }
    let axis = tensor.rank - (rank - 1)
    return tensor.shape.enumerated().allSatisfy { $0.offset == axis ? $0.element == channels : $0.element == 1 }
      ? values : nil
  }

  /// Conv, then affine.
  struct After: RewriteRule {
    let name = "ConvThenScale"
    let anchors = Set(["BatchNormalization", "Mul", "Div", "Add", "Sub"].map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      for input in node.inputs.prefix(2) {
        guard let input, let conv = context.graph.producer(input), context.graph[conv].domain.isEmpty,
          FuseConvScale.convolutions.contains(context.graph[conv].type), context.graph[conv].region == node.region
        else { continue }
        let isNorm = node.type == "BatchNormalization"
        // Two computed operands: a residual sum, not a scale.
        if !isNorm, node.inputs.prefix(2).allSatisfy({ $0.map { context.graph.constant($0) == nil } ?? true }) {
          return nil
        }
        let convolution = try Convolution(conv, context)
        let channels = convolution.outputChannels
        guard
          let affine = try FuseConvScale.affine(
            id, data: input, channels: channels, rank: convolution.weight.rank, context)
        else {
          return nil
        }
        guard context.graph.hasSingleUse(input) else {
          throw Refusal("the output of the convolution is also read elsewhere", at: conv)
        }
        guard let output = node.output(0) else { return nil }
        var change = GraphChange(rule: name, covers: [conv, id], isFusion: true)
        let bias = try convolution.bias?.elements(as: Double.self) ?? [Double](repeating: 0, count: channels)
        let newBias = (0..<channels).map { bias[$0] * affine.scale[$0] + affine.offset[$0] }
        let unscaled = affine.scale.allSatisfy { $0 == 1 }
        let source = context.graph[conv]
        let weight: GraphChange.Ref?
        if unscaled {
          weight = source.input(1).map { .existing($0) }
        } else {
          weight = change.constant(
            try convolution.scaledWeight(affine.scale),
            name: source.input(1).map { context.graph[$0].name + "_scaled" } ?? "")
        }
        let biasRef = change.constant(try .of(newBias, convolution.weight.dataType))
        change.replace(
          output,
          with: change.node(
            source.type, [source.input(0).map { .existing($0) }, weight, biasRef], source.attributes, name: source.name)
        )
        return change
      }
      return nil
    }
  }

  /// BatchNormalization, then an unpadded Conv.
  struct Before: RewriteRule {
    let name = "BatchNormalizationThenConv"
    let anchors: Set<OperatorName> = [OperatorName("Conv")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard let input = node.input(0), let norm = context.graph.producer(input),
        context.graph[norm].is("BatchNormalization"),
        context.graph[norm].region == node.region, let data = context.graph[norm].input(0), let output = node.output(0)
      else { return nil }
      let convolution = try Convolution(id, context)
      let weight = convolution.weight
      let channels = weight.shape[1] * convolution.group
      guard let affine = try FuseConvScale.affine(norm, data: data, channels: channels, rank: weight.rank, context)
      else { return nil }
      let attributes = AttributeReader(node)
      let isPadded =
        try attributes.optionalInts("pads")?.contains { $0 != 0 } ?? false
        || !["NOTSET", "VALID"].contains(try attributes.string("auto_pad", default: "NOTSET"))
      if isPadded && affine.offset.contains(where: { $0 != 0 }) {
        throw Refusal("the Conv pads with zeros, which the BatchNormalization in front would have shifted", at: id)
      }
      guard context.graph.hasSingleUse(input) else {
        throw Refusal("the output of BatchNormalization is also read elsewhere", at: norm)
      }
      let view = try ElementView<Double>(weight)
      let inner = weight.shape[1]
      let kernel = weight.shape[2...].reduce(1, *)
      let perGroup = max(1, weight.shape[0] / convolution.group)
      var bias = try convolution.bias?.elements(as: Double.self) ?? [Double](repeating: 0, count: weight.shape[0])
      let scaled = try Tensor.make(weight.dataType, weight.shape, as: Double.self) { out in
        for o in 0..<weight.shape[0] {
          for i in 0..<inner {
            let channel = o / perGroup * inner + i
            for k in 0..<kernel {
              let index = (o * inner + i) * kernel + k
              out[index] = view[index] * affine.scale[channel]
              bias[o] += view[index] * affine.offset[channel]
            }
          }
        }
      }
      var change = GraphChange(rule: name, covers: [norm, id], isFusion: true)
      let refs = [change.constant(scaled), change.constant(try .of(bias, weight.dataType))]
      change.replace(
        output, with: change.node("Conv", [.existing(data), refs[0], refs[1]], node.attributes, name: node.name))
      return change
    }
  }
}
