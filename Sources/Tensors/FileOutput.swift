#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file written beside its destination and renamed over it: an error leaves the destination as it was. A destination that is
/// no regular file (a pipe, /dev/null) is written directly.
package final class FileOutput {
  package let path: String
  /// Where the bytes lie until `commit`; nil where they go to the destination at once.
  package let temporary: String?
  private var descriptor: Int32
  package private(set) var position = 0

  package init(path: String) throws {
    var status = stat()
    let exists = stat(path, &status) == 0
    if exists && status.st_mode & S_IFMT == S_IFDIR { throw CameoError.system("\(path) is a folder") }
    if exists && status.st_mode & S_IFMT != S_IFREG {
      self.path = path
      temporary = nil
      descriptor = open(path, O_WRONLY | O_CLOEXEC)
    } else {
      // Through a link the file that it names is replaced, not the link.
      var target = path
      if exists, let resolved = realpath(path, nil) {
        target = String(cString: resolved)
        free(resolved)
      }
      self.path = target
      let split = target.utf8.lastIndex(of: UInt8(ascii: "/")).map { target.utf8.index(after: $0) } ?? target.startIndex
      var name = ""
      var opened: Int32 = -1
      for attempt in 0..<100 {
        name = "\(target[..<split]).\(target[split...]).\(getpid())-\(attempt).tmp"
        opened = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        if opened >= 0 || errno != EEXIST { break }
      }
      temporary = name
      descriptor = opened
      if opened >= 0 && exists { fchmod(opened, status.st_mode & 0o777) }
    }
    guard descriptor >= 0 else { throw CameoError.system("cannot write \(path): \(String(cString: strerror(errno)))") }
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    guard var base = bytes.baseAddress else { return }
    var rest = bytes.count
    while rest > 0 {
      let written = Self.system(descriptor, base, min(rest, 1 << 26))
      if written < 0 {
        if errno == EINTR { continue }
        throw CameoError.system("cannot write \(path): \(String(cString: strerror(errno)))")
      }
      base += written
      rest -= written
    }
    position += bytes.count
  }

  private static func system(_ descriptor: Int32, _ base: UnsafeRawPointer, _ count: Int) -> Int {
    #if canImport(Glibc)
      Glibc.write(descriptor, base, count)
    #elseif canImport(Musl)
      Musl.write(descriptor, base, count)
    #else
      Darwin.write(descriptor, base, count)
    #endif
  }

  package func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }
  package func write(_ tensor: Tensor) throws { try tensor.withUnsafeBytes { try write($0) } }

  /// Zeros up to `offset`.
  package func pad(to offset: Int) throws {
    while position < offset { try write([UInt8](repeating: 0, count: min(offset - position, 4096))) }
  }

  /// Puts the file in place.
  package func commit() throws {
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0 else { throw CameoError.system("cannot write \(path): \(String(cString: strerror(errno)))") }
    if let temporary, rename(temporary, path) != 0 {
      throw CameoError.system("cannot write \(path): \(String(cString: strerror(errno)))")
    }
    isCommitted = true
  }

  private var isCommitted = false

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if !isCommitted, let temporary { unlink(temporary) }
  }
}
