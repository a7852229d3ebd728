import GraphIR
import Tensors

/// A classifier with support vectors: one decision for each pair of classes, as in LIBSVM.
struct MLVectorClassifier {
  let classes: Int
  let counts: [Int]
  let starts: [Int]
  let vectors: MLSupportVectors
  /// [classes - 1, vectors]
  let coefficients: [Double]
  let rho: [Double]
  /// Empty where no probabilities are asked for.
  let slopes: [Double]
  let offsets: [Double]
  let transform: MLTransform

  /// `counts` are not negative and add up to `total`, which is positive.
  init(_ attributes: AttributeReader, classes: Int, counts: [Int], total: Int, _ shape: MLRows) throws {
    guard classes >= 2, classes < 65536 else {
      throw CameoError.badInput("\(classes) class labels, 2 to 65535 were expected")
    }
    guard counts.count == classes else {
      throw CameoError.badInput("vectors_per_class has \(counts.count) entries, \(classes) were expected")
    }
    func numbers(_ name: String) throws -> [Double] { (try attributes.optionalFloats(name) ?? []).map { Double($0) } }
    let support = try numbers("support_vectors")
    guard support.count % total == 0, support.count / total == shape.features else {
      throw CameoError.badInput(
        "support_vectors has \(support.count) entries, \(total) vectors of \(shape.features) features were expected")
    }
    let pairs = classes * (classes - 1) / 2
    coefficients = try numbers("coefficients")
    let (needed, overflow) = total.multipliedReportingOverflow(by: classes - 1)
    guard !overflow, coefficients.count >= needed else {
      throw CameoError.badInput(
        "coefficients has \(coefficients.count) entries, \(classes - 1) rows of \(total) were expected")
    }
    rho = try numbers("rho")
    slopes = try numbers("prob_a")
    offsets = try numbers("prob_b")
    guard rho.count >= pairs else {
      throw CameoError.badInput("rho has \(rho.count) entries, \(pairs) were expected: one a pair of classes")
    }
    guard slopes.count == offsets.count, slopes.isEmpty || slopes.count >= pairs else {
      throw CameoError.badInput(
        "prob_a and prob_b have \(slopes.count) and \(offsets.count) entries, none or \(pairs) were expected")
    }
    self.classes = classes
    self.counts = counts
    var starts: [Int] = []
    var next = 0
    for count in counts {
      starts.append(next)
      next += count
    }
    self.starts = starts
    vectors = MLSupportVectors(kernel: try MLKernel(attributes), vectors: support, count: total)
    transform = try MLTransform(attributes)
  }

  /// Scores into `out` [rows, columns] and the class of each row into `choices`.
  func run(
    _ x: UnsafePointer<Double>, _ shape: MLRows, _ choices: MLChoices, columns: Int,
    into out: UnsafeMutablePointer<Double>
  ) throws {
    let pairs = classes * (classes - 1) / 2
    let matrices = slopes.isEmpty ? 0 : 2 * classes * classes
    try MemoryBudget.shared.check((matrices + pairs + classes) * MemoryLayout<Double>.stride)
    try vectors.forEachBlock(x, shape) { block, kernels in
      NNParallel.ranges(block.count, grain: max(1, 16384 / max(1, vectors.count * classes))) { range in
        let scratch = UnsafeMutablePointer<Double>.allocate(capacity: pairs + matrices)
        defer { scratch.deallocate() }
        var votes = [Int](repeating: 0, count: classes)
        for index in range {
          let row = block.lowerBound + index
          let scores = out + row * columns
          decide(kernels + index * vectors.count, into: scratch, &votes)
          var best = 0
          for i in 1..<classes where votes[i] > votes[best] { best = i }
          choices.base[row] = Int32(best)
          finish(scratch, pairs, scores)
        }
      }
    }
  }

  /// The decision value of each pair; counts the votes.
  private func decide(
    _ kernels: UnsafePointer<Double>, into decisions: UnsafeMutablePointer<Double>, _ votes: inout [Int]
  ) {
    for i in 0..<classes { votes[i] = 0 }
    var pair = 0
    for i in 0..<classes - 1 {
      for j in i + 1..<classes {
        var sum = rho[pair]
        let (mine, theirs) = ((j - 1) * vectors.count, i * vectors.count)
        for m in starts[i]..<starts[i] + counts[i] { sum += coefficients[mine + m] * kernels[m] }
        for m in starts[j]..<starts[j] + counts[j] { sum += coefficients[theirs + m] * kernels[m] }
        decisions[pair] = sum
        votes[sum > 0 ? i : j] += 1
        pair += 1
      }
    }
  }

  private func finish(_ scratch: UnsafeMutablePointer<Double>, _ pairs: Int, _ scores: UnsafeMutablePointer<Double>) {
    if slopes.isEmpty {
      if classes == 2 { return transform.applyPair(scratch[0], scores, isComplement: false) }
      for pair in 0..<pairs { scores[pair] = scratch[pair] }
      return transform.apply(scores, pairs)
    }
    let estimates = scratch + pairs
    var pair = 0
    for i in 0..<classes - 1 {
      for j in i + 1..<classes {
        let value = 1 - MLTransform.logistic(scratch[pair] * slopes[pair] + offsets[pair])
        let clamped = min(max(value, 1e-7), 1 - 1e-7)
        estimates[i * classes + j] = clamped
        estimates[j * classes + i] = 1 - clamped
        pair += 1
      }
    }
    MLPairwise.couple(estimates, classes, matrix: estimates + classes * classes, into: scores)
    transform.apply(scores, classes)
  }
}
