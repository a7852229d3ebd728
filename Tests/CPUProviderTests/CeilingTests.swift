import CKernels
import CPUProvider
import InferenceRuntime
import Testing

@Suite struct CeilingTests {
  @Test func everySizeHasARate() throws {
    let found = try Ceilings.measure(threads: 2)
    // One scalar multiply-add a nanosecond would be 2e9.
    #expect(found.operationsPerSecond > 2e9)
    #expect(found.reads.map(\.bytes) == found.reads.map(\.bytes).sorted())
    #expect(found.reads.last?.bytes == 256 << 20)
    #expect(found.reads.allSatisfy { $0.bytesPerSecond > 1e8 && $0.bytesPerSecond.isFinite })
  }

  @Test func theLoopsCountWhatTheyDo() {
    var sink: Float = 0
    let one = ck_ceiling_multiply_add(1, &sink)
    #expect(one > 0 && ck_ceiling_multiply_add(1000, &sink) == 1000 * one)
    #expect(sink.isFinite && sink != 0)
  }

  @Test func theReadingLoopReadsEveryElement() {
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: 1000)
    defer { memory.deallocate() }
    for count in [1, 7, 127, 128, 129, 1000] {
      memory.initialize(repeating: 0, count: 1000)
      #expect(ck_ceiling_read(memory, count) == 0)
      for place in [0, count / 2, count - 1] {
        memory[place] = 1
        #expect(ck_ceiling_read(memory, count) != 0, "element \(place) of \(count)")
        memory[place] = 0
      }
      if count < 1000 {
        memory[count] = 1
        #expect(ck_ceiling_read(memory, count) == 0)
      }
    }
  }
}
