#if canImport(Glibc)
  import Glibc
#endif

/// Numbers as reports and messages print them, the same in every locale.
public enum Figures {
  /// `digits` places after the point.
  public static func fixed(_ value: Double, _ digits: Int) -> String { format("%.\(digits)f", value) }

  /// Three significant digits, with an exponent where it is small or large: `1.2e-07`, `0.013`, `340`.
  public static func short(_ value: Double) -> String {
    if value == 0 { return "0" }
    if !value.isFinite { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
    return format(abs(value) < 1e-3 || abs(value) >= 1e6 ? "%.1e" : "%.3g", value)
  }

  /// `512 B`, `1.5 KiB`, `97.4 MiB`, `3.20 GiB`.
  public static func bytes(_ count: Int) -> String {
    var value = Double(count)
    if abs(value) < 1024 { return "\(count) B" }
    for unit in ["KiB", "MiB", "GiB"] {
      value /= 1024
      if abs(value) < 1024 || unit == "GiB" {
        return fixed(value, abs(value) < 10 ? 2 : 1) + " " + unit
      }
    }
    return "\(count) B"
  }

  /// Decimal units: `4.1 G`, `25.6 M`, `830 k`, `97`.
  public static func count(_ value: Int) -> String {
    let magnitude = Double(value.magnitude)
    if magnitude < 10_000 { return "\(value)" }
    for (scale, unit) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] where magnitude >= scale {
      let scaled = Double(value) / scale
      return fixed(scaled, abs(scaled) < 100 ? 1 : 0) + " " + unit
    }
    return "\(value)"
  }

  /// `0.85 ms`, `12.3 ms`, `1.24 s`.
  public static func milliseconds(_ value: Double) -> String {
    if value >= 10_000 { return fixed(value / 1000, 1) + " s" }
    if value >= 1000 { return fixed(value / 1000, 2) + " s" }
    return fixed(value, value < 1 ? 3 : value < 10 ? 2 : 1) + " ms"
  }

  /// `-38.2%`, `+0.4%`, `0%` of `after` against `before`.
  public static func change(_ before: Int, _ after: Int) -> String {
    if before == after { return "0%" }
    guard before != 0 else { return "new" }
    let percent = 100 * (Double(after) - Double(before)) / Double(before)
    if abs(percent) < 0.05 { return percent < 0 ? "-0.0%" : "+0.0%" }
    return (percent > 0 ? "+" : "") + fixed(percent, abs(percent) < 10 ? 1 : 0) + "%"
  }

  /// `98.25 %`, `0.004 %`: a share of 1.
  public static func share(_ value: Double) -> String {
    let percent = value * 100
    return
      (percent == 0 || abs(percent) >= 1
      ? fixed(percent, percent == percent.rounded() ? 0 : 2) : format("%.2g", percent)) + " %"
  }

  private static func format(_ format: String, _ value: Double) -> String {
    var buffer = [CChar](repeating: 0, count: 64)
    _ = withVaList([value]) { vsnprintf(&buffer, buffer.count, format, $0) }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
