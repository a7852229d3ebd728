import Tensors

/// The head of a file of packed forms: who made it, for what, and where each form lies.
///
/// All numbers are little-endian. 8 bytes magic; the file's size, the head's size and the head's digest (of the head with 0 in
/// its place), 8 bytes each; then the body: version; providers, each with what its forms depend on; digest of the model; sizes of
/// the files that the model's constants lie in; digest of samples of the forms; the entries. Texts and lists start with a count of 4
/// bytes. Forms begin behind the head, at multiples of 64, of 4096 from 64 KiB on, and do not overlap.
struct PackHead: Equatable {
  struct Provider: Equatable {
    var name: String
    var packing: String
  }

  struct Entry: Equatable {
    /// Which constant: file number, byte offset, size.
    var file: Int
    var offset: Int
    var byteCount: Int
    var provider: String
    /// `PackForm.text`.
    var form: String
    /// The form's own place in this file.
    var place: Int
    var size: Int
  }

  static let magic: [UInt8] = Array("CAMEOPK1".utf8)
  /// Bytes before the body.
  static let fixed = 32
  static let sizeLimit = 256 << 20

  var fileSize = 0
  var version = ""
  var providers: [Provider] = []
  var modelDigest: UInt64 = 0
  var sourceSizes: [Int] = []
  var samplesDigest: UInt64 = 0
  var entries: [Entry] = []

  // MARK: Writing

  func encoded() -> [UInt8] {
    var bytes = PackHead.magic
    func number(_ value: UInt64) {
      for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(value >> shift & 255)) }
    }
    func number(_ value: Int) { number(UInt64(bitPattern: Int64(value))) }
    func count(_ value: Int) {
      for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(value >> shift & 255)) }
    }
    func text(_ value: String) {
      count(value.utf8.count)
      bytes += value.utf8
    }
    number(fileSize)
    number(0)
    number(0)
    text(version)
    count(providers.count)
    for provider in providers {
      text(provider.name)
      text(provider.packing)
    }
    number(modelDigest)
    count(sourceSizes.count)
    for size in sourceSizes { number(size) }
    number(samplesDigest)
    count(entries.count)
    for entry in entries {
      count(entry.file)
      for value in [entry.offset, entry.byteCount, entry.place, entry.size] { number(value) }
      text(entry.provider)
      text(entry.form)
    }
    PackHead.store(UInt64(bytes.count), at: 16, in: &bytes)
    PackHead.store(PackHead.digest(of: bytes), at: 24, in: &bytes)
    return bytes
  }

  private static func store(_ value: UInt64, at place: Int, in bytes: inout [UInt8]) {
    for index in 0..<8 { bytes[place + index] = UInt8(value >> (8 * index) & 255) }
  }

  /// Of a head whose own digest reads 0.
  static func digest(of bytes: [UInt8]) -> UInt64 {
    var digest = Digest64()
    bytes.withUnsafeBytes { digest.add($0) }
    return digest.value
  }

  /// Gives every entry its place, in order, and the file its size.
  mutating func layOut() {
    var end = encoded().count
    for index in entries.indices {
      let alignment = entries[index].size >= 64 << 10 ? 4096 : 64
      entries[index].place = (end + alignment - 1) / alignment * alignment
      end = entries[index].place + entries[index].size
    }
    fileSize = end
  }

  // MARK: Reading

  init() {}

  /// Throws `.badInput` where `file` breaks the format in any way.
  init(_ file: UnsafeRawBufferPointer) throws {
    guard file.count >= PackHead.fixed, file.prefix(8).elementsEqual(PackHead.magic) else {
      throw CameoError.badInput("it is no file of packed weights")
    }
    var fixed = Reader(UnsafeRawBufferPointer(rebasing: file[8..<PackHead.fixed]))
    fileSize = try fixed.number()
    let headSize = try fixed.number()
    let stated = try fixed.word()
    guard fileSize == file.count else {
      throw CameoError.badInput("it has \(file.count) bytes, \(fileSize) were written")
    }
    guard headSize >= PackHead.fixed, headSize <= min(file.count, PackHead.sizeLimit) else {
      throw CameoError.badInput("its head has \(headSize) bytes")
    }
    var head = Array(file[..<headSize])
    PackHead.store(0, at: 24, in: &head)
    guard PackHead.digest(of: head) == stated else { throw CameoError.badInput("its head is damaged") }

    var reader = Reader(UnsafeRawBufferPointer(rebasing: file[PackHead.fixed..<headSize]))
    version = try reader.text()
    for _ in 0..<(try reader.count(each: 8)) {
      providers.append(Provider(name: try reader.text(), packing: try reader.text()))
    }
    modelDigest = try reader.word()
    for _ in 0..<(try reader.count(each: 8)) { sourceSizes.append(try reader.number()) }
    samplesDigest = try reader.word()
    let count = try reader.count(each: 44)
    entries.reserveCapacity(count)
    var end = headSize
    for index in 0..<count {
      let file = try reader.small()
      var entry = Entry(
        file: file, offset: try reader.number(), byteCount: try reader.number(), provider: "", form: "",
        place: try reader.number(), size: try reader.number())
      entry.provider = try reader.text()
      entry.form = try reader.text()
      guard sourceSizes.indices.contains(file), entry.byteCount <= sourceSizes[file],
        entry.offset <= sourceSizes[file] - entry.byteCount
      else { throw CameoError.badInput("entry \(index) is of bytes that the model does not have") }
      guard entry.place % TensorStorage.alignment == 0, entry.place >= end, entry.size > 0, entry.place <= fileSize,
        entry.size <= fileSize - entry.place
      else {
        throw CameoError.badInput("entry \(index), bytes \(entry.place)..+\(entry.size), overlaps or lies outside")
      }
      end = entry.place + entry.size
      entries.append(entry)
    }
    guard reader.isAtEnd else { throw CameoError.badInput("its head goes on behind the last entry") }
  }

  private struct Reader {
    private let bytes: UnsafeRawBufferPointer
    private var place = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { place == bytes.count }

    private mutating func take(_ size: Int) throws -> UnsafeRawBufferPointer {
      guard size <= bytes.count - place else { throw CameoError.badInput("its head ends early") }
      defer { place += size }
      return UnsafeRawBufferPointer(rebasing: bytes[place..<place + size])
    }

    mutating func word() throws -> UInt64 {
      UInt64(littleEndian: try take(8).loadUnaligned(as: UInt64.self))
    }

    mutating func number() throws -> Int {
      let value = try word()
      guard value < 1 << 62 else { throw CameoError.badInput("the number \(value) in its head is no size") }
      return Int(value)
    }

    mutating func small() throws -> Int { Int(UInt32(littleEndian: try take(4).loadUnaligned(as: UInt32.self))) }

    /// A count of things that take at least `each` bytes.
    mutating func count(each: Int) throws -> Int {
      let count = try small()
      guard count <= (bytes.count - place) / each else { throw CameoError.badInput("its head ends early") }
      return count
    }

    mutating func text() throws -> String {
      let size = try small()
      return String(decoding: try take(size), as: UTF8.self)
    }
  }
}
