import Quantization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How often a value's numbers occur, with the range that its codes reach; nothing where they were not counted.
enum HistogramPicture {
  private static let columns = 120
  private static let width = 480.0
  private static let height = 96.0

  static func svg(_ value: QuantizationReport.Value) -> String {
    let kept = value.parameters.range
    let low = Double(min(kept.minimum, value.observed.minimum))
    let high = Double(max(kept.maximum, value.observed.maximum))
    guard high > low, let histogram = value.histogram else { return "" }
    func x(_ number: Double) -> Double { (number - low) / (high - low) * width }
    let (left, right) = (x(Double(kept.minimum)), x(Double(kept.maximum)))
    var out =
      "<svg viewBox=\"0 0 \(HTMLText.pixels(width)) \(HTMLText.pixels(height + 14))\" width=\"\(HTMLText.pixels(width))\" "
      + "role=\"img\" aria-label=\"histogram of \(HTMLText.escape(value.name))\">"
      + "<rect x=\"\(HTMLText.pixels(left))\" y=\"0\" width=\"\(HTMLText.pixels(right - left))\" "
      + "height=\"\(HTMLText.pixels(height))\" style=\"fill:var(--accent2)\"/>"
    let counts = counts(histogram, low, high)
    let top = log(1 + (counts.max() ?? 0))
    var (inside, outside) = ("", "")
    let step = width / Double(columns)
    for (index, count) in counts.enumerated() where count > 0 {
      let tall = max(1, log(1 + count) / top * (height - 4))
      let place = Double(index) * step
      let bar =
        "M\(HTMLText.pixels(place)) \(HTMLText.pixels(height))v\(HTMLText.pixels(-tall))h\(HTMLText.pixels(step))v\(HTMLText.pixels(tall))z"
      if place + step > left - 1e-6 && place < right + 1e-6 { inside += bar } else { outside += bar }
    }
    out += "<path d=\"\(inside)\" style=\"fill:var(--accent)\"/>"
    if !outside.isEmpty { out += "<path d=\"\(outside)\" style=\"fill:var(--bad)\"/>" }
    let zero = x(0)
    out += "<path d=\"M\(HTMLText.pixels(zero)) 0V\(HTMLText.pixels(height))\" style=\"stroke:var(--edge);fill:none\"/>"
    out += "<text class=\"d\" x=\"0\" y=\"\(HTMLText.pixels(height + 12))\">\(Figures.short(low))</text>"
    out +=
      "<text class=\"d\" x=\"\(HTMLText.pixels(width))\" y=\"\(HTMLText.pixels(height + 12))\" text-anchor=\"end\">\(Figures.short(high))</text>"
    return out + "</svg>"
  }

  /// Numbers by column; each bin in the column of its middle. Zeros have a bin of no width.
  private static func counts(_ histogram: Histogram, _ low: Double, _ high: Double) -> [Double] {
    var result = [Double](repeating: 0, count: columns)
    func add(_ number: Double, _ count: UInt64) {
      let column = Int((number - low) / (high - low) * Double(columns))
      result[min(max(column, 0), columns - 1)] += Double(count)
    }
    for index in 0..<histogram.bins {
      let middle = (Double(index) + 0.5) * histogram.binWidth
      if histogram.positive[index] > 0 { add(middle, histogram.positive[index]) }
      if !histogram.negative.isEmpty, histogram.negative[index] > 0 { add(-middle, histogram.negative[index]) }
    }
    if histogram.zeros > 0 { add(0, histogram.zeros) }
    return result
  }
}
