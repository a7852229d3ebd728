import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Folders, without Foundation.
package enum Folder {
  /// The names in a folder, sorted; nil where it is none.
  package static func files(_ path: String) -> [String]? {
    guard let folder = opendir(path) else { return nil }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  package static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Makes a folder where there is none. Throws `.system`.
  package static func make(_ path: String) throws {
    if isFolder(path) { return }
    guard mkdir(path, 0o755) == 0 else {
      throw CameoError.system("cannot make the folder: \(String(cString: strerror(errno)))").within("file \(path)")
    }
  }
}
