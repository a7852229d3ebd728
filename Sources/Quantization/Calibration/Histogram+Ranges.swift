extension Histogram {
  /// The range that `method` keeps, within what was seen; nil where nothing was. The moving average is the whole range here: a histogram
  /// does not know its samples.
  public func range(_ method: RangeMethod, for scheme: QuantizationScheme) -> ValueRange? {
    switch method {
    case .minmax, .moving: range
    case .percentile(let percent): percentile(percent, for: scheme)
    case .entropy: entropy(for: scheme)
    case .mse: leastError(for: scheme)
    }
  }

  /// The range that `percent` of the numbers other than zero lie in; nil where nothing was seen.
  ///
  /// Symmetric schemes: of their magnitudes. Others: the same share of what is left out lies beyond either end; where all numbers have
  /// one sign, all of it beyond the far end. Within a bin, numbers are taken to be spread evenly.
  public func percentile(_ percent: Double, for scheme: QuantizationScheme) -> ValueRange? {
    guard let range else { return nil }
    let inside = min(max(percent / 100, 0), 1)
    let all = Double(count - zeros)
    guard all > 0, inside < 1 else { return range }
    if scheme.isSymmetric || negative.isEmpty || range.maximum <= 0 {
      let both = Side(counts: (0..<bins).map { positive[$0] + (negative.isEmpty ? 0 : negative[$0]) }, width: binWidth)
      let end = both.quantile(inside * all)
      return ValueRange(max(range.minimum, -end), min(range.maximum, end))
    }
    // Beyond each end; a side that has fewer numbers than that is left out whole.
    let beyond = (1 - inside) / 2 * all
    let (low, high) = (Side(counts: negative, width: binWidth), Side(counts: positive, width: binWidth))
    return ValueRange(
      max(range.minimum, -low.quantile(low.total - beyond)), min(range.maximum, high.quantile(high.total - beyond)))
  }

  private struct Side {
    let counts: [UInt64]
    let width: Double
    var total: Double { Double(counts.reduce(0, +)) }

    /// Where `share` numbers, counted from zero on, end.
    func quantile(_ share: Double) -> Float {
      guard share > 0 else { return 0 }
      var below = 0.0
      for (index, number) in counts.enumerated() where number > 0 {
        let next = below + Double(number)
        if next >= share { return Float((Double(index) + (share - below) / Double(number)) * width) }
        below = next
      }
      return Float(Double((counts.lastIndex { $0 > 0 } ?? -1) + 1) * width)
    }
  }

  // MARK: Searching

  /// The range of whole bins for which `cost` (of bins kept below and above zero) is least, found by trying ends that lie a fixed ratio
  /// apart, then each bin around the best. Two sides of an affine scheme are searched in turn, twice.
  ///
  /// `least`: fewest bins that a side is cut to.
  func search(_ scheme: QuantizationScheme, least: Int, _ cost: (_ below: Int, _ above: Int) -> Double) -> ValueRange? {
    guard let range else { return nil }
    func used(_ counts: [UInt64]) -> Int { (counts.lastIndex { $0 > 0 } ?? -1) + 1 }
    let (below, above) = (used(negative), used(positive))
    guard max(below, above) > least else { return range }
    func best(_ all: Int, _ cost: (Int) -> Double) -> Int {
      guard all > least else { return all }
      var (found, foundCost) = (all, cost(all))
      func consider(_ end: Int) {
        let price = cost(end)
        if price < foundCost { (found, foundCost) = (end, price) }
      }
      var end = Double(all)
      var last = all
      var steps: [Int] = []
      while last > least {
        end *= 0.94
        let next = max(least, min(last - 1, Int(end)))
        steps.append(next)
        last = next
        if end < Double(next) - 1 { end = Double(next) }
      }
      steps.forEach(consider)
      let spread = max(1, found / 16)
      for offset in stride(from: -spread, through: spread, by: max(1, spread / 6)) where offset != 0 {
        let near = found + offset
        if near >= least && near < all { consider(near) }
      }
      return found
    }
    var (kept, keptAbove) = (below, above)
    if scheme.isSymmetric || below == 0 || above == 0 {
      let end = best(max(below, above)) { cost(min($0, below), min($0, above)) }
      (kept, keptAbove) = (min(end, below), min(end, above))
    } else {
      // Both by one factor first, so that neither side's outliers hold the other's cut up.
      let all = max(below, above)
      let end = best(all) { cost(max(1, $0 * below / all), max(1, $0 * above / all)) }
      (kept, keptAbove) = (max(1, end * below / all), max(1, end * above / all))
      for _ in 0..<2 {
        let other = kept
        keptAbove = best(above) { cost(other, $0) }
        let upper = keptAbove
        kept = best(below) { cost($0, upper) }
      }
    }
    let minimum = kept == below ? range.minimum : Float(-Double(kept) * binWidth)
    let maximum = keptAbove == above ? range.maximum : Float(Double(keptAbove) * binWidth)
    return ValueRange(max(range.minimum, minimum), min(range.maximum, maximum))
  }
}
