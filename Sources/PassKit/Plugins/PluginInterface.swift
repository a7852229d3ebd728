internal import CPlugin

/// What a plugin written in Swift and its host must have in common: the compiler, and the sources of PassKit and of the modules
/// below it, whose types have no stable layout. The build writes it (`Tools/InterfaceDigest`); every plugin carries that of the
/// modules that it was compiled against as bytes, so that it can be read before the library is loaded.
public enum PluginInterface {
  struct Parts: Equatable, CustomStringConvertible {
    let compiler: String
    let digest: String
    var description: String { "\(compiler), interface \(digest)" }
  }

  /// This build's.
  static let current = parts(in: "\(text)".utf8.dropFirst(prefix.utf8.count)) ?? Parts(compiler: "?", digest: "?")

  private static let prefix = "cameo-plugin-interface{"

  /// That of the library whose file holds `bytes`; nil where it carries none: it is no plugin written in Swift.
  static func find(in bytes: UnsafeRawBufferPointer) -> Parts? {
    var rest = bytes
    while let base = rest.baseAddress {
      guard let found = prefix.withCString({ cameo_find_bytes(base, rest.count, $0) }) else { return nil }
      let offset = found - base + prefix.utf8.count
      rest = UnsafeRawBufferPointer(rebasing: rest[offset...])
      if let parts = parts(in: rest.prefix(256)) { return parts }
    }
    return nil
  }

  /// "compiler|digest}" and whatever follows.
  private static func parts(in bytes: some Collection<UInt8>) -> Parts? {
    let text = bytes.prefix { $0 != UInt8(ascii: "}") && $0 >= 32 && $0 < 127 }
    guard text.count < bytes.count, bytes.dropFirst(text.count).first == UInt8(ascii: "}") else { return nil }
    let fields = text.split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false)
    guard fields.count == 2 else { return nil }
    return Parts(
      compiler: String(decoding: fields[0], as: UTF8.self), digest: String(decoding: fields[1], as: UTF8.self))
  }
}
