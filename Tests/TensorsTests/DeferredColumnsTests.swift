import Tensors
import Testing

/// A matrix whose columns are the rows of others is written when it is read, once.
@Suite struct DeferredColumnsTests {
  private static func columns(_ rows: [Tensor], _ writes: Counter) throws -> Tensor {
    try Tensor.columns(of: rows) { out, rows in
      writes.add()
      let total = rows.reduce(0) { $0 + $1.shape[0] }
      var first = 0
      for part in rows {
        let k = part.shape[1]
        for row in 0..<part.shape[0] {
          for p in 0..<k {
            let value = part.baseAddress.loadUnaligned(fromByteOffset: (row * k + p) * 4, as: Float.self)
            out.storeBytes(of: value, toByteOffset: (p * total + first + row) * 4, as: Float.self)
          }
        }
        first += part.shape[0]
      }
    }
  }

  private final class Counter: Sendable {
    private let count = Mutex(0)
    func add() { count.withLock { $0 += 1 } }
    var value: Int { count.withLock { $0 } }
  }

  private static func matrix(_ rows: Int, _ k: Int, from start: Float) throws -> Tensor {
    try .of((0..<rows * k).map { start + Float($0) }, .float, shape: [rows, k])
  }

  @Test func itIsWrittenWhenItIsReadAndOnce() throws {
    let writes = Counter()
    let tensor = try Self.columns([Self.matrix(2, 3, from: 0), Self.matrix(1, 3, from: 10)], writes)
    #expect(tensor.shape == [3, 3] && tensor.deferredRows?.count == 2 && writes.value == 0)
    _ = tensor.address
    #expect(writes.value == 0)
    #expect(try tensor.elements(as: Float.self) == [0, 3, 10, 1, 4, 11, 2, 5, 12])
    #expect(try tensor.elements(as: Float.self).count == 9 && writes.value == 1)
  }

  @Test func aSingleReadingLeavesItUnwritten() throws {
    let writes = Counter()
    let tensor = try Self.columns([Self.matrix(2, 3, from: 0), Self.matrix(1, 3, from: 10)], writes)
    #expect(try tensor.readOnce { try $0.elements(as: Float.self) } == [0, 3, 10, 1, 4, 11, 2, 5, 12])
    #expect(try tensor.readOnce { $0.address != tensor.address } && writes.value == 2)
    _ = try tensor.elements(as: Float.self)
    #expect(try tensor.readOnce { $0.address == tensor.address } && writes.value == 3)
  }

  @Test func twoOfThemAreComparedByTheirRows() throws {
    let writes = Counter()
    let rows = try [Self.matrix(2, 3, from: 0), Self.matrix(1, 3, from: 10)]
    let (a, b) = (try Self.columns(rows, writes), try Self.columns(rows, writes))
    let other = try Self.columns([rows[0], Self.matrix(1, 3, from: 11)], writes)
    #expect(a.isIdentical(to: b) && !a.isIdentical(to: other) && writes.value == 0)
    let plain = try Tensor.of([0, 3, 10, 1, 4, 11, 2, 5, 12], .float, shape: [3, 3])
    #expect(plain.isIdentical(to: a) && a.isIdentical(to: plain))
  }

  @Test func anotherShapeOfItIsNoSuchMatrix() throws {
    let tensor = try Self.columns([Self.matrix(2, 3, from: 0)], Counter())
    #expect(try tensor.reshaped([2, 3]).deferredRows == nil)
    #expect(try tensor.reshaped([6]).elements(as: Float.self) == [0, 3, 1, 4, 2, 5])
  }

  @Test func rowsOfOtherLengthsOrTypesAreRefused() throws {
    let rows = try Self.matrix(2, 3, from: 0)
    for other in [
      try Self.matrix(2, 4, from: 0), try Tensor.ints([1, 2, 3], shape: [1, 3]), try Tensor.of([1], .float, shape: [1]),
    ] {
      #expect(throws: CameoError.self) { try Tensor.columns(of: [rows, other]) { _, _ in } }
    }
    #expect(throws: CameoError.self) { try Tensor.columns(of: []) { _, _ in } }
  }
}
