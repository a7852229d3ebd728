import Cameo
import GraphIR
import Operators
import PassKit
import Quantization
import Tensors

/// Seeded numbers and small models for the tests of weight-only quantization.
struct Draw {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

  mutating func uniform() -> Float {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return Float(Int64((z ^ (z >> 31)) >> 40)) * 0x1p-23 - 1
  }

  /// About normally distributed.
  mutating func normal() -> Float { (0..<6).reduce(Float(0)) { sum, _ in sum + uniform() } * 0.7071 }

  mutating func normals(_ count: Int) -> [Float] { (0..<count).map { _ in normal() } }
}

enum WeightModels {
  /// The model of a text, with some inputs of the main graph replaced by constants.
  static func model(_ text: String, _ constants: [String: Tensor]) throws -> Model {
    var model = try ONNXText.parseModel(text)
    for input in model.graph.inputs {
      guard let tensor = constants[model.graph[input].name] else { continue }
      let constant = model.graph.addConstant(tensor)
      model.graph.replaceAllUses(of: input, with: constant)
    }
    model.graph.setInputs(model.graph.inputs.filter { constants[model.graph[$0].name] == nil })
    model.opsets = ["": 21]
    return model
  }

  static func product(_ weight: Tensor, rows: Int = 3) throws -> Model {
    let (k, n) = (weight.shape[0], weight.shape[1])
    let type = weight.dataType.name
    return try model(
      "g (\(type)[\(rows), \(k)] x, \(type)[\(k), \(n)] w) => (\(type)[\(rows), \(n)] y) { y = MatMul (x, w) }",
      ["w": weight])
  }

  static func quantize(
    _ model: Model, _ options: WeightOnlyOptions, statistics: [ValueID: ActivationStatistics] = [:],
    target: OptimizationOptions.Target = .onnx, opset: Int? = 25, journal: WeightOnlyJournal? = nil
  ) throws -> (model: Model, report: OptimizationReport) {
    var settings = OptimizationOptions()
    settings.target = target
    settings.maximumOpset = opset
    let pass = try WeightOnlyQuantizer(options, statistics: statistics, journal: journal)
    let result = try PassManager(stages: [.init([pass])], options: settings).run(model)
    if let failure = result.report.failures.first { throw CameoError(.invariant, failure) }
    return result
  }

  static func options(_ format: WeightFormat, _ edit: (inout WeightOnlyOptions) -> Void = { _ in }) -> WeightOnlyOptions
  {
    var options = WeightOnlyOptions(format)
    options.minimumElements = 1
    edit(&options)
    return options
  }

  static func run(_ model: Model, _ inputs: [Tensor]) throws -> [Float] {
    let values = try GraphEvaluator(model.graph).run(inputs.map { .tensor($0) })
    guard let tensor = values.first?.tensor else { return [] }
    return try tensor.elements(as: Float.self)
  }

  static func operators(_ model: Model) -> [String] {
    model.graph.allNodes.map { model.graph[$0].operatorName.description }
  }

  /// |a - b|^2 / |a|^2.
  static func relativeError(_ a: [Float], _ b: [Float]) -> Double {
    guard a.count == b.count else { return .infinity }
    var (signal, noise) = (0.0, 0.0)
    for (x, y) in zip(a, b) {
      signal += Double(x) * Double(x)
      noise += (Double(x) - Double(y)) * (Double(x) - Double(y))
    }
    return noise / signal
  }
}
