import Tensors
import Testing

@testable import ONNXFormat

@Suite struct WireTests {
  private func read<T>(_ bytes: [UInt8], _ body: (inout WireReader) throws -> T) rethrows -> T {
    try bytes.withUnsafeBytes { buffer in
      var reader = WireReader(buffer)
      return try body(&reader)
    }
  }

  @Test(arguments: [0, 1, 127, 128, 300, 1 << 31, UInt64(1) << 63, .max])
  func varintRoundTrip(_ value: UInt64) throws {
    var writer = WireWriter()
    writer.varint(value)
    guard case .bytes(let bytes) = writer.all[0] else { return }
    #expect(writer.byteCount == bytes.count)
    #expect(try read(bytes) { try $0.varint() } == value)
  }

  @Test func malformedInputNamesItsOffset() {
    let cases: [[UInt8]] = [
      [0x80], [UInt8](repeating: 0x80, count: 11), [0x0a, 5, 1],
      [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
      [0x0d, 1, 2], [0x09, 1], [0x00], [0x07], [0x0b, 0x08, 1], [0x0c],
    ]
    for bytes in cases {
      let error = failure {
        try read(bytes) { reader in while let field = try reader.next() { try reader.skip(field) } }
      }
      #expect(error?.kind == .badInput && error?.reason.contains("at byte") == true, "\(bytes)")
    }
  }

  @Test func groupsAreSkipped() throws {
    // Field 1 as a group with a nested varint, then field 2.
    let bytes: [UInt8] = [0x0b, 0x18, 7, 0x0c, 0x10, 42]
    let value = try read(bytes) { reader -> Int64 in
      let group = try #require(try reader.next())
      try reader.skip(group)
      let field = try #require(try reader.next())
      return try reader.int64(field)
    }
    #expect(value == 42)
  }

  @Test func packedAndUnpackedAgree() throws {
    let packed: [UInt8] = [0x3a, 4, 1, 0xac, 0x02, 3]
    let plain: [UInt8] = [0x38, 1, 0x38, 0xac, 0x02, 0x38, 3]
    for bytes in [packed, plain] {
      let values = try read(bytes) { reader -> [Int64] in
        var list: [Int64] = []
        while let field = try reader.next() { try reader.varints(field, into: &list) }
        return list
      }
      #expect(values == [1, 300, 3])
    }
  }
}
