import Foundation
import InferenceRuntime
import Tensors
import TestSupport
import Testing

@testable import CUDAProvider

/// cuBLASLt's side, held against a library that stands in for it, and what is worked out without a device.
@Suite struct ProductLibraryTests {
  private func library(_ folder: String, _ flags: [String] = []) throws -> CUDALibraries {
    let source = Repository.root.appending(path: "Tests/CUDAProviderTests/Fixtures/cublaslt.c").path
    let place = folder + "/cublas/lib"
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
    let built = try Command.run(
      ["/usr/bin/env", "clang", "-shared", "-fPIC"] + flags + [source, "-o", place + "/libcublasLt-paper.so"])
    #expect(built.status == 0, "\(built.error)")
    // The folder given is another package's, beside which it lies.
    try FileManager.default.createDirectory(atPath: folder + "/nvrtc/lib", withIntermediateDirectories: true)
    return CUDALibraries(
      folders: folder + "/nvrtc/lib", driver: "libcuda-none.so", compiler: "libnvrtc-none.so",
      products: "libcublasLt-paper.so")
  }

  @Test func itIsFoundBesideOtherPackages() throws {
    try withFolder { folder in
      let libraries = try library(folder)
      let found = try libraries.products.get()
      #expect(found.version == "13.1.2")
      #expect(found.path.hasSuffix("/cublas/lib/libcublasLt-paper.so"))
      let error = try #require(throws: CameoError.self) { try found.check(15, "Matmul") }
      #expect("\(error)" == "cublasLtMatmul: CUBLAS_STATUS_NOT_SUPPORTED")
      #expect(throws: CameoError.self) { try found.check(7, "Matmul") }
      try found.check(0, "Matmul")
      let findings = CUDAProbe(libraries).findings.filter { $0.what == "cuBLASLt" }
      #expect(findings.map(\.isFound) == [true])
    }
  }

  @Test func anIncompleteOneIsNotTaken() throws {
    try withFolder { folder in
      guard case .failure(let error) = try library(folder, ["-DINCOMPLETE"]).products else {
        Issue.record("it was taken")
        return
      }
      #expect("\(error)" == "libcublasLt-paper.so has no cublasLtMatmul")
    }
  }

  /// What the library is told, in its own numbers: it counts columns first, so its A is our B.
  @Test(arguments: [
    (
      ProductProblem(
        form: ProductForm(m: 3, n: 32, k: 48, isBTurned: true), factors: .float8e4m3fn, rightFactors: .float8e5m2,
        result: .bfloat16, arithmetic: .float),
      "compute 68 scale 0; 3=1 4=0 7=1; type 28 48x3 by 48; type 29 48x32 by 48; type 14 32x3 by 32"
    ),
    (
      ProductProblem(
        form: ProductForm(m: 4, n: 16, k: 32, isBTurned: true, batch: 2, aStep: 128, bStep: 0, cStep: 64),
        factors: .float8e4m3fn, result: .float16, arithmetic: .float, epilogue: 6),
      "compute 68 scale 0; 3=1 4=0 7=6 8=256 26=2; type 28 32x4 by 32 5=2 6=128; type 28 32x16 by 32 5=2 6=0; type 2 16x4 by 16 5=2 6=64"
    ),
    (
      ProductProblem(form: ProductForm(m: 3, n: 5, k: 7), factors: .float, result: .float, arithmetic: .tf32),
      "compute 77 scale 0; 3=0 4=0 7=1; type 0 7x3 by 7; type 0 5x7 by 5; type 0 5x3 by 5"
    ),
  ]) func problemsAreDescribed(_ problem: ProductProblem, _ words: String) throws {
    try withFolder { folder in
      let found = try library(folder, ["-DRECORDS"]).products.get()
      let description = try ProductDescription(problem, found, bias: 256)
      let handle = try #require(dlopen(found.path, RTLD_NOW))
      let symbol = try #require(dlsym(handle, "recorded"))
      let recorded = unsafeBitCast(symbol, to: (@convention(c) () -> UnsafePointer<CChar>).self)
      withExtendedLifetime(description) { #expect(String(cString: recorded()) == words) }
    }
  }

  private var problem: ProductProblem {
    ProductProblem(
      form: ProductForm(m: 3, n: 5, k: 7, isBTurned: true), factors: .float16, result: .float, arithmetic: .float)
  }

  @Test func algorithmsAreRemembered() throws {
    try withFolder { folder in
      let file = folder + "/products"
      try Data("one\t\(problem.text)\t1 2 3 4 5 6 7 ff 4096\nnonsense\n".utf8).write(to: URL(fileURLWithPath: file))
      let memory = ProductMemory(folder: folder, machine: "one")
      let algorithm = try #require(memory.algorithm(for: problem))
      #expect(algorithm.workspaceBytes == 4096)
      var other = problem
      other.form.n = 6
      #expect(memory.algorithm(for: other) == nil)
      memory.keep(algorithm, for: other)
      #expect(memory.algorithm(for: other)?.workspaceBytes == 4096)
      #expect(try String(contentsOfFile: file, encoding: .utf8).hasSuffix("\t\(other.text)\t1 2 3 4 5 6 7 ff 4096\n"))
      #expect(ProductMemory(folder: folder, machine: "one").algorithm(for: other) != nil)
      #expect(ProductMemory(folder: folder, machine: "two").algorithm(for: problem) == nil)
      #expect(ProductMemory(folder: nil, machine: "one").algorithm(for: problem) == nil)
      for broken in ["1 2 3", "1 2 3 4 5 6 7 8 -1", "1 2 3 4 5 6 7 x 0"] {
        try Data("one\t\(problem.text)\t\(broken)\n".utf8).write(to: URL(fileURLWithPath: file))
        #expect(ProductMemory(folder: folder, machine: "one").algorithm(for: problem) == nil)
      }
    }
  }

  /// Every product of a broadcast batch, counted from the items, against broadcasting by its definition.
  @Test(arguments: [
    ([3], [3]), ([1], [4]), ([2, 1], [1, 3]), ([2, 3], [3]), ([4], [2, 3, 4]), ([2, 1, 4], [2, 3, 1]), ([], [5]),
    ([6], []),
    ([2, 3, 4], [2, 3, 4]), ([1, 3, 1], [2, 1, 4]),
  ]) func batchesAreBroadcast(_ a: [Int], _ b: [Int]) throws {
    var form = ProductForm(m: 2, n: 3, k: 5)
    let batches = try ProductBatches(a, b, &form)
    let rank = max(a.count, b.count)
    func padded(_ shape: [Int]) -> [Int] { [Int](repeating: 1, count: rank - shape.count) + shape }
    let shape = zip(padded(a), padded(b)).map { max($0, $1) }
    func steps(_ shape: [Int]) -> [Int] {
      let shape = padded(shape)
      return shape.indices.map { shape[$0] == 1 ? 0 : shape[($0 + 1)...].reduce(1, *) }
    }
    let (aSteps, bSteps) = (steps(a), steps(b))
    var expected: Set<[Int]> = []
    let count = shape.reduce(1, *)
    for index in 0..<count {
      var (rest, x, y) = (index, 0, 0)
      for axis in shape.indices.reversed() {
        x += rest % shape[axis] * aSteps[axis]
        y += rest % shape[axis] * bSteps[axis]
        rest /= shape[axis]
      }
      expected.insert([x * 10, y * 15, index * 6])
    }
    var found: Set<[Int]> = []
    for item in batches.items {
      for index in 0..<form.batch {
        found.insert([item.a + index * form.aStep, item.b + index * form.bStep, item.c + index * form.cStep])
      }
    }
    #expect(found == expected && form.batch * batches.items.count == count)
  }

  @Test func factorsAreMultipliedInOneType() throws {
    func words(_ a: DataType, _ b: DataType, _ precision: Precision) throws -> String {
      let (type, usesTF32) = try ProductBuilder.factors(a, b, precision)
      return usesTF32 ? "tf32" : type.name
    }
    #expect(try words(.float, .float, .fp32) == "float")
    #expect(try words(.float, .float, .tf32) == "tf32")
    #expect(try words(.float16, .float, .fp16) == "float16")
    #expect(try words(.float, .bfloat16, .bf16) == "bfloat16")
    #expect(try words(.float16, .float16, .fp32) == "float16")
    #expect(try words(.float16, .bfloat16, .fp32) == "float")
    #expect(try words(.int64, .int64, .fp16) == "int64")
    #expect(throws: Refusal.self) { try words(.double, .float, .fp32) }
    #expect(throws: Refusal.self) { try words(.int8, .int8, .fp32) }
  }
}
