import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The data files beside a model: each is resolved inside the model's folder and mapped once.
final class ExternalData {
  private let folder: String?
  private var files: [String: MappedFile] = [:]
  private var resolvedFolder: String?

  /// Paths of files that are not in their place yet, by location.
  private let staged: [String: String]

  /// `folder` is where the model file lies; nil refuses external data.
  init(folder: String?, staged: [String: String] = [:]) {
    self.folder = folder
    self.staged = staged
  }

  /// The bytes that `location`, `offset` and `length` name. Nothing is read.
  func storage(location: String, offset: Int, length: Int) throws -> TensorStorage {
    let file = try self.file(location)
    guard offset >= 0, length >= 0, offset <= file.byteCount, length <= file.byteCount - offset else {
      throw CameoError.badInput(
        "external data \(location) is too short: bytes \(offset)..+\(length) of \(file.byteCount) are asked for")
    }
    return try TensorStorage(file: file, offset: offset, byteCount: length)
  }

  func byteCount(location: String) throws -> Int { try file(location).byteCount }

  private func file(_ location: String) throws -> MappedFile {
    if let known = files[location] { return known }
    if let path = staged[location] {
      let file = try MappedFile(path: path)
      files[location] = file
      return file
    }
    guard let folder else {
      throw CameoError.badInput("external data \(location): the model was not read from a file, so it has no folder")
    }
    guard !location.isEmpty, !location.utf8.contains(0) else {
      throw CameoError.badInput("external data without a location")
    }
    guard location.utf8.first != UInt8(ascii: "/") else {
      throw CameoError.badInput("external data \(location): an absolute path is refused")
    }
    guard !location.split(separator: "/").contains("..") else {
      throw CameoError.badInput("external data \(location): a path with .. is refused")
    }
    let root = try resolvedFolder ?? Self.resolve(folder, as: "the model's folder \(folder)")
    resolvedFolder = root
    let path = try Self.resolve(root + "/" + location, as: "external data \(location)")
    guard path.hasPrefix(root == "/" ? "/" : root + "/") else {
      throw CameoError.badInput("external data \(location) leads outside the model's folder")
    }
    let file = try MappedFile(path: path)
    files[location] = file
    return file
  }

  private static func resolve(_ path: String, as what: String) throws -> String {
    guard let found = realpath(path, nil) else {
      throw CameoError.badInput("\(what) cannot be opened: \(String(cString: strerror(errno)))")
    }
    defer { free(found) }
    return String(cString: found)
  }
}
