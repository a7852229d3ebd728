import GraphIR
import Tensors

/// TfIdfVectorizer: counts the n-grams of a pool in each row, skips allowed, and weighs them.
struct TfIdfVectorizer: Operator {
  let name = OperatorName("TfIdfVectorizer")

  func infer(_ context: inout InferenceContext) throws {
    let last = try context.attributes.ints("ngram_indexes").max() ?? -1
    guard last < 1 << 31 else {
      throw CameoError.badInput("attribute ngram_indexes holds \(last), less than 2^31 was expected")
    }
    let size = Dim(last + 1)
    guard let shape = context.shape(0) else { return context.set(0, .float, nil) }
    guard shape.count == 1 || shape.count == 2 else {
      throw CameoError.badInput("input 0 (X) has rank \(shape.count), 1 or 2 was expected")
    }
    context.set(0, .float, shape.count == 2 ? [shape[0], size] : [size])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let attributes = context.attributes
    let x = try context.tensor(0)
    let strings = try attributes.optionalStrings("pool_strings") ?? []
    let numbers = try attributes.optionalInts("pool_int64s") ?? []
    guard strings.isEmpty != numbers.isEmpty else {
      throw CameoError.badInput("one of pool_strings and pool_int64s is needed")
    }
    if strings.isEmpty {
      return [.tensor(try count(attributes, x, try x.ints(), pool: numbers))]
    }
    guard x.dataType == .string else {
      throw CameoError.badInput("input 0 is no tensor of strings, which was expected")
    }
    return [.tensor(try count(attributes, x, x.strings, pool: strings))]
  }

  private func count<T: Hashable>(_ attributes: AttributeReader, _ x: Tensor, _ values: [T], pool: [T]) throws -> Tensor
  {
    let starts = try attributes.ints("ngram_counts")
    let indexes = try attributes.ints("ngram_indexes")
    let shortest = try attributes.int("min_gram_length")
    let longest = try attributes.int("max_gram_length")
    let skips = try attributes.int("max_skip_count")
    let weights = try attributes.optionalFloats("weights") ?? []
    let mode = try attributes.string("mode")
    guard ["TF", "IDF", "TFIDF"].contains(mode) else {
      throw CameoError.badInput("attribute mode is \(mode); TF, IDF or TFIDF was expected")
    }
    guard x.rank <= 2, shortest >= 1, longest >= shortest, longest <= starts.count, skips >= 0,
      indexes.allSatisfy({ $0 >= 0 && $0 < 1 << 31 })
    else {
      throw CameoError.badInput(
        "n-grams of \(shortest) to \(longest) with \(skips) skips: 1 to \(starts.count) (ngram_counts) and no negative "
          + "number were expected")
    }
    // Each n-gram and the output it counts for.
    var grams: [[T]: [Int]] = [:]
    var number = 0
    for (place, start) in starts.enumerated() {
      let end = place + 1 < starts.count ? starts[place + 1] : pool.count
      let length = place + 1
      guard start >= 0, end >= start, end <= pool.count, (end - start) % length == 0 else {
        throw CameoError.badInput(
          "attribute ngram_counts is \(starts), ascending places in the pool of \(pool.count) were expected")
      }
      for first in stride(from: start, to: end, by: length) {
        guard number < indexes.count else {
          throw CameoError.badInput(
            "attribute ngram_indexes has \(indexes.count) entries, fewer than the pool has n-grams")
        }
        if length >= shortest && length <= longest {
          grams[Array(pool[first..<first + length]), default: []].append(number)
        }
        number += 1
      }
    }
    guard weights.isEmpty || weights.count == indexes.count else {
      throw CameoError.badInput(
        "attribute weights has \(weights.count) entries, \(indexes.count), one an n-gram, were expected")
    }
    let size = (indexes.max() ?? -1) + 1
    let rows = x.rank == 2 ? x.shape[0] : 1
    let columns = x.rank == 0 ? 1 : x.shape[x.rank - 1]
    // Weights by output place.
    try MemoryBudget.shared.check(size * MemoryLayout<Float>.stride, for: "the weights")
    var weight = [Float](repeating: 1, count: size)
    for (gram, output) in indexes.enumerated() where !weights.isEmpty { weight[output] = weights[gram] }
    return try Tensor.make(.float, x.rank == 2 ? [rows, size] : [size], as: Float.self) { out in
      for row in 0..<rows {
        let line = values[row * columns..<(row + 1) * columns]
        for length in shortest...longest {
          // One element has no gaps to skip over.
          for step in 1...(length == 1 ? 1 : min(skips, columns) + 1) {
            var first = 0
            while first + (length - 1) * step < columns {
              let gram = (0..<length).map { line[line.startIndex + first + $0 * step] }
              for hit in grams[gram] ?? [] { out[row * size + indexes[hit]] += 1 }
              first += 1
            }
          }
        }
        for i in row * size..<(row + 1) * size {
          switch mode {
          case "IDF": out[i] = out[i] > 0 ? weight[i - row * size] : 0
          case "TFIDF": out[i] *= weight[i - row * size]
          default: break
          }
        }
      }
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(TfIdfVectorizer(), to: $0) })
