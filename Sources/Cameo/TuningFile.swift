import InferenceRuntime
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// What tuning found out, kept in a file: text, one line for each operator with its shapes on a machine. A file of another version of
/// Cameo counts as empty, lines that are no entry are left out: nothing that it holds can do more than choose a slower kernel.
public enum TuningFile {
  private static let header = "# cameo tuning, \(CameoVersion.current)\n"
  private static let limit = 64 << 20

  /// `$CAMEO_TUNING`, else tuning.txt in the user's cache folder; nil where there is none.
  public static var standardPath: String? {
    func variable(_ name: String) -> String? {
      getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
    if let path = variable("CAMEO_TUNING") { return path }
    if let folder = variable("XDG_CACHE_HOME") { return folder + "/cameo/tuning.txt" }
    return variable("HOME").map { $0 + "/.cache/cameo/tuning.txt" }
  }

  /// What the file holds; nothing where there is no such file. Throws `.system` where it cannot be read.
  public static func load(_ path: String, effort: Tuning.Effort) throws -> Tuning {
    guard let file = fopen(path, "re") else {
      if errno == ENOENT || errno == ENOTDIR { return Tuning(effort: effort) }
      throw CameoError.system("cannot read \(path): \(String(cString: strerror(errno)))")
    }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count < limit {
      let count = fread(&buffer, 1, buffer.count, file)
      if count == 0 { break }
      bytes += buffer[0..<count]
    }
    if ferror(file) != 0 { throw CameoError.system("cannot read \(path)") }
    let text = String(decoding: bytes, as: UTF8.self)
    return Tuning(effort: effort, text: text.hasPrefix(header) ? String(text.dropFirst(header.count)) : "")
  }

  /// Writes what is known, with what others have written to the file meanwhile. Throws `.system`.
  public static func save(_ tuning: Tuning, to path: String) throws {
    for (index, character) in path.utf8.enumerated() where character == UInt8(ascii: "/") && index > 0 {
      mkdir(String(decoding: path.utf8.prefix(index), as: UTF8.self), 0o777)
    }
    let others = try load(path, effort: .cached)
    let merged = Tuning(effort: .cached, text: others.text + tuning.text)
    try ReportWriter.writeFile(header + merged.text, to: path)
  }
}
