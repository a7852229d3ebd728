internal import InferenceRuntime
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Compiled kernels in a folder: a file each, named by the digest of its key. The file holds the key too, so that two keys of one digest
/// cannot be taken for each other. A file that is cut short, damaged, or of another format counts as none. Processes may share the folder.
public struct KernelCache: Sendable {
  public let folder: String

  public init(folder: String) { self.folder = folder }

  /// cameo/cuda in `$XDG_CACHE_HOME`, else in ~/.cache; nil where there is neither.
  public static var standard: KernelCache? {
    func variable(_ name: String) -> String? {
      getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
    let base = variable("XDG_CACHE_HOME") ?? variable("HOME").map { $0 + "/.cache" }
    return base.map { KernelCache(folder: $0 + "/cameo/cuda") }
  }

  /// In front of key and image: the magic word, bytes of the key, bytes of the image, the image's digest. Little-endian words of 8 bytes.
  private static let magic: UInt64 = 0x3155_434f_454d_4143
  private static let headSize = 32
  /// A file over this is none of ours.
  private static let limit = 1 << 28

  func path(for key: String) -> String {
    let hex = String(Self.digest(Array(key.utf8)), radix: 16)
    return "\(folder)/\(String(repeating: "0", count: 16 - hex.count))\(hex).cubin"
  }

  private static func digest(_ bytes: [UInt8]) -> UInt64 {
    var digest = Digest64()
    bytes.withUnsafeBytes { digest.add($0) }
    return digest.value
  }

  /// nil where nothing is kept for the key.
  func image(for key: String) -> [UInt8]? {
    guard let bytes = Self.read(path(for: key)), bytes.count >= Self.headSize else { return nil }
    let words = bytes.withUnsafeBytes { raw in
      (0..<4).map { UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self)) }
    }
    let wanted = Array(key.utf8)
    guard words[0] == Self.magic, words[1] == UInt64(wanted.count),
      words[2] == UInt64(bytes.count - Self.headSize) &- words[1], words[2] <= UInt64(Self.limit),
      bytes[Self.headSize...].starts(with: wanted)
    else { return nil }
    let image = Array(bytes[(Self.headSize + wanted.count)...])
    return Self.digest(image) == words[3] ? image : nil
  }

  /// Writes beside, then renames: another process sees all or nothing. Throws `.system`.
  func keep(_ image: [UInt8], for key: String) throws {
    let path = path(for: key)
    for (index, character) in path.utf8.enumerated() where character == UInt8(ascii: "/") && index > 0 {
      mkdir(String(decoding: path.utf8.prefix(index), as: UTF8.self), 0o777)
    }
    let words = [Self.magic, UInt64(key.utf8.count), UInt64(image.count), Self.digest(image)]
    let output = try FileOutput(path: path)
    try output.write(words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) } })
    try output.write(Array(key.utf8))
    try output.write(image)
    try output.commit()
  }

  private static func read(_ path: String) -> [UInt8]? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var status = stat()
    guard fstat(fileno(file), &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      (0...limit).contains(Int(status.st_size))
    else { return nil }
    let size = Int(status.st_size)
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
      filled = buffer.baseAddress.map { fread($0, 1, size, file) } ?? 0
    }
    return bytes.count == size ? bytes : nil
  }
}
