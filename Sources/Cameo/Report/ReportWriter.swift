import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// The forms in which a report is written.
public enum ReportFormat: String, Sendable, CaseIterable {
  case json
  case markdown = "md"
  case html

  /// By the path's extension. Throws `.badInput` for others.
  public init(path: String) throws {
    let name = path.split(separator: "/").last ?? ""
    let suffix = name.contains(".") ? name.split(separator: ".").last.map { $0.lowercased() } ?? "" : ""
    switch suffix {
    case "json": self = .json
    case "md", "markdown": self = .markdown
    case "html", "htm": self = .html
    default: throw CameoError.badInput("a report is .html, .json or .md, not \(path)")
    }
  }
}

/// Writes reports.
public enum ReportWriter {
  /// The report as text. The HTML form is one self-contained page that fetches nothing.
  public static func text(_ document: ReportDocument, _ format: ReportFormat) -> String {
    switch format {
    case .json: ReportJSON.document(document).text() + "\n"
    case .markdown: ReportMarkdown.text(document)
    case .html: HTMLReport.page(document)
    }
  }

  /// Writes the report in the form that the path's extension names: beside it first, then renamed.
  public static func write(_ document: ReportDocument, to path: String) throws {
    try writeFile(text(document, ReportFormat(path: path)), to: path)
  }

  /// Writes `text` to `path`; an error leaves no partial file. Throws `.system`.
  public static func writeFile(_ text: String, to path: String) throws {
    let temporary = "\(path).\(getpid()).part"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw CameoError.system("cannot write \(path): \(String(cString: strerror(errno)))")
    }
    var text = text
    let isWritten = text.withUTF8 { bytes in
      var sent = 0
      while sent < bytes.count, let base = bytes.baseAddress {
        let count = Glibc.write(descriptor, base + sent, bytes.count - sent)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { return false }
        sent += count
      }
      return true
    }
    let failure = errno
    guard close(descriptor) == 0, isWritten, rename(temporary, path) == 0 else {
      let reason = String(cString: strerror(isWritten ? errno : failure))
      unlink(temporary)
      throw CameoError.system("cannot write \(path): \(reason)")
    }
  }
}
