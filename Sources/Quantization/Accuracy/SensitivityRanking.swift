public import GraphIR
public import InferenceRuntime
import Tensors

/// What each node costs when it alone is quantized: at its own result and at the model's outputs.
///
/// Memory: two sessions, the outputs of all samples, and results of some nodes up to `keptBytes`.
public struct SensitivityRanking {
  public struct Entry: Sendable {
    public let node: NodeID
    /// The name of the node's result.
    public let value: String
    /// The result against the float model's, over all samples; nil where the quantized model has no value of that name.
    public let own: Closeness?
    /// The model's floating-point outputs, the one that lost most.
    public let outputs: Closeness
  }

  private let model: Model
  private let providers: [any ExecutionProvider]
  private let options: SessionOptions
  /// Samples that each variant runs on.
  public var samples = 4
  /// Results of the float model that are kept at once, in bytes; the float model runs once for each portion.
  public var keptBytes = 64 << 20

  /// `model`: the float model.
  public init(_ model: Model, providers: [any ExecutionProvider], options: SessionOptions = SessionOptions()) {
    self.model = model
    self.providers = providers
    self.options = options
  }

  /// The nodes by falling cost: least signal-to-noise ratio of the outputs first, equal ones in the order given.
  ///
  /// `quantizing` makes the model in which that node alone is quantized; nil: the node cannot be, and is left out. Each variant is
  /// prepared and run on `samples` samples. `progress`: nodes done, of all. Throws what a run throws, with node and sample.
  public func rank(
    _ nodes: [NodeID], over set: CalibrationSet, progress: ((Int, Int) -> Void)? = nil,
    quantizing: (NodeID) throws -> Model?
  ) throws -> [Entry] {
    var inputs: [CalibrationSample] = []
    try set.forEach(limit: samples) { inputs.append($0) }
    guard !inputs.isEmpty else { throw CameoError.badInput("there is no sample to rank on") }
    let results = nodes.map { model.graph[$0].output(0) }
    let float = try Session(model, providers: providers, options: tapping(Set(results.compactMap { $0 })))
    var sizes: [ValueID: Int] = [:]
    var expected: [[String: Value]] = []
    for sample in inputs {
      expected.append(
        try within(sample.name) {
          try float.run(values: sample.inputs) { sizes[$0, default: 0] += $1.byteCount }
        })
    }
    var entries: [Entry] = []
    var begin = 0
    while begin < nodes.count {
      var end = begin
      var bytes = 0
      while end < nodes.count {
        bytes += results[end].flatMap { sizes[$0] } ?? 0
        if end > begin && bytes > keptBytes { break }
        end += 1
      }
      let kept = try copies(of: Set(results[begin..<end].compactMap { $0 }), inputs)
      for index in begin..<end {
        let variant = try within(model.graph.describe(nodes[index])) { try quantizing(nodes[index]) }
        if let variant {
          entries.append(
            try within(model.graph.describe(nodes[index])) {
              try compare(nodes[index], results[index], variant, inputs, expected, kept)
            })
        }
        progress?(index + 1, nodes.count)
      }
      begin = end
    }
    return entries.enumerated().sorted { a, b in
      let (x, y) = (a.element.outputs.sqnrDecibel, b.element.outputs.sqnrDecibel)
      return x == y ? a.offset < b.offset : x < y
    }.map(\.element)
  }

  private func tapping(_ values: Set<ValueID>) -> SessionOptions {
    var options = options
    options.taps = values
    options.planCacheLimit = 1
    return options
  }

  /// The float model's values, by sample.
  private func copies(of values: Set<ValueID>, _ inputs: [CalibrationSample]) throws -> [[ValueID: Tensor]] {
    if values.isEmpty { return inputs.map { _ in [:] } }
    let session = try Session(model, providers: providers, options: tapping(values))
    return try inputs.map { sample in
      var kept: [ValueID: Tensor] = [:]
      _ = try within(sample.name) { try session.run(values: sample.inputs) { kept[$0] = try $1.copied() } }
      return kept
    }
  }

  private func compare(
    _ node: NodeID, _ result: ValueID?, _ variant: Model, _ inputs: [CalibrationSample], _ expected: [[String: Value]],
    _ kept: [[ValueID: Tensor]]
  ) throws -> Entry {
    let name = result.map { model.graph[$0].name } ?? ""
    let same = variant.graph.allValues.first {
      variant.graph[$0].name == name && variant.graph[$0].region == .main && !name.isEmpty
    }
    let session = try Session(variant, providers: providers, options: tapping(Set([same].compactMap { $0 })))
    var own = DifferenceSums()
    var outputs: [String: DifferenceSums] = [:]
    for (index, sample) in inputs.enumerated() {
      let found = try within(sample.name) {
        try session.run(values: sample.inputs) { _, tensor in
          if let result, let reference = kept[index][result] { own.add(reference, tensor) }
        }
      }
      for (name, value) in expected[index] {
        guard let reference = value.tensor, reference.dataType.isFloatingPoint, let tensor = found[name]?.tensor else {
          continue
        }
        outputs[name, default: DifferenceSums()].add(reference, tensor)
      }
    }
    let worst = outputs.sorted { $0.key < $1.key }.map(\.value.closeness).min { $0.sqnrDecibel < $1.sqnrDecibel }
    return Entry(node: node, value: name, own: same == nil ? nil : own.closeness, outputs: worst ?? Closeness())
  }
}

extension Tensor {
  /// The same elements in memory of their own.
  fileprivate func copied() throws -> Tensor {
    if dataType == .string { return self }
    return try Tensor.makeRaw(dataType, shape) { bytes in withUnsafeBytes { bytes.copyMemory(from: $0) } }
  }
}
