#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension Histogram {
  /// The range for which the distribution of the codes loses least information about that of the numbers: the least Kullback-Leibler
  /// divergence; nil where nothing was seen.
  ///
  /// Source: Migacz, 8-bit Inference with TensorRT, GPU Technology Conference 2017. For each candidate range, P is the distribution of
  /// what lies inside with everything outside added to the end bins, Q the one that is left when the bins of each code are joined and
  /// spread again over those of them that are not empty. Both sides of zero are taken, each with its own codes, so one-sided values and
  /// values of unlike sides are treated as they are and not folded to magnitudes. Zeros have a code of their own and are left out of both.
  /// Types of more codes than there are bins keep the whole range.
  public func entropy(for scheme: QuantizationScheme) -> ValueRange? {
    let codes = scheme.codes.count
    guard codes <= bins, count > zeros else { return range }
    let (below, above) = (Running(negative), Running(positive))
    // Fewer bins than codes would lose nothing but what is clipped.
    let isTwoSided = !negative.isEmpty && (range?.maximum ?? 0) > 0
    let least = scheme.isSymmetric ? codes / 2 : isTwoSided ? codes / 4 : codes
    return search(scheme, least: least) { low, high in
      if !scheme.isSymmetric && low + high < codes { return .infinity }
      let kept = ValueRange(Float(-Double(low) * binWidth), Float(Double(high) * binWidth))
      guard let parameters = try? QuantizationParameters(kept, scheme) else { return .infinity }
      let step = Double(parameters.scale) / binWidth
      let total = Double(count - zeros)
      return divergence(positive, above, high, step, total) + divergence(negative, below, low, step, total)
    }
  }

  /// Sums of counts, and of bins that are not empty, below each index.
  private struct Running {
    var counts: [UInt64] = [0]
    var filled: [Int] = [0]

    init(_ numbers: [UInt64]) {
      counts.reserveCapacity(numbers.count + 1)
      filled.reserveCapacity(numbers.count + 1)
      for number in numbers {
        counts.append(counts[counts.count - 1] + number)
        filled.append(filled[filled.count - 1] + (number > 0 ? 1 : 0))
      }
    }
  }

  /// The part of the divergence that one side has. `kept`: its bins inside, `step`: bins a code.
  private func divergence(_ counts: [UInt64], _ running: Running, _ kept: Int, _ step: Double, _ total: Double)
    -> Double
  {
    guard !counts.isEmpty else { return 0 }
    let outside = running.counts[counts.count] - running.counts[kept]
    if kept == 0 { return 0 }
    var sum = 0.0
    var begin = 0
    var code = 0.5
    while begin < kept {
      // The bins whose middle rounds to this code.
      let end = min(kept, max(begin + 1, Int((code * step).rounded())))
      code += 1
      let inside = running.counts[end] - running.counts[begin]
      let filled = running.filled[end] - running.filled[begin]
      let isLast = end == kept
      let isNew = isLast && outside > 0 && counts[kept - 1] == 0
      if inside > 0 || isNew {
        // P has what was clipped in its last bin, Q does not.
        let q = Double(inside) / Double(max(1, filled + (isNew ? 1 : 0)))
        for index in begin..<end {
          let p = Double(counts[index] + (index == kept - 1 ? outside : 0))
          if p > 0 { sum += p * log(p / max(q, 1e-4)) }
        }
      }
      begin = end
    }
    // Q sums to less than 1 by what was clipped: it is scaled up to a distribution.
    let mass = Double(running.counts[kept])
    return
      (sum + (mass > 0 ? Double(running.counts[counts.count]) * log(mass / Double(running.counts[counts.count])) : 0))
      / total
  }
}
