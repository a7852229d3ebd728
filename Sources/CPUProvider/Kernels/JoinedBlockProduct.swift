internal import CKernels
import InferenceRuntime
import Operators
import Tensors

/// ai.cameo.BlockMatMuls: few rows meet the panels of all its weights in one step.
enum JoinedBlockProduct {
  static func make(_ request: KernelRequest) throws -> PreparedKernel {
    let members = try request.blockMatMuls()
    let prepared = try members.map { member in
      try member.request.requireFloat([0, 2, 4])
      return try BlockProductKernels.product(member.request, BlockSource(blockMatMul: member.request), bias: 4)
    }
    let places = members.map(\.inputs)
    let kernels = prepared.compactMap { ($0.kernel as? BlockProductKernel).flatMap { $0.isPacked ? $0 : nil } }
    guard kernels.count == prepared.count, kernels.allSatisfy({ $0.readsRows(like: kernels[0]) }) else {
      return request.grouped(prepared, places)
    }
    return request.grouped(prepared, places, JoinedBlockProductKernel(kernels, places, threads: request.threads))
  }
}

/// The rows as the kernel reads them, once for all products, then panels of columns of one product after another.
private final class JoinedBlockProductKernel: Kernel, @unchecked Sendable {
  private struct Member {
    let weights: BlockWeights
    /// Its panels among all.
    let panels: Range<Int>
    let bias: Int?
  }

  private let members: ContiguousArray<Member>
  private let m: Int
  private let grain: Int

  init(_ kernels: [BlockProductKernel], _ places: [[Int?]], threads: Int) {
    var (members, panels): (ContiguousArray<Member>, Int) = ([], 0)
    for (kernel, places) in zip(kernels, places) {
      let end = panels + kernel.weights.panels
      members.append(Member(weights: kernel.weights, panels: panels..<end, bias: places[4]))
      panels = end
    }
    self.members = members
    m = kernels[0].m
    grain = kernels[0].grain(panels: panels, threads: threads)
    super.init("\(kernels[0].name), \(kernels.count) in one step")
  }

  override func run(_ call: KernelCall) {
    BlockProductKernel.packRows(self, call, m, members[0].weights)
    parallel(call, phase: 1, count: members[members.count - 1].panels.upperBound, grain: grain)
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    let rows = call.scratch.assumingMemoryBound(to: UInt8.self)
    if phase == 0 {
      var form = members[0].weights.form
      return ck_nbits_rows(rows, &form, call.input(0, Float.self), form.k, begin, end)
    }
    for (number, member) in members.enumerated() {
      let range = member.panels.clamped(to: begin..<end)
      guard !range.isEmpty else { continue }
      var form = member.weights.form
      let first = member.panels.lowerBound
      ck_nbits_run(
        &form, member.weights.base, rows, call.output(number, Float.self), form.n,
        member.bias.flatMap { call.optional($0, Float.self) }, 0, m, range.lowerBound - first, range.upperBound - first)
    }
  }
}
