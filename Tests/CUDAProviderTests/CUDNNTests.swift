import TestSupport
import Testing

@testable import CUDAProvider

/// cuDNN's side, held against a library that stands in for it.
@Suite struct CUDNNTests {
  private func withLibrary<R>(_ body: (CUDNNSession) throws -> R) throws -> R {
    try withFolder { folder in
      let source = Repository.root.appending(path: "Tests/CUDAProviderTests/Fixtures/cudnn.c").path
      let built = try Command.run(
        "/usr/bin/env", "clang", "-shared", "-fPIC", source, "-o", folder + "/libcudnn-paper.so")
      #expect(built.status == 0, "\(built.error)")
      let libraries = CUDALibraries(
        folders: folder, driver: "libcuda-none.so", compiler: "libnvrtc-none.so", dnn: "libcudnn-paper.so")
      return try body(CUDNNSession(try libraries.dnn.get()))
    }
  }

  private func task(activation: Int = 1, isPlanar: Bool = false) -> ConvTask {
    let shape = ConvShape(
      batch: 2, groups: 1, channels: 64, filters: 32, input: [1, 8, 8], output: [1, 8, 8], kernel: [1, 1, 1],
      strides: [1, 1, 1], dilations: [1, 1, 1])
    var task = ConvTask(shape, .half)
    task.activation.code = activation
    task.bias = .input(2)
    task.added = .input(3)
    task.isPlanar = isPlanar
    return task
  }

  @Test func itsVersionIsTold() throws {
    try withLibrary { session in
      #expect(session.library.version == "9.19.7")
      #expect(session.library.path.hasSuffix("/libcudnn-paper.so"))
    }
  }

  @Test func plansWithinTheLimitComeInTheHeuristicsOrder() throws {
    try withLibrary { session in
      let plans = try CUDNNPlan.plans(session, for: task(), room: 4)
      #expect(plans.map(\.workspace) == [8192, 12288])
      #expect(try CUDNNPlan.plans(session, for: task(activation: 0), room: 1).count == 1)
      // A plan that is not written as text is made again.
      #expect(plans[0].text.isEmpty)
    }
  }

  @Test func whatItRefusesHasAReason() throws {
    try withLibrary { session in
      let swish = #expect(throws: (any Error).self) { try CUDNNPlan.plans(session, for: task(activation: 9), room: 1) }
      #expect("\(swish.map { "\($0)" } ?? "")" == "cuDNN refuses the graph: CUDNN_STATUS_NOT_SUPPORTED")
      for task in [task(activation: 4), task(isPlanar: true)] {
        #expect(throws: (any Error).self) { try CUDNNPlan.plans(session, for: task, room: 1) }
      }
    }
  }

  @Test func withoutItNothingIsMissing() throws {
    let libraries = CUDALibraries(driver: "libcuda-none.so", compiler: "libnvrtc-none.so", dnn: "libcudnn-none.so")
    let probe = CUDAProbe(libraries)
    #expect(probe.findings.last?.what == "cuDNN")
    #expect(probe.findings.last?.detail == "libcudnn-none.so is not there; own kernels compute convolutions")
    #expect(probe.obstacle?.contains("cudnn") == false)
  }
}
