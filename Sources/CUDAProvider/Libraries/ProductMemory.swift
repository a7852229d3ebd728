internal import CCUDA
import InferenceRuntime
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The algorithms that were found fastest, in a file beside the compiled kernels: a line each, appended. Lines of other machines and such as are
/// no entry are left out; of two for one problem the later one counts.
final class ProductMemory: Sendable {
  private let path: String?
  private let machine: String
  private let known: Mutex<[String: ProductAlgorithm]>

  /// Without a folder nothing outlives the process.
  init(folder: String?, machine: String) {
    path = folder.map { $0 + "/products" }
    self.machine = machine.split(separator: "\t").joined(separator: " ")
    var table: [String: ProductAlgorithm] = [:]
    for line in path.flatMap(Self.text)?.split(separator: "\n") ?? [] {
      let fields = line.split(separator: "\t")
      if fields.count == 3, fields[0] == self.machine, let algorithm = Self.algorithm(fields[2]) {
        table[String(fields[1])] = algorithm
      }
    }
    known = Mutex(table)
  }

  func algorithm(for problem: ProductProblem) -> ProductAlgorithm? { known.withLock { $0[problem.text] } }

  /// A file that cannot be written is no error: the next process measures again.
  func keep(_ algorithm: ProductAlgorithm, for problem: ProductProblem) {
    known.withLock { $0[problem.text] = algorithm }
    guard let path, let file = fopen(path, "ae") else { return }
    defer { fclose(file) }
    let words = withUnsafeBytes(of: algorithm.algorithm) {
      $0.bindMemory(to: UInt64.self).map { String($0, radix: 16) }
    }
    // One call for a line: several processes may append.
    fputs("\(machine)\t\(problem.text)\t\((words + [String(algorithm.workspaceBytes)]).joined(separator: " "))\n", file)
  }

  private static func algorithm(_ text: Substring) -> ProductAlgorithm? {
    let words = text.split(separator: " ")
    guard words.count == 9, let bytes = Int(words[8]), bytes >= 0 else { return nil }
    var algorithm = cameo_cublaslt_algorithm()
    let isWhole = withUnsafeMutableBytes(of: &algorithm) { raw in
      for (index, word) in words.prefix(8).enumerated() {
        guard let value = UInt64(word, radix: 16) else { return false }
        raw.storeBytes(of: value, toByteOffset: 8 * index, as: UInt64.self)
      }
      return true
    }
    return isWhole ? ProductAlgorithm(algorithm: algorithm, workspaceBytes: bytes) : nil
  }

  private static func text(_ path: String) -> String? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count < 1 << 26 {
      let count = fread(&part, 1, part.count, file)
      if count == 0 { break }
      bytes += part[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Times algorithms on the device, one after the other, in memory of their own.
struct ProductTiming {
  private let library: ProductLibrary
  private let context: CUDAContext

  init(_ library: ProductLibrary, _ context: CUDAContext) { (self.library, self.context) = (library, context) }

  /// nil where there is no memory to try them in.
  func fastest(_ candidates: [ProductAlgorithm], _ problem: ProductProblem) throws -> ProductAlgorithm? {
    let form = problem.form
    func bytes(_ rows: Int, _ width: Int, _ step: Int, _ type: DataType) -> Int {
      ((form.batch - 1) * step + rows * width) * type.bitWidth / 8
    }
    let sizes = [
      bytes(form.m, form.k, form.aStep, problem.factors), bytes(form.k, form.n, form.bStep, problem.factors),
      bytes(form.m, form.n, form.cStep, problem.result), form.n * 8,
      candidates.map(\.workspaceBytes).max() ?? 0,
    ]
    guard let memory = try? sizes.map({ try context.memory(byteCount: max(256, $0)) }) else { return nil }
    let queue = try context.makeQueue()
    guard let queue = queue as? CUDAQueue else { return nil }
    // Small numbers of every type; zeros would run faster than what products meet.
    for (storage, size) in zip(memory, sizes) { try queue.fill(storage.address, 0x2b, byteCount: max(256, size)) }
    let operands = LibraryProduct.Operands(
      a: .int32(0), b: .int32(0), c: .int32(0), bias: problem.epilogue & CAMEO_CUBLASLT_BIAS != 0 ? memory[3] : nil)
    var best: (ProductAlgorithm, Double)?
    for candidate in candidates {
      let kernel = try LibraryProduct(
        problem, candidate, library, operands, items: [], alpha: 1, beta: problem.adds ? 1 : 0, workspace: 0)
      func run() throws {
        try kernel.put(
          memory[0].address, memory[1].address, memory[2].address, memory[2].address, memory[4].address, queue.stream)
      }
      guard (try? run()) != nil, let time = try milliseconds(queue, run) else { continue }
      if best.map({ time < $0.1 }) ?? true { best = (candidate, time) }
    }
    return best?.0
  }

  /// Of one call, the least of three rounds that take about half a millisecond each.
  private func milliseconds(_ queue: CUDAQueue, _ body: () throws -> Void) throws -> Double? {
    var (count, least): (Int, Double) = (2, .infinity)
    for round in 0..<4 {
      guard let begin = try queue.mark() else { return nil }
      for _ in 0..<count { try body() }
      guard let end = try queue.mark() else { return nil }
      try queue.finish()
      let each = queue.milliseconds(from: begin, to: end) / Double(count)
      if round == 0 { count = max(2, min(64, Int(0.5 / max(each, 0.001)))) } else { least = min(least, each) }
    }
    return least
  }
}
