import Cameo

#if canImport(Glibc)
  import Glibc
#endif

/// Standard output and error: results on the one, messages on the other.
enum Console {
  /// Prints a result.
  static func out(_ text: String, terminator: String = "\n") { write(text + terminator, to: STDOUT_FILENO) }

  /// Prints a message on standard error.
  static func note(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

  /// True where colours are wanted: a terminal, and no `NO_COLOR`.
  static let usesColor: Bool = isatty(STDOUT_FILENO) == 1 && !isSet("NO_COLOR") && !isDumb
  static let showsProgress: Bool = isatty(STDERR_FILENO) == 1 && !isDumb

  private static var isDumb: Bool { getenv("TERM").map { String(cString: $0) == "dumb" } ?? false }
  /// Set and not empty, as no-color.org says.
  private static func isSet(_ name: String) -> Bool { getenv(name).map { $0.pointee != 0 } ?? false }

  enum Style: String {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case cyan = "36"
  }

  static func styled(_ text: String, _ style: Style) -> String {
    usesColor ? "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m" : text
  }

  private static func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var sent = 0
      while sent < bytes.count, let base = bytes.baseAddress {
        let count = Glibc.write(descriptor, base + sent, bytes.count - sent)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { return }
        sent += count
      }
    }
  }

  /// A line on a terminal's standard error that says what is being done, rewritten in place; nothing elsewhere.
  struct Progress: Sendable {
    let isShown: Bool

    init(quiet: Bool) { isShown = Console.showsProgress && !quiet }

    func show(_ text: String) {
      if isShown { Console.write("\r\u{1b}[K\(text)", to: STDERR_FILENO) }
    }

    /// A bar for step `done` of `total`.
    func show(_ text: String, _ done: Int, of total: Int) {
      guard isShown, total > 0 else { return }
      let filled = min(20, 20 * done / total)
      show("\(String(repeating: "█", count: filled))\(String(repeating: "░", count: 20 - filled)) \(text)")
    }

    func clear() { if isShown { Console.write("\r\u{1b}[K", to: STDERR_FILENO) } }
  }
}
