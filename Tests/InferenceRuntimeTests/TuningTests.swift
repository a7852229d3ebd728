import CPUProvider
import GraphIR
import Tensors
import Testing

@testable import InferenceRuntime

#if canImport(Glibc)
  import Glibc
#endif

/// Copies its input in one of three ways that differ in nothing but the microseconds they take: by more than a processor is lent to others.
private final class ThreeForms: ExecutionProvider {
  let name = "three"
  let prepared = Mutex<[Int]>([])
  let delays: [UInt32]
  init(_ delays: [UInt32]) { self.delays = delays }

  func prepare(_ request: KernelRequest) throws -> PreparedKernel {
    guard request.node.is("Neg") else { throw Refusal("no kernel") }
    let form = request.choice("form", of: 3)
    prepared.withLock { $0.append(form) }
    let (delay, count) = (delays[form], request.inputs[0]?.count ?? 0)
    return PreparedKernel(
      SerialKernel("form \(form)") { call in
        usleep(delay)
        for index in 0..<count { call.output(0, Float.self)[index] = -call.input(0, Float.self)[index] }
      })
  }
}

@Suite struct TuningTests {
  private func graph(_ shape: [Int] = [2]) -> Graph {
    var graph = Graph()
    let x = graph.addValue(name: "x", type: .tensor(.float, shape.map { Dim($0) }))
    graph.addInput(x)
    let y = graph.addValue(name: "y")
    graph.addNode(OperatorName("Neg"), inputs: [x], outputs: [y])
    graph.setOutputs([y])
    return graph
  }

  private func kernel(_ provider: ThreeForms, _ tuning: Tuning?, shape: [Int] = [2]) throws -> String {
    var options = SessionOptions()
    options.threads = 1
    options.tuning = tuning
    let session = try Session(Model(graph: graph(shape)), providers: [provider], options: options)
    let x = try Tensor.of((0..<shape.reduce(1, *)).map { Float($0) }, .float, shape: shape)
    let y = try #require(session.run(["x": x])["y"]).elements(as: Float.self)
    #expect(y == (0..<shape.reduce(1, *)).map { -Float($0) })
    return try #require(session.plans.first?.assignments.first?.kernel)
  }

  @Test(arguments: [Tuning.Effort.quick, .full]) func theFastestFormIsTaken(_ effort: Tuning.Effort) throws {
    #expect(try kernel(ThreeForms([30_000, 100, 30_000]), Tuning(effort: effort)) == "form 1")
    #expect(try kernel(ThreeForms([30_000, 30_000, 100]), Tuning(effort: effort)) == "form 2")
    #expect(try kernel(ThreeForms([100, 30_000, 30_000]), Tuning(effort: effort)) == "form 0")
  }

  @Test func withoutTuningTheHeuristicServes() throws {
    #expect(try kernel(ThreeForms([30_000, 100, 100]), nil) == "form 0")
    #expect(try kernel(ThreeForms([30_000, 100, 100]), Tuning(effort: .cached)) == "form 0")
  }

  @Test func whatIsKnownIsNotMeasuredAgain() throws {
    let first = Tuning(effort: .quick)
    _ = try kernel(ThreeForms([30_000, 30_000, 100]), first)
    #expect(first.measurementCount == 3)
    for effort in [Tuning.Effort.cached, .quick, .full] {
      let second = Tuning(effort: effort, text: first.text)
      #expect(try kernel(ThreeForms([100, 100, 30_000]), second) == "form 2")
      #expect(second.measurementCount == 0)
      #expect(second.text == first.text)
    }
    // Another shape is another question.
    #expect(
      try kernel(ThreeForms([100, 30_000, 30_000]), Tuning(effort: .cached, text: first.text), shape: [3]) == "form 0")
  }

  @Test func linesThatAreNoEntryAreLeftOut() throws {
    let known = Tuning(effort: .quick)
    _ = try kernel(ThreeForms([30_000, 100, 30_000]), known)
    let broken = "\n\t\nno tab\na\tform\na\tform=x\nb\tform=-1\nc\tform=1\tmore\n" + known.text
    #expect(Tuning(effort: .cached, text: broken).text == known.text)
    // An option that the kernel does not have is the heuristic's.
    let beyond = known.text.replacing("form=1", with: "form=7")
    #expect(try kernel(ThreeForms([0, 0, 0]), Tuning(effort: .cached, text: beyond)) == "form 0")
  }

  /// Whatever tuning answers, a product is the same within rounding.
  @Test(arguments: [Precision.fp32, .bf16]) func everyAnswerGivesTheProduct(_ precision: Precision) throws {
    var graph = Graph()
    let x = graph.addValue(name: "x", type: .tensor(.float, [150, 96]))
    graph.addInput(x)
    let values = (0..<150 * 96).map { (index: Int) -> Float in Float((index &* 37) % 64) / 64 - 0.5 }
    let w = graph.addConstant(
      try .of(
        Array(values[0..<96 * 200 % values.count] + values).prefix(96 * 200).map { $0 }, .float, shape: [96, 200]),
      name: "w")
    let y = graph.addValue(name: "y")
    graph.addNode(OperatorName("MatMul"), inputs: [x, w], outputs: [y])
    graph.setOutputs([y])
    var expected: [Float] = []
    for cut in 0..<4 {
      for blas in 0..<2 {
        var options = SessionOptions()
        options.threads = 3
        options.precision = precision
        var answers = TuningAnswers()
        answers.options = ["cut": cut, "blas": blas]
        options.answers = answers
        let session = try Session(Model(graph: graph), providers: [CPUProvider()], options: options)
        let found = try #require(session.run(["x": .of(values, .float, shape: [150, 96])])["y"]).elements(
          as: Float.self)
        if expected.isEmpty { expected = found }
        #expect(zip(expected, found).allSatisfy { ($0 - $1).magnitude < 1e-4 })
      }
    }
  }

  /// A convolution is the same within rounding in all of its forms, and each is another kernel.
  @Test func everyAnswerGivesTheConvolution() throws {
    var graph = Graph()
    let x = graph.addValue(name: "x", type: .tensor(.float, [1, 18, 15, 24]))
    graph.addInput(x)
    let values = (0..<18 * 15 * 24).map { (index: Int) -> Float in Float((index &* 37) % 64) / 64 - 0.5 }
    let w = graph.addConstant(
      try .of(values.prefix(30 * 24 * 9).map { $0 * 2 }, .float, shape: [30, 24, 3, 3]), name: "w")
    let y = graph.addValue(name: "y")
    graph.addNode(
      OperatorName("ChannelsLastConv", domain: "ai.cameo"), inputs: [x, w], outputs: [y],
      attributes: [NamedAttribute("pads", .ints([1, 1, 1, 1]))])
    graph.setOutputs([y])
    var expected: [Float] = []
    var kernels: Set<String> = []
    for form in 0..<3 {
      var options = SessionOptions()
      options.threads = 2
      var answers = TuningAnswers()
      answers.options = ["filtering": form]
      options.answers = answers
      let session = try Session(Model(graph: graph), providers: [CPUProvider()], options: options)
      let given = ["x": try Tensor.of(values, .float, shape: [1, 18, 15, 24])]
      let found = try #require(session.run(given)["y"]).elements(as: Float.self)
      kernels.formUnion(session.plans.flatMap { $0.assignments.map(\.kernel) })
      if expected.isEmpty { expected = found }
      #expect(zip(expected, found).allSatisfy { ($0 - $1).magnitude < 1e-4 })
    }
    #expect(kernels.count == 3, "\(kernels)")
  }
}
