public import GraphIR
import Operators
public import PassKit
import Quantization
public import Tensors

/// How an optimized model is held against its source.
public struct VerificationOptions: Sendable {
  /// Largest max|a-b| / max|a| per output; nil: 2e-4, or 1e-2 where an input, output or weight is of half precision.
  public var tolerance: Double?
  public var seeds = 2
  /// Values for symbols of the inputs; others are chosen small and pairwise different.
  public var bindings: [String: Int] = [:]
  /// Inputs to use instead of seeded ones, by name.
  public var inputs: [String: Value] = [:]
  /// No further case is begun after this many seconds.
  public var secondsLimit = 10.0
  /// Also check each change by itself, where it is made, against recorded values of the source.
  public var checksEachChange = false

  public init() {}
}

/// Runs a source model and candidates on the same seeded inputs through the portable evaluation.
///
/// Finds dimensions that the source accepts by itself: small ones first, multiples of 32 for convolutions, sums of two others
/// for lengths that must fit together. Where the source quantizes, an output may differ by four times what float32's own rounding makes
/// of it, see `RoundingSensitivity`.
public final class Verifier {
  private let source: Model
  private let options: VerificationOptions
  private let cases: [Case]
  private let tolerance: Double
  /// Beyond `tolerance`, by output: four times what float32's rounding does to a source that quantizes.
  private let rounding: [Double]

  private struct Case {
    let label: String
    let inputs: [Value?]
    let expected: [Value]
  }

  /// Evaluates the source once per case. Throws where no choice of dimensions lets it run.
  public init(source: Model, options: VerificationOptions) throws {
    self.source = source
    self.options = options
    let isHalf = source.graph.allValues.contains { id in
      let type = source.graph[id].type?.dataType
      return type == .float16 || type == .bfloat16
    }
    tolerance = options.tolerance ?? (isHalf ? 1e-2 : 2e-4)
    let generator = InputGenerator(source.graph, options: options)
    let start = ContinuousClock.now
    var cases: [Case] = []
    // Where nothing better is found: outputs that are empty, or not numbers, say little.
    var fallback: [Case] = []
    var failure: CameoError?
    search: for dims in generator.assignments() {
      for variant in generator.variants {
        for seed in 0..<max(1, options.seeds) {
          let elapsed = (ContinuousClock.now - start).milliseconds / 1e3
          if !cases.isEmpty && elapsed > options.secondsLimit / 2 { break search }
          // Each variant once with the first seed; the plain one with all.
          if seed > 0 && variant != generator.variants.first { continue }
          do {
            let inputs = try generator.inputs(dims, variant: variant, seed: UInt64(seed) + 1)
            let expected = try GraphEvaluator(source.graph, functions: source.functions).run(inputs)
            let text = dims.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
            let label = "seed \(seed + 1)" + (variant.isEmpty ? "" : ", \(variant)") + (text.isEmpty ? "" : ", \(text)")
            let sample = Case(label: label, inputs: inputs, expected: expected)
            if cases.isEmpty && !Verifier.tellsSomething(expected) {
              if fallback.isEmpty { fallback = [sample] }
              continue search
            }
            cases.append(sample)
          } catch let error as CameoError {
            if cases.isEmpty {
              failure = failure ?? error
              continue search
            }
          }
        }
      }
      break
    }
    if cases.isEmpty { cases = fallback }
    guard !cases.isEmpty else {
      throw (failure ?? CameoError.badInput("no inputs were found")).within(
        "verification: the source model does not run on seeded inputs")
    }
    self.cases = cases
    rounding = try Verifier.rounding(source, cases)
  }

  private static func rounding(_ source: Model, _ cases: [Case]) throws -> [Double] {
    var limits = [Double](repeating: 0, count: source.graph.outputs.count)
    guard RoundingSensitivity.quantizes(source) else { return limits }
    for (index, sample) in cases.enumerated() {
      let moved = try RoundingSensitivity.jittered(source, seed: UInt64(index) + 1)
      let results = try GraphEvaluator(moved.graph, functions: moved.functions).run(sample.inputs)
      for (output, (expected, found)) in zip(sample.expected, results).enumerated() {
        let difference = Closeness.between(expected, found).maxRel
        if difference.isFinite { limits[output] = max(limits[output], 4 * difference) }
      }
    }
    return limits
  }

  /// False where every output is empty or holds no finite number: a wrong model may give the same.
  private static func tellsSomething(_ outputs: [Value]) -> Bool {
    outputs.isEmpty
      || outputs.contains { value in
        guard let tensor = value.tensor else { return true }
        guard tensor.dataType.isFloatingPoint, let view = try? ElementView<Double>(tensor) else {
          return tensor.count > 0
        }
        return (0..<view.count).contains { view[$0].isFinite }
      }
  }

  /// What checks each change of a run of passes over the source. Runs the source once more per case, keeping its values.
  func changeVerifier() throws -> ChangeVerifier {
    let records = try cases.map { sample -> [ValueID: Value] in
      var record: [ValueID: Value] = [:]
      let evaluator = GraphEvaluator(source.graph, functions: source.functions)
      evaluator.observer = { node, value, found in
        if self.source.graph[node].region == .main { record[value] = found }
      }
      _ = try evaluator.run(sample.inputs)
      for (input, value) in zip(source.graph.inputs, sample.inputs) { record[input] = value }
      return record
    }
    return ChangeVerifier(
      records: records, functions: source.functions, tolerance: tolerance,
      quantizes: RoundingSensitivity.quantizes(source))
  }

  /// Holds `candidate` against the source on every case.
  public func check(_ candidate: Model) throws -> VerificationRecord {
    let start = ContinuousClock.now
    var worst = source.graph.outputs.map {
      VerificationRecord.Output(name: source.graph[$0].name, maxAbs: 0, maxRel: 0)
    }
    for sample in cases {
      let results: [Value]
      do {
        results = try GraphEvaluator(candidate.graph, functions: candidate.functions).run(sample.inputs)
      } catch {
        for index in worst.indices { worst[index].maxRel = .infinity }
        break
      }
      guard results.count == worst.count else {
        for index in worst.indices { worst[index].maxRel = .infinity }
        break
      }
      for (index, (expected, found)) in zip(sample.expected, results).enumerated() {
        let difference = Closeness.between(expected, found)
        worst[index].maxAbs = max(worst[index].maxAbs, difference.maxAbs)
        worst[index].maxRel = max(worst[index].maxRel, difference.maxRel)
      }
    }
    for index in worst.indices where rounding[index] > tolerance { worst[index].allowed = rounding[index] }
    return VerificationRecord(
      passed: worst.allSatisfy { $0.maxRel <= $0.allowed ?? tolerance }, tolerance: tolerance,
      cases: cases.map(\.label),
      outputs: worst,
      milliseconds: (ContinuousClock.now - start).milliseconds)
  }
}
