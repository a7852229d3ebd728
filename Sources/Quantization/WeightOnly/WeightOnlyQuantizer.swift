public import GraphIR
import Operators
public import PassKit
import Tensors

/// Writes constant weights in few bits and leaves the activations in float: the right operands of MatMul and Gemm, also
/// where they are Transposes of a constant, and tables that Gather takes rows from.
///
/// A weight is a matrix of output channels by depth; `WeightFormat` says what a number becomes and which of them share
/// a scale. The result is standard ONNX (`WeightWriter`), or, for the target ort, com.microsoft's operators
/// (`MicrosoftWeightWriter`). Weights that stay float are named with the reason. Time: round-to-nearest and HQQ
/// O(numbers), AWQ O(20 * 128 * depth^2) a layer, GPTQ O(rows * depth^2 + depth^3).
///
/// AWQ and GPTQ need the activations: run `observers(for:)` over a calibration set and hand in `statistics(_:)` of
/// them; ids are those of the graph that the pass is run on.
public struct WeightOnlyQuantizer: Pass {
  public let name = "QuantizeWeights"
  public let summary = "writes weights in 2 to 8 bits with a scale for each block, activations stay float"
  public let level = 1
  let options: WeightOnlyOptions
  let statistics: [ValueID: ActivationStatistics]
  let journal: WeightOnlyJournal?

  /// Throws `.unsupported` where the algorithm cannot make the format, `.badInput` for options out of range.
  public init(
    _ options: WeightOnlyOptions, statistics: [ValueID: ActivationStatistics] = [:], journal: WeightOnlyJournal? = nil
  ) throws {
    try options.check()
    self.options = options
    self.statistics = statistics
    self.journal = journal
  }

  /// The nodes whose weights can be quantized, in the graph's order, with the numbers that each weight holds.
  public static func candidates(in graph: Graph) -> [(node: NodeID, elements: Int)] {
    graph.allNodes.compactMap { id in
      (try? WeightSite.find(id, in: graph)).flatMap { $0 }.map { (id, $0.tensor.count) }
    }
  }

  /// New observers for what the algorithm has to know, by value; empty where it needs nothing.
  public func observers(for graph: Graph) -> [ValueID: [any ValueObserver]] {
    guard options.algorithm.needsActivations else { return [:] }
    var result: [ValueID: [any ValueObserver]] = [:]
    for id in graph.allNodes {
      guard let site = try? WeightSite.find(id, in: graph), let value = site.activation, result[value] == nil,
        case .format = options.choice(site), site.tensor.count >= options.minimumElements
      else { continue }
      result[value] = [GramObserver(), ChannelMoments(axis: -1)]
    }
    return result
  }

  /// What the observers have seen, by value; values without a sample are left out.
  public static func statistics(_ observers: [ValueID: [any ValueObserver]]) -> [ValueID: ActivationStatistics] {
    observers.compactMapValues { ActivationStatistics($0) }
  }

  public func run(_ context: PassContext) throws {
    var work = WeightOnlyRun(self, context)
    try work.run()
  }
}

/// One run of the pass.
struct WeightOnlyRun {
  private struct Job {
    let site: WeightSite
    let format: WeightFormat
  }

  /// Products that multiply the same value in the same graph.
  private struct Readers: Hashable {
    let value: ValueID
    let region: RegionID
  }

  /// A weight that is there already.
  private struct Written: Hashable {
    let weight: ValueID
    let isTransposed: Bool
    let format: WeightFormat
    let region: RegionID
    let activation: ValueID?
  }

  private let options: WeightOnlyOptions
  private let quantizer: WeightOnlyQuantizer
  private let context: PassContext
  private var written: [Written: ValueID] = [:]

  init(_ quantizer: WeightOnlyQuantizer, _ context: PassContext) {
    (self.quantizer, self.context, options) = (quantizer, context, quantizer.options)
  }

  mutating func run() throws {
    let jobs = context.graph.allNodes.compactMap { job($0) }
    var groups: [Readers: [Job]] = [:]
    for job in jobs {
      guard let value = job.site.activation else { continue }
      groups[Readers(value: value, region: context.graph[job.site.node].region), default: []].append(job)
    }
    var scaled: [Readers: ChannelScaling] = [:]
    for job in jobs {
      try within(context.graph.describe(job.site.node)) {
        guard let value = job.site.activation else { return try embed(job) }
        let readers = Readers(value: value, region: context.graph[job.site.node].region)
        if options.algorithm.scales, scaled[readers] == nil {
          scaled[readers] = try scaling(groups[readers] ?? [], of: value)
        }
        try quantize(job, scaled[readers])
      }
    }
  }

  /// What is to be done at a node; a refusal is noted.
  private func job(_ id: NodeID) -> Job? {
    do {
      guard let site = try WeightSite.find(id, in: context.graph), case .format(let format) = options.choice(site)
      else { return nil }
      guard site.tensor.count >= options.minimumElements else {
        throw Refusal("the weight has \(site.tensor.count) numbers, fewer than \(options.minimumElements)", at: id)
      }
      if !isMicrosoft(format, site) {
        var opset = WeightWriter.opset(format)
        if site.kind == .embedding, format.codeType.bitWidth == 8, format.encoding.isInteger { opset = 21 }
        guard context.mayEmit(opset: opset) else {
          throw Refusal("\(format.text) is written from opset \(opset) on", at: id)
        }
      }
      return Job(site: site, format: format)
    } catch let refusal as Refusal {
      context.refuse(quantizer.name, at: id, refusal)
    } catch {
      context.refuse(quantizer.name, at: id, Refusal("\(error)", at: id))
    }
    return nil
  }

  private func isMicrosoft(_ format: WeightFormat, _ site: WeightSite) -> Bool {
    context.options.target == .ort && MicrosoftWeightWriter.obstacle(format, site, context) == nil
  }

  /// AWQ's factors for all that read `value`, taken out of the value; identity where none help.
  private func scaling(_ jobs: [Job], of value: ValueID) throws -> ChannelScaling {
    guard let seen = quantizer.statistics[value], let first = jobs.first,
      let present = context.graph[first.site.node].input(0)
    else { return .none }
    var matrices: [(matrix: WeightMatrix, format: WeightFormat)] = []
    for job in jobs { matrices.append((try WeightSite.matrix(of: job.site), job.format)) }
    guard matrices.allSatisfy(\.matrix.hasOnlyFiniteNumbers),
      let factors = try ActivationScaling.factors(matrices, gram: seen.gram, magnitudes: seen.magnitudes)
    else { return .none }
    return try ChannelScaling.make(
      present, factors, readers: jobs.map(\.site.node), type: first.site.tensor.dataType, context, rule: quantizer.name)
  }

  private mutating func quantize(_ job: Job, _ scaling: ChannelScaling?) throws {
    let (site, format) = (job.site, job.format)
    var matrix = try WeightSite.matrix(of: site)
    guard matrix.hasOnlyFiniteNumbers else { return refuse(site, "the weight holds numbers that are not finite") }
    if options.algorithm.needsActivations, site.activation.flatMap({ quantizer.statistics[$0] }) == nil {
      refuse(site, "no activations were observed: its weight is rounded to nearest")
    }
    if let factors = scaling?.factors { matrix = matrix.scaled(by: factors) }
    let gram = site.activation.flatMap { quantizer.statistics[$0] }.map { scaling?.gram($0.gram) ?? $0.gram }
    let isMicrosoft = isMicrosoft(format, site)
    let key = Written(
      weight: site.weight, isTransposed: site.isTransposed, format: format, region: context.graph[site.node].region,
      activation: options.algorithm.needsActivations ? site.activation : nil)
    var change = GraphChange(rule: quantizer.name, covers: [], region: context.graph[site.node].region)
    if !isMicrosoft, let there = written[key] {
      replaceOperands(of: site, by: .existing(there), scaling, &change)
      try context.apply(change)
      return
    }
    let result = try rounded(matrix, format, gram, fractionalZeros: isMicrosoft && format.codeType.bitWidth < 8)
    note(site, format, matrix, result, gram)
    if isMicrosoft {
      let writer = MicrosoftWeightWriter(context: context, rule: quantizer.name)
      guard let data = scaling?.divided ?? context.graph[site.node].input(0) else { return }
      try writer.product(result, site, data: .existing(data), &change)
      try context.apply(change)
      return
    }
    let weight = try WeightWriter(context: context, rule: quantizer.name).product(result, &change)
    replaceOperands(of: site, by: weight, scaling, &change)
    try context.apply(change)
    if let value = context.graph[site.node].input(1) { written[key] = value }
  }

  private func replaceOperands(
    of site: WeightSite, by weight: GraphChange.Ref, _ scaling: ChannelScaling?, _ change: inout GraphChange
  ) {
    if let value = scaling?.divided { change.setInput(0, of: site.node, to: .existing(value)) }
    change.setInput(1, of: site.node, to: weight)
    if context.graph[site.node]["transB"] != nil { change.setAttribute("transB", of: site.node, to: .int(0)) }
  }

  private func rounded(
    _ matrix: WeightMatrix, _ format: WeightFormat, _ gram: [Float]?, fractionalZeros: Bool
  ) throws -> QuantizedMatrix {
    let algorithm = options.algorithm
    if algorithm == .hqq {
      return try HalfQuadratic.quantize(matrix, format, fractionalZeros: fractionalZeros)
    }
    if algorithm.roundsInTurn, let gram {
      let settings = OptimalRounding.Options(
        damping: options.damping, ordersByActivation: options.ordersByActivation)
      return try OptimalRounding.quantize(matrix, format, gram: gram, settings)
    }
    let diagonal = gram.map { gram in (0..<matrix.depth).map { gram[$0 * (matrix.depth + 1)] } }
    let importance = algorithm == .awq ? diagonal : nil
    return try RoundToNearest.quantize(
      matrix, format, searches: options.searchesClipping || algorithm != .roundToNearest, importance: importance)
  }

  private func embed(_ job: Job) throws {
    let (site, format) = (job.site, job.format)
    let matrix = try WeightSite.matrix(of: site)
    guard matrix.hasOnlyFiniteNumbers else { return refuse(site, "the weight holds numbers that are not finite") }
    let result = try RoundToNearest.quantize(matrix, format, searches: options.searchesClipping)
    note(site, format, matrix, result, nil)
    if isMicrosoft(format, site) {
      try context.apply(MicrosoftWeightWriter(context: context, rule: quantizer.name).embedding(result, site))
    } else {
      try context.apply(WeightWriter(context: context, rule: quantizer.name).embedding(result, site))
    }
  }

  private func refuse(_ site: WeightSite, _ reason: String) {
    context.refuse(quantizer.name, at: site.node, Refusal(reason, at: site.node))
  }

  private func note(
    _ site: WeightSite, _ format: WeightFormat, _ matrix: WeightMatrix, _ result: QuantizedMatrix, _ gram: [Float]?
  ) {
    guard let journal = quantizer.journal else { return }
    let found = result.dequantized()
    var relative: Double?
    if let gram {
      let errors = zip(found, matrix.values).map { $0 - $1 }
      let (depth, limit) = (matrix.depth, ActivationScaling.sampledRows)
      let sample = WeightMatrix(type: matrix.type, depth: depth, values: errors).sampled(limit)
      let whole = matrix.sampled(limit)
      let noise = OutputError.squared(sample.values, rows: sample.rows, depth: depth, gram: gram)
      let signal = OutputError.squared(whole.values, rows: whole.rows, depth: depth, gram: gram)
      relative = signal > 0 ? noise / signal : nil
    }
    journal.note(
      QuantizedWeight(
        node: site.node, label: context.graph.describe(site.node), format: format, rows: matrix.rows,
        depth: matrix.depth, bytesBefore: site.tensor.byteCount, bytesAfter: result.byteCount,
        signalToNoise: matrix.signalToNoise(of: found), relativeOutputError: relative))
  }
}
