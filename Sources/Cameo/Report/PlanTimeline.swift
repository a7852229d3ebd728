import CPUProvider
public import GraphIR
public import InferenceRuntime
public import PassKit
import Tensors

extension MemoryTimeline {
  /// The picture of a plan that has been made.
  public init(_ memory: MemoryReport, signature: String) {
    self.init(
      peakBytes: memory.peakBytes, sumBytes: memory.sumBytes, lowerBound: memory.lowerBound,
      blocks: memory.blocks.map {
        Block(
          label: $0.label, offset: $0.offset, size: $0.size, first: $0.first, last: $0.last, isScratch: $0.isScratch)
      }, signature: signature)
  }

  /// Plans `model` on the CPU provider. Symbols without a binding take the values that verification ran with, else small ones
  /// that the plan accepts; the signature says which. nil where no choice can be planned.
  public static func plan(_ model: Model, bindings: [String: Int], verification: VerificationRecord? = nil)
    -> MemoryTimeline?
  {
    var bindings = bindings
    // "seed 1, b=2 p=5": the dimensions that the source is known to accept.
    for part in verification?.cases.first?.split(whereSeparator: { $0 == " " || $0 == "," }) ?? [] {
      if let equals = part.lastIndex(of: "="), let value = Int(part[part.index(after: equals)...]) {
        bindings[String(part[..<equals])] = bindings[String(part[..<equals])] ?? value
      }
    }
    var options = VerificationOptions()
    options.bindings = bindings
    let generator = InputGenerator(model.graph, options: options)
    guard let session = try? Session(model, providers: [CPUProvider()]) else { return nil }
    for choice in generator.assignments().prefix(24) {
      let dims = choice.mapValues { Dim($0) }
      var shapes: [String: [Int]] = [:]
      for input in model.graph.inputs {
        if let shape = model.graph[input].type?.substituting(dims).concreteShape {
          shapes[model.graph[input].name] = shape
        }
      }
      guard let plan = try? session.plan(inputs: shapes), plan.memory.peakBytes > 0 else { continue }
      let symbols = Set(model.graph.inputs.flatMap { model.graph[$0].type?.shape ?? [] }.flatMap(\.symbols))
      let signature = choice.filter { symbols.contains($0.key) }.sorted { $0.key < $1.key }.map {
        "\($0.key)=\($0.value)"
      }
      return MemoryTimeline(plan.memory, signature: signature.joined(separator: ", "))
    }
    return nil
  }
}
