import Testing

@testable import Tensors

@Suite struct MemoryBudgetTests {
  @Test func chargesAddUpAndAreGivenBack() throws {
    let budget = MemoryBudget(limit: 1000)
    try budget.charge(600)
    #expect(budget.used == 600)
    #expect(throws: CameoError.self) { try budget.charge(401) }
    #expect(budget.used == 600, "what was refused is not held")
    try budget.charge(400)
    #expect(throws: CameoError.self) { try budget.check(1) }
    budget.release(600)
    try budget.check(600)
    try budget.charge(600)
    #expect(budget.used == 1000)
  }

  @Test func refusalsSayHowMuchIsInUse() throws {
    let budget = MemoryBudget(limit: 1000)
    try budget.charge(700)
    let error = #expect(throws: CameoError.self) { try budget.charge(500, for: "an arena") }
    #expect(error?.kind == .limit)
    #expect(error?.reason == "an arena needs 500 bytes; the memory budget is 1000, of which 700 are in use")
    #expect(throws: CameoError.self) { try budget.charge(.max) }
    #expect(throws: CameoError.self) { try budget.check(.max) }
    budget.limit = 100
    #expect(throws: CameoError.self) { try budget.charge(1) }
  }

  /// Other tests allocate at the same time: the sizes here are ones that they do not reach.
  @Test func storagesAreChargedWhileTheyLive() throws {
    let size = 1 << 40
    let before = MemoryBudget.shared.limit
    let used = MemoryBudget.shared.used
    // Nothing touches the memory, so that none is needed.
    MemoryBudget.shared.limit = 4 * size
    defer { MemoryBudget.shared.limit = before }
    var storage: TensorStorage? = try? TensorStorage(byteCount: size, zeroed: false)
    if storage != nil { #expect(MemoryBudget.shared.used > used + size / 2) }
    storage = nil
    #expect(MemoryBudget.shared.used < size / 2)
    #expect(throws: CameoError.self) { _ = try TensorStorage(byteCount: 8 * size, zeroed: false) }
    #expect(throws: CameoError.self) { _ = try TensorStorage(byteCount: .max, zeroed: false) }
    #expect(MemoryBudget.shared.used < size / 2)
  }

  @Test func stringsAreCharged() throws {
    let text = String(repeating: "long enough to lie outside", count: 1000)
    let texts = [String](repeating: text, count: 40_000)
    let before = MemoryBudget.shared.used
    var tensor: Tensor? = try Tensor(strings: texts, shape: [40_000])
    #expect(MemoryBudget.shared.used > before + 500_000_000)
    #expect(tensor?.storage.byteCount == 0)
    tensor = nil
    #expect(MemoryBudget.shared.used < before + 500_000_000)
  }
}
