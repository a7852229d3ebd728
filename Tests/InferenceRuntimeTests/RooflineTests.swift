import GraphIR
import Operators
import Tensors
import Testing

@testable import InferenceRuntime

@Suite struct RooflineTests {
  private func work(_ text: String, _ inputs: [String: [Int]]) throws -> [String: StepWork?] {
    let session = try SessionTests.session(text)
    try session.prepare(inputs: inputs)
    let plan = try #require(session.plans.first)
    return Dictionary(uniqueKeysWithValues: plan.assignments.map { ($0.operatorName.name, $0.work) })
  }

  @Test func workFollowsFromTheShapesOfOperands() throws {
    let found = try work(
      """
      g (float[2, 3, 8] x, float[8, 5] w) => (float[2, 3, 5] y, float[2, 8, 3] t, float[2, 1, 8] part)
        <int64[1] first = {0}> {
        p = MatMul (x, w)
        y = Relu (p)
        t = Transpose <perm = [0, 2, 1]> (x)
        part = Gather <axis = 1> (x, first)
      }
      """, ["x": [2, 3, 8], "w": [8, 5]])
    let product = try #require(found["MatMul"] ?? nil)
    #expect(product.operations == 480)
    #expect(product.movedBytes == 472)
    #expect(product.constantBytes == 0)
    let relu = try #require(found["Relu"] ?? nil)
    #expect(relu.operations == 30)
    #expect(relu.bytes == 240)
    let transpose = try #require(found["Transpose"] ?? nil)
    #expect(transpose.operations == 0)
    #expect(transpose.bytes == 384)
    // Of what it picks from, Gather reads what it picks; the index is a constant.
    let gather = try #require(found["Gather"] ?? nil)
    #expect(gather.operations == 0)
    #expect(gather.movedBytes == 128)
    #expect(gather.constantBytes == 8)
  }

  @Test func weightsCountAsConstantBytes() throws {
    let found = try work(
      """
      g (float[4, 2] x) => (float[4, 3] y) <float[2, 3] w = {1, 2, 3, 4, 5, 6}> { y = MatMul (x, w) }
      """, ["x": [4, 2]])
    let product = try #require(found["MatMul"] ?? nil)
    #expect(product.operations == 48)
    #expect(product.constantBytes == 24)
    #expect(product.movedBytes == 80)
  }

  @Test func theRateOfReadsIsInterpolatedAndNeverRisesWithTheSize() {
    let ceilings = Ceilings(
      operationsPerSecond: 1e12,
      reads: [
        .init(bytes: 1 << 10, bytesPerSecond: 90), .init(bytes: 1 << 12, bytesPerSecond: 100),
        .init(bytes: 1 << 14, bytesPerSecond: 20),
      ])
    #expect(ceilings.bytesPerSecond(within: 16) == 100)
    #expect(ceilings.bytesPerSecond(within: 4096) == 100)
    #expect(ceilings.bytesPerSecond(within: 8192) == 60)
    #expect(ceilings.bytesPerSecond(within: 1_048_576) == 20)
    #expect(Ceilings(operationsPerSecond: 1, reads: []).bytesPerSecond(within: 1) == .infinity)
  }

  @Test func stepsAreHeldAgainstTheCeilingThatBinds() throws {
    let graph = try ONNXText.parseGraph("g (float[1] x) => (float[1] y) { y = Neg (x) }")
    let profile = Profile(Model(graph: graph))
    func event(_ label: String, _ kernel: String, _ microseconds: UInt64, _ work: StepWork?) -> Profile.Event {
      Profile.Event(
        label: label, operatorName: OperatorName(label), origins: Origins(), provider: "cpu", kernel: kernel,
        work: work,
        start: 1000, end: 1000 + microseconds * 1000)
    }
    let run = [
      event("Product", "gemm", 40, StepWork(operations: 2e7, constantBytes: 1000, movedBytes: 1000)),
      event("Sum", "add", 10, StepWork(operations: 1000, movedBytes: 500_000)),
      event("Loop", "loop", 1, nil),
    ]
    profile.add(run)
    profile.add(run)
    let roofline = Roofline(
      profile,
      ceilings: Ceilings(operationsPerSecond: 1e12, reads: [.init(bytes: 1 << 30, bytesPerSecond: 1e11)]), arenaBytes: 0
    )
    #expect(roofline.steps.map(\.name) == ["Product", "Sum", "Loop"])
    #expect(roofline.steps.map(\.calls) == [2, 2, 2])
    let (product, sum, loop) = (roofline.steps[0], roofline.steps[1], roofline.steps[2])
    #expect(abs((product.share ?? 0) - 0.5) < 1e-9 && !product.isBoundByMemory)
    #expect(abs(product.operationsPerSecond - 5e11) < 1e3)
    #expect(abs((sum.share ?? 0) - 0.5) < 1e-9 && sum.isBoundByMemory)
    #expect(abs(sum.bytesPerSecond - 5e10) < 1e3)
    #expect(loop.share == nil)
    #expect(roofline.kernels.count == 3)
    // One step of unknown work leaves the whole without a share.
    #expect(roofline.total.share == nil && roofline.total.calls == 6)
  }
}
