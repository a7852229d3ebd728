import GraphIR
import Tensors

/// Packed forms of a model's weights in a file of their own, mapped: a session that is given one packs nothing that is there.
///
/// A form is found by where its constant lies in the model's file and by what the kernel asks for, never by a name. The file is
/// bound to the model, to the version that wrote it and to what its providers' forms depend on (`ExecutionProvider.packing`).
/// Like a model's it must not be truncated while it is in use.
public final class PackFile: Sendable {
  private struct Key: Hashable {
    let file: Int
    let offset: Int
    let provider: String
    let form: String
  }

  public let path: String
  private let file: MappedFile
  private let sources: SourceFiles
  private let places: [Key: (place: Int, size: Int)]
  private let notice: Mutex<(@Sendable (String) -> Void)?>

  /// Maps the file at `path` for `model` as it was read from its file, before anything changed it.
  ///
  /// `version` and `providers`: of the session that is to use it. `notice` is told once where a form is not as long as a kernel
  /// needs it; it is then made anew. Throws `.badInput` where the file is broken, `.unsupported` where it was made by or for
  /// something else, `.system` where it cannot be opened. Reads the head, the model's structure, and some kilobytes of each weight.
  public init(
    path: String, for model: Model, version: String, providers: [any ExecutionProvider],
    notice: (@Sendable (String) -> Void)? = nil
  ) throws {
    self.path = path
    self.notice = Mutex(notice)
    (file, sources, places) = try within("file \(path)") {
      let file = try MappedFile(path: path)
      let head = try PackHead(file.bytes)
      guard head.version == version else {
        throw CameoError.unsupported("it was made by version \(head.version), this is \(version)")
      }
      for provider in providers {
        guard let packing = provider.packing, let made = head.providers.first(where: { $0.name == provider.name }),
          made.packing != packing
        else { continue }
        throw CameoError.unsupported("it was made for \(made.packing); here is \(packing)")
      }
      guard let sources = SourceFiles(model) else {
        throw CameoError.unsupported("the model was not read from a file")
      }
      guard sources.files.map(\.byteCount) == head.sourceSizes, sources.digest(of: model) == head.modelDigest else {
        throw CameoError.unsupported("the model has changed since it was made")
      }
      let samples = head.entries.lazy.flatMap { Digest64.samples(of: $0.place..<$0.place + $0.size) }
      guard
        file.readingOnly(samples, { PackFile.samples(of: head.entries, in: file.bytes) }) == head.samplesDigest
      else {
        throw CameoError.badInput("its data are damaged")
      }
      var places: [Key: (place: Int, size: Int)] = [:]
      places.reserveCapacity(head.entries.count)
      for entry in head.entries {
        let key = Key(file: entry.file, offset: entry.offset, provider: entry.provider, form: entry.form)
        if places.updateValue((entry.place, entry.size), forKey: key) != nil {
          throw CameoError.badInput("it has the form \(entry.form) twice")
        }
      }
      return (file, sources, places)
    }
  }

  /// The form of `tensor`, which takes `byteCount` bytes; nil where it is not there.
  func storage(for tensor: Tensor, _ form: PackForm, byteCount: Int) throws -> TensorStorage? {
    guard let source = sources.place(of: tensor) else { return nil }
    let key = Key(file: source.file, offset: source.offset, provider: form.provider, form: form.text)
    guard let found = places[key] else { return nil }
    guard found.size == byteCount else {
      let tell = notice.withLock { notice in
        defer { notice = nil }
        return notice
      }
      tell?("file \(path): a form has \(found.size) bytes, it takes \(byteCount); it is made anew")
      return nil
    }
    return try TensorStorage(file: file, offset: found.place, byteCount: found.size)
  }

  /// A digest over samples of every form: holes that a copy left are seen.
  static func samples(of entries: [PackHead.Entry], in bytes: UnsafeRawBufferPointer) -> UInt64 {
    var digest = Digest64()
    for entry in entries {
      digest.sample(UnsafeRawBufferPointer(rebasing: bytes[entry.place..<entry.place + entry.size]))
    }
    return digest.value
  }

  // MARK: Writing

  /// Writes what `cache` holds of the constants that lie in `model`'s files. The bytes written.
  static func write(
    _ cache: PackCache, of model: Model, version: String, providers: [any ExecutionProvider], to output: FileOutput
  ) throws -> Int {
    guard let sources = SourceFiles(model) else { throw CameoError.unsupported("the model was not read from a file") }
    var head = PackHead()
    head.version = version
    head.providers = providers.compactMap { provider in
      provider.packing.map { PackHead.Provider(name: provider.name, packing: $0) }
    }
    head.modelDigest = sources.digest(of: model)
    head.sourceSizes = sources.files.map(\.byteCount)
    var forms: [TensorStorage] = []
    var samples = Digest64()
    for entry in cache.entries where !entry.form.provider.isEmpty && entry.packed.byteCount > 0 {
      guard let source = sources.place(of: entry.source) else { continue }
      head.entries.append(
        PackHead.Entry(
          file: source.file, offset: source.offset, byteCount: entry.source.byteCount, provider: entry.form.provider,
          form: entry.form.text, place: 0, size: entry.packed.byteCount))
      forms.append(entry.packed)
      samples.sample(UnsafeRawBufferPointer(start: entry.packed.base, count: entry.packed.byteCount))
    }
    head.samplesDigest = samples.value
    head.layOut()
    try output.write(head.encoded())
    for (entry, form) in zip(head.entries, forms) {
      try output.pad(to: entry.place)
      try output.write(UnsafeRawBufferPointer(start: form.base, count: form.byteCount))
    }
    return output.position
  }
}

extension Session {
  /// Writes the packed forms that this session has made of the weights of `model`, which it was made from as read from its file.
  /// The bytes written.
  package func writePacks(of model: Model, version: String, to output: FileOutput) throws -> Int {
    try PackFile.write(core.packs, of: model, version: version, providers: core.providers, to: output)
  }
}
