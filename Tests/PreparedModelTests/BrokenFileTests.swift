import Foundation
import Tensors
import TestSupport
import Testing

@testable import Cameo
@testable import InferenceRuntime

/// Whatever stands in a file of packed weights: one message, or a right result; never a trap.
@Suite struct BrokenFileTests {
  private struct Prepared {
    let path: String
    let bytes: [UInt8]
    let head: PackHead
    let inputs: [String: Value]
    let expected: [String: Value]
    var headSize: Int { head.encoded().count }

    init(_ folder: String) throws {
      path = try Sample.prepare(Sample.product, in: folder)
      bytes = try Sample.read(path + ".packed")
      head = try bytes.withUnsafeBytes { try PackHead($0) }
      let file = try PreparedFile(contentsOf: path)
      inputs = try Sample.inputs(file.model)
      expected = try Sample.session(file, usingPacks: false).run(values: inputs)
    }

    /// Writes the file and uses it as far as it goes; true where it was refused as a whole, with its one line.
    func isRefused(_ bytes: [UInt8]) throws -> Bool {
      try Sample.write(bytes, path + ".packed")
      let file = try PreparedFile(contentsOf: path)
      if let note = file.note {
        #expect(!note.isEmpty && !note.contains("\n"))
        return true
      }
      let found = try Sample.session(file).run(values: inputs)
      #expect(Sample.sameBits(found, expected))
      return false
    }

    /// With the digests that a malicious writer would put there.
    func sealed(_ bytes: [UInt8]) -> [UInt8] {
      var bytes = bytes
      for place in 24..<32 { bytes[place] = 0 }
      let digest = PackHead.digest(of: Array(bytes[..<min(headSize, bytes.count)]))
      for index in 0..<8 { bytes[24 + index] = UInt8(digest >> (8 * index) & 255) }
      return bytes
    }

    /// The file with another head and the data behind it; its digests are right.
    func with(_ edit: (inout PackHead) -> Void) -> [UInt8] {
      var head = head
      edit(&head)
      bytes.withUnsafeBytes { raw in
        if head.entries.allSatisfy({
          $0.place >= 0 && $0.size >= 0 && $0.place < 1 << 40 && $0.size <= raw.count - $0.place
        }) {
          head.samplesDigest = PackFile.samples(of: head.entries, in: raw)
        }
      }
      var result = bytes
      result.replaceSubrange(0..<headSize, with: head.encoded())
      return result
    }
  }

  @Test func whatWasWrittenIsRead() throws {
    try withFolder { folder in
      let prepared = try Prepared(folder)
      #expect(prepared.head.entries.count == 2)
      #expect(try !prepared.isRefused(prepared.bytes))
      for entry in prepared.head.entries { #expect(entry.place % 64 == 0) }
      #expect(Array(prepared.bytes[..<prepared.headSize]) == prepared.head.encoded())
    }
  }

  @Test func cutAndLengthenedFilesAreRefused() throws {
    try withFolder { folder in
      let prepared = try Prepared(folder)
      let size = prepared.bytes.count
      for length in [0, 1, 7, 8, 24, 31, 32, 33, prepared.headSize - 1, prepared.headSize, size / 2, size - 1] {
        #expect(try prepared.isRefused(Array(prepared.bytes[..<length])))
      }
      #expect(try prepared.isRefused(prepared.bytes + [0]))
      // What a copy that was broken off leaves in a file of full length.
      #expect(try prepared.isRefused(prepared.bytes[..<(size - 300)] + [UInt8](repeating: 0, count: 300)))
      #expect(try prepared.isRefused([UInt8](repeating: 0, count: size)))
    }
  }

  @Test func aDamagedHeadIsRefused() throws {
    try withFolder { folder in
      let prepared = try Prepared(folder)
      for place in 0..<prepared.headSize {
        var bytes = prepared.bytes
        bytes[place] ^= UInt8(1 << (place % 8))
        #expect(try prepared.isRefused(bytes), "byte \(place)")
      }
    }
  }

  /// Every byte of the head with values that sizes and counts break at, under a digest that fits.
  @Test func aForgedHeadIsRefusedOrHarmless() throws {
    try withFolder { folder in
      let prepared = try Prepared(folder)
      var accepted = 0
      for place in 0..<prepared.headSize where !(24..<32).contains(place) {
        for value: UInt8 in [0, 1, 0x7f, 0x80, 0xff, prepared.bytes[place] &+ 1] where value != prepared.bytes[place] {
          var bytes = prepared.bytes
          bytes[place] = value
          if try !prepared.isRefused(prepared.sealed(bytes)) { accepted += 1 }
        }
      }
      // Only another name for a form, or a constant that it is not of, leave the rest usable.
      #expect(accepted > 0)
    }
  }

  @Test func forgedPlacesAndSizesAreRefusedOrHarmless() throws {
    try withFolder { folder in
      let prepared = try Prepared(folder)
      let huge = [Int(UInt32.max), 1 << 40, (1 << 62) - 1, Int.max, -1, -64, Int.min]
      func refused(_ edit: @escaping (inout PackHead) -> Void) throws -> Bool {
        try prepared.isRefused(prepared.with(edit))
      }
      for value in huge {
        #expect(try refused { $0.entries[1].place = value })
        #expect(try refused { $0.entries[1].size = value })
        #expect(try refused { $0.entries[0].offset = value })
        #expect(try refused { $0.entries[0].byteCount = value })
        #expect(try refused { $0.fileSize = value })
        #expect(try refused { $0.sourceSizes[0] = value })
      }
      #expect(try refused { $0.entries[0].file = 7 })
      #expect(try refused { $0.entries[1].place = $0.entries[0].place })
      #expect(try refused { $0.entries[1].place -= 64 })
      #expect(try refused { $0.entries[1].place += 4 })
      #expect(try refused { $0.entries.swapAt(0, 1) })
      #expect(try refused { $0.entries[0].size = 0 })
      #expect(try refused { $0.entries[0].place = 0 })
      // The same constant and form for both.
      #expect(
        try refused { head in
          (head.entries[1].offset, head.entries[1].form) = (head.entries[0].offset, head.entries[0].form)
        })
    }
  }

  @Test func aFormOfAnotherSizeIsMadeAnewAndTold() throws {
    try withFolder { folder in
      let prepared = try Prepared(folder)
      try Sample.write(prepared.with { $0.entries[1].size -= 64 }, prepared.path + ".packed")
      let told = Mutex<[String]>([])
      let file = try PreparedFile(contentsOf: prepared.path) { note in told.withLock { $0.append(note) } }
      #expect(file.isReady, "\(file.note ?? "")")
      let session = try Sample.session(file)
      #expect(Sample.sameBits(try session.run(values: prepared.inputs), prepared.expected))
      #expect(session.mappedPackedBytes > 0 && session.mappedPackedBytes < session.packedBytes)
      let notes = told.withLock { $0 }
      #expect(notes.count == 1 && notes[0].contains("made anew"), "\(notes)")
    }
  }

  @Test func hugeCountsAreRefusedBeforeAnythingIsReserved() throws {
    try withFolder { folder in
      let prepared = try Prepared(folder)
      // Every place where four bytes could be a count.
      for place in stride(from: 32, to: prepared.headSize - 4, by: 1) {
        var bytes = prepared.bytes
        for index in 0..<4 { bytes[place + index] = 0xff }
        _ = try prepared.isRefused(prepared.sealed(bytes))
      }
    }
  }
}
