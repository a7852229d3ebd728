public import Tensors

/// Reads and writes NumPy's .npy and .npz files.
///
/// Numbers of 1 KiB and more stay in the mapped file where they are stored as they are (little-endian, C order, in archives
/// uncompressed). Types that numpy lacks (bfloat16, float8, 4-bit ...) cannot be written.
public enum NumPyFile {
  /// The array of a .npy file. Strings (`U` and `S`) become a string tensor.
  public static func readArray(path: String) throws -> Tensor {
    try within("file \(path)") {
      let file = try MappedFile(path: path)
      return try array(.file(file), 0..<file.byteCount)
    }
  }

  /// The arrays of a .npz file in file order; names are without `.npy`.
  public static func readArchive(path: String) throws -> [(name: String, tensor: Tensor)] {
    try within("file \(path)") { try archive(.file(MappedFile(path: path))) }
  }

  public static func writeArray(_ tensor: Tensor, to path: String) throws {
    try within("file \(path)") {
      let output = try FileOutput(path: path)
      for piece in try pieces(of: tensor) { try output.write(piece) }
      try output.commit()
    }
  }

  /// Writes the arrays uncompressed. Names are unique.
  public static func writeArchive(_ arrays: [(name: String, tensor: Tensor)], to path: String) throws {
    try within("file \(path)") { () throws -> Void in
      var zip = ZipWriter(output: try FileOutput(path: path))
      for (name, tensor) in arrays {
        let pieces = try within("array \(name)") { try Self.pieces(of: tensor) }
        try zip.add(name: name + ".npy", pieces: pieces)
      }
      try zip.finish()
    }
  }

  // MARK: Reading

  static func archive(_ source: ByteSource) throws -> [(name: String, tensor: Tensor)] {
    try ZipReader.entries(source.bytes).map { entry -> (name: String, tensor: Tensor) in
      let name = entry.name.hasSuffix(".npy") ? String(entry.name.dropLast(4)) : entry.name
      let tensor: Tensor = try within("array \(name)") {
        guard entry.isDeflated else { return try array(source, entry.data) }
        let inflated = try Inflate.inflate(
          UnsafeRawBufferPointer(rebasing: source.bytes[entry.data]), byteCount: entry.byteCount)
        return try array(.storage(inflated), 0..<inflated.byteCount)
      }
      return (name, tensor)
    }
  }

  static func array(_ source: ByteSource, _ range: Range<Int>) throws -> Tensor {
    let bytes = UnsafeRawBufferPointer(rebasing: source.bytes[range])
    let header = try NumPyHeader(bytes)
    let count = try Tensor.elementCount(header.shape)
    let data = range.lowerBound + header.dataOffset..<range.upperBound
    switch header.kind {
    case .number(let type):
      guard let size = type.byteCount(elements: count), size <= data.count else {
        throw CameoError.badInput("\(type)\(header.shape) needs more than the \(data.count) bytes that are there")
      }
      let exact = data.lowerBound..<data.lowerBound + size
      if !header.isSwapped && !header.isFortranOrder {
        if size >= 1024 { return try Tensor(dataType: type, shape: header.shape, storage: source.slice(exact)) }
        return try Tensor.makeRaw(type, header.shape) {
          $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: source.bytes[exact]))
        }
      }
      let width = type.bitWidth / 8
      let part = type.isComplex ? width / 2 : width
      let from = UnsafeRawBufferPointer(rebasing: source.bytes[exact])
      return try Tensor.makeRaw(type, header.shape) { out in
        forEachElement(header) { target, origin in
          for byte in 0..<width {
            let place = header.isSwapped ? byte / part * part + part - 1 - byte % part : byte
            out[target * width + byte] = from[origin * width + place]
          }
        }
      }
    case .unicode(let length):
      return try strings(header, count, source, data, width: length * 4) { text(ucs4: $0, header.isSwapped) }
    case .bytes(let length):
      return try strings(header, count, source, data, width: length) { bytes in
        String(decoding: bytes[..<((bytes.lastIndex { $0 != 0 } ?? -1) + 1)], as: UTF8.self)
      }
    }
  }

  private static func strings(
    _ header: NumPyHeader, _ count: Int, _ source: ByteSource, _ data: Range<Int>, width: Int,
    _ decode: (UnsafeRawBufferPointer) -> String
  ) throws -> Tensor {
    let (size, overflow) = count.multipliedReportingOverflow(by: width)
    guard !overflow, size <= data.count, count <= max(data.count, 1 << 20) else {
      throw CameoError.badInput("the array is cut off")
    }
    var result = [String](repeating: "", count: count)
    forEachElement(header) { target, origin in
      let start = data.lowerBound + origin * width
      result[target] = decode(UnsafeRawBufferPointer(rebasing: source.bytes[start..<start + width]))
    }
    return try Tensor(strings: result, shape: header.shape)
  }

  private static func text(ucs4 bytes: UnsafeRawBufferPointer, _ isSwapped: Bool) -> String {
    var scalars = String.UnicodeScalarView()
    var zeros = 0
    for offset in stride(from: 0, to: bytes.count, by: 4) {
      let raw = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      let code = isSwapped ? UInt32(bigEndian: raw) : UInt32(littleEndian: raw)
      // Only trailing zeros are padding.
      if code == 0 {
        zeros += 1
        continue
      }
      for _ in 0..<zeros { scalars.append("\0") }
      zeros = 0
      scalars.append(Unicode.Scalar(code) ?? "\u{fffd}")
    }
    return String(scalars)
  }

  /// Gives each element's place in row-major order and in the file.
  private static func forEachElement(_ header: NumPyHeader, _ body: (_ target: Int, _ origin: Int) -> Void) {
    let count = (try? Tensor.elementCount(header.shape)) ?? 0
    guard header.isFortranOrder, header.shape.count > 1 else {
      for index in 0..<count { body(index, index) }
      return
    }
    var strides = [Int](repeating: 1, count: header.shape.count)
    for axis in 1..<strides.count { strides[axis] = strides[axis - 1] &* header.shape[axis - 1] }
    var place = [Int](repeating: 0, count: header.shape.count)
    var origin = 0
    for index in 0..<count {
      body(index, origin)
      var axis = place.count - 1
      while axis >= 0 {
        place[axis] += 1
        origin += strides[axis]
        if place[axis] < header.shape[axis] { break }
        origin -= strides[axis] * header.shape[axis]
        place[axis] = 0
        axis -= 1
      }
    }
  }

  // MARK: Writing

  /// Header and data.
  static func pieces(of tensor: Tensor) throws -> [WireWriter.Piece] {
    if tensor.dataType == .string {
      let texts = tensor.strings.map { Array($0.unicodeScalars) }
      let length = max(1, texts.map(\.count).max() ?? 1)
      var data: [UInt8] = []
      data.reserveCapacity(texts.count * length * 4)
      for text in texts {
        for index in 0..<length {
          let code = index < text.count ? text[index].value : 0
          for shift in stride(from: 0, to: 32, by: 8) { data.append(UInt8(truncatingIfNeeded: code >> UInt32(shift))) }
        }
      }
      return [.bytes(NumPyHeader.encode(descriptor: "<U\(length)", shape: tensor.shape)), .bytes(data)]
    }
    guard let descriptor = NumPyHeader.descriptor(tensor.dataType) else {
      throw CameoError.unsupported("numpy has no element type \(tensor.dataType)")
    }
    return [.bytes(NumPyHeader.encode(descriptor: descriptor, shape: tensor.shape)), .tensor(tensor)]
  }
}
