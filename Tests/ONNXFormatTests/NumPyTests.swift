import Tensors
import Testing

@testable import ONNXFormat

@Suite struct NumPyTests {
  private let types: [DataType] = [
    .float16, .float, .double, .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64, .bool, .complex64,
    .complex128,
  ]

  private func sample(_ type: DataType, _ shape: [Int]) throws -> Tensor {
    try Tensor.makeRaw(type, shape) { out in
      for index in out.indices { out[index] = type == .bool ? UInt8(index & 1) : UInt8(truncatingIfNeeded: index * 7) }
    }
  }

  @Test func archivesRoundTrip() throws {
    let folder = TemporaryFolder()
    var arrays: [(name: String, tensor: Tensor)] = []
    for type in types {
      for shape in [[], [3], [0, 2], [2, 3, 4], [40, 50]] {
        arrays.append(("\(type)\(shape.count)/ä\(shape)", try sample(type, shape)))
      }
    }
    arrays.append(("text", try Tensor(strings: ["", "täxt", "x\u{1F600}"], shape: [3, 1])))
    try NumPyFile.writeArchive(arrays, to: folder.file("a.npz"))
    let read = try NumPyFile.readArchive(path: folder.file("a.npz"))
    #expect(read.map(\.name) == arrays.map(\.name))
    for (a, b) in zip(arrays, read) { #expect(a.tensor.isIdentical(to: b.tensor), "\(a.name)") }
    #expect(read.contains { $0.tensor.storage.mappedFile != nil })
    for (_, tensor) in arrays {
      try NumPyFile.writeArray(tensor, to: folder.file("a.npy"))
      #expect(try NumPyFile.readArray(path: folder.file("a.npy")).isIdentical(to: tensor))
    }
  }

  @Test func typesThatNumPyLacksAreRefused() throws {
    let folder = TemporaryFolder()
    let tensor = try Tensor.makeRaw(.bfloat16, [2]) { _ in }
    #expect(failure { try NumPyFile.writeArray(tensor, to: folder.file("a.npy")) }?.kind == .unsupported)
    #expect(folder.contents == [])
  }

  private func array(_ header: String, _ data: [UInt8]) -> [UInt8] {
    [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8) + data
  }

  @Test func ordersAndBytes() throws {
    let folder = TemporaryFolder()
    func read(_ header: String, _ data: [UInt8]) throws -> Tensor {
      try folder.write(array(header, data), "a.npy")
      return try NumPyFile.readArray(path: folder.file("a.npy"))
    }
    let fortran = try read("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", [1, 4, 2, 5, 3, 6])
    #expect(try fortran.ints() == [1, 2, 3, 4, 5, 6])
    #expect(try read("{'descr': '>i2', 'fortran_order': False, 'shape': (2,)}", [1, 0, 0, 2]).ints() == [256, 2])
    #expect(
      try read("{'descr': '|S2', 'fortran_order': False, 'shape': (2,)}", [65, 0, 66, 67]).strings == ["A", "BC"])
    #expect(try read("{'descr': '>U1', 'fortran_order': False, 'shape': ()}", [0, 0, 0, 65]).strings == ["A"])
    for (header, data) in [
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", [UInt8](repeating: 0, count: 7)),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999)}", []),
      ("{'descr': '|S0', 'fortran_order': False, 'shape': (9999999999,)}", []),
      ("{'descr': '|O', 'fortran_order': False, 'shape': ()}", [0]),
      ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", [0]), ("{'shape': ()}", []), ("{", []),
      ("", []),
    ] as [(String, [UInt8])] {
      #expect(failure { _ = try read(header, data) } != nil, "\(header)")
    }
  }

  @Test func compressedArchives() throws {
    // zlib's raw deflate of "abcabcabcabcabc\n" (fixed codes), and a stored block.
    let fixed: [UInt8] = [0x4b, 0x4c, 0x4a, 0x4e, 0x44, 0x42, 0x5c, 0x0]
    let text = try fixed.withUnsafeBytes { try Inflate.inflate($0, byteCount: 16) }
    #expect(String(decoding: UnsafeRawBufferPointer(start: text.base, count: 16), as: UTF8.self) == "abcabcabcabcabc\n")
    let stored: [UInt8] = [1, 2, 0, 0xfd, 0xff, 7, 8]
    let two = try stored.withUnsafeBytes { try Inflate.inflate($0, byteCount: 2) }
    #expect(Array(UnsafeRawBufferPointer(start: two.base, count: 2)) == [7, 8])
    for count in [0, 15, 17, 1 << 40] {
      #expect(failure { _ = try fixed.withUnsafeBytes { try Inflate.inflate($0, byteCount: count) } } != nil)
    }
  }

  @Test func damagedFilesAreErrors() throws {
    let folder = TemporaryFolder()
    try NumPyFile.writeArchive(
      [("a", try sample(.float, [3])), ("b", try sample(.int64, [2, 2]))], to: folder.file("a.npz"))
    let good = try folder.read("a.npz")
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<2000 {
      var bytes = good
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      if Bool.random(using: &generator) {
        bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator)))
      }
      let storage = try TensorStorage(byteCount: bytes.count, zeroed: false)
      bytes.withUnsafeBytes {
        if let base = $0.baseAddress { storage.base.copyMemory(from: base, byteCount: $0.count) }
      }
      _ = failure { _ = try NumPyFile.archive(.storage(storage)) }
    }
    for _ in 0..<2000 {
      let bytes = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
        UInt8.random(in: 0...255, using: &generator)
      }
      _ = failure { _ = try bytes.withUnsafeBytes { try Inflate.inflate($0, byteCount: 500) } }
    }
  }
}
