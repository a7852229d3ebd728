public import GraphIR
public import Tensors

/// How many multiply-adds the operators that sum products take: products, convolutions, attention, recurrences.
public enum Contraction {
  private static let names: Set<String> = [
    "MatMul", "MatMulInteger", "QLinearMatMul", "MatMulNBits", "FusedMatMul", "Gemm", "FusedGemm", "Conv", "FusedConv",
    "ConvInteger", "QLinearConv", "DeformConv", "ConvTranspose", "Attention", "MultiHeadAttention", "Einsum", "LSTM",
    "GRU",
    "RNN", "IntegerMatMul", "Float8MatMul", "IntegerConv", "ChannelsLastConv", "ChannelsLastConvTranspose", "NhwcConv",
    "NhwcFusedConv",
  ]

  /// True for products, convolutions, attention and recurrences.
  public static func isOne(_ node: Node) -> Bool { names.contains(node.type) }

  private static func product(_ dims: some Sequence<Dim>) -> Dim { dims.reduce(Dim(1), *) }

  /// Multiply-adds of a node for shapes of its inputs and outputs; nil where one that it needs is unknown, and for other nodes.
  public static func multiplyAdds(_ node: Node, inputs: [[Dim]?], outputs: [[Dim]?]) -> Dim? {
    func input(_ index: Int) -> [Dim]? { index < inputs.count ? inputs[index] : nil }
    guard let output = outputs.first ?? nil else {
      // Recurrences may leave out their first output.
      return ["LSTM", "GRU", "RNN"].contains(node.type) ? recurrence(input(0), input(1), input(2), node) : nil
    }
    switch node.type {
    case "MatMul", "MatMulInteger", "FusedMatMul", "QLinearMatMul", "IntegerMatMul", "Float8MatMul":
      guard let inner = input(0)?.last else { return nil }
      return product(output) * inner
    case "MatMulNBits":
      guard case .int(let inner) = node["K"] else { return nil }
      return product(output) * Dim(Int(inner))
    case "Gemm", "FusedGemm":
      guard let a = input(0), a.count == 2 else { return nil }
      var isTransposed = false
      if case .int(1) = node["transA"] { isTransposed = true }
      return product(output) * a[isTransposed ? 0 : 1]
    case "Conv", "FusedConv", "ConvInteger", "DeformConv", "ChannelsLastConv", "NhwcConv", "NhwcFusedConv":
      return convolution(output, weights: input(1))
    case "QLinearConv", "IntegerConv": return convolution(output, weights: input(3))
    case "ConvTranspose", "ChannelsLastConvTranspose":
      guard let data = input(0) else { return nil }
      return convolution(data, weights: input(1))
    case "Attention", "MultiHeadAttention": return attention(node, input, outputs)
    case "Einsum": return einsum(node, inputs)
    case "LSTM", "GRU", "RNN": return recurrence(input(0), input(1), input(2), node)
    default: return nil
    }
  }

  /// Every element of `image` meets one filter: weights / first dimension of weights.
  private static func convolution(_ image: [Dim], weights: [Dim]?) -> Dim? {
    guard let weights, weights.count > 2 else { return nil }
    return product(image) * product(weights.dropFirst())
  }

  /// Scores and values: batch * heads * queries * keys * (width of a key + width of a value).
  private static func attention(_ node: Node, _ input: (Int) -> [Dim]?, _ outputs: [[Dim]?]) -> Dim? {
    guard node.domain.isEmpty, let query = input(0), let key = input(1), let value = input(2) else { return nil }
    // present_key [batch, heads, keys, width] knows the keys of the past, too.
    let present = outputs.count > 1 ? outputs[1] : nil
    if query.count == 4, key.count == 4, value.count == 4 {
      let keys = present?[2] ?? key[2]
      return query[0] * query[1] * query[2] * keys * (query[3] + value[3])
    }
    guard query.count == 3, key.count == 3, value.count == 3, case .int(let heads) = node["q_num_heads"] else {
      return nil
    }
    var valueHeads = heads
    if case .int(let count) = node["kv_num_heads"] { valueHeads = count }
    guard valueHeads > 0 else { return nil }
    let keys = present.flatMap { $0.count == 4 ? $0[2] : nil } ?? key[1]
    let valueWidth = value[2].floorDiv(Dim(Int(valueHeads))) * Dim(Int(heads))
    return query[0] * query[1] * keys * (query[2] + valueWidth)
  }

  /// The product over all labels of the equation.
  private static func einsum(_ node: Node, _ inputs: [[Dim]?]) -> Dim? {
    guard case .string(let equation) = node["equation"] else { return nil }
    let left = equation.filter { $0 != " " }.split(separator: "-", omittingEmptySubsequences: false).first ?? ""
    let terms = left.split(separator: ",", omittingEmptySubsequences: false)
    guard terms.count == inputs.count, terms.count > 1 else { return terms.count == 1 ? 0 : nil }
    var labels: [Character: Dim] = [:]
    for (term, shape) in zip(terms, inputs) {
      guard let shape, !term.contains("."), term.count == shape.count else { return nil }
      for (label, dim) in zip(term, shape) where labels[label] == nil || labels[label] == 1 { labels[label] = dim }
    }
    return product(labels.values)
  }

  private static func recurrence(_ x: [Dim]?, _ w: [Dim]?, _ r: [Dim]?, _ node: Node) -> Dim? {
    guard let x, x.count == 3, let w, let r else { return nil }
    return x[0] * x[1] * (product(w) + product(r))
  }
}
