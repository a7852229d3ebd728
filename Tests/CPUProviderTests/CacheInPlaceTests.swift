import CPUProvider
import GraphIR
import InferenceRuntime
import MallocCounter
import Operators
import Tensors
import Testing

/// `present` written where `past` lies.
@Suite struct CacheInPlaceTests {
  private static let (batch, heads, size, capacity) = (2, 3, 8, 12)

  private static let text = """
    g (float[2, 6, T, 8] q, float[2, 3, T, 8] k, float[2, 3, T, 8] v, float[2, 3, P, 8] pk, float[2, 3, P, 8] pv)
      => (float[2, 6, T, 8] y, float[2, 3, S, 8] nk, float[2, 3, S, 8] nv) {
      y, nk, nv = Attention <is_causal = 1> (q, k, v, , pk, pv)
    }
    """

  private static func tensor(_ shape: [Int], _ seed: Int) throws -> Tensor {
    try .of((0..<shape.reduce(1, *)).map { Float(($0 * 37 + seed * 11) % 101) / 50 - 1 }, .float, shape: shape)
  }

  private static func session(_ text: String, _ provider: any ExecutionProvider) throws -> Session {
    var options = SessionOptions()
    options.threads = 2
    return try Session(Model(graph: try ONNXText.parseGraph(text)), providers: [provider], options: options)
  }

  /// A prompt and three tokens over two buffers that never move, against growing tensors.
  @Test(.enabled(if: malloc_counter_counts(), "no malloc counter under a sanitizer"))
  func tokensMoveNothingButThemselves() throws {
    let session = try Self.session(Self.text, CPUProvider())
    let reference = try Self.session(Self.text, ReferenceProvider())
    let room = Self.batch * Self.heads * Self.capacity * Self.size
    let caches = try (0..<2).map { _ in try Tensor.makeRaw(.float, [room]) { _ in } }
    var past = try ["pk", "pv"].reduce(into: [String: Tensor]()) { $0[$1] = try Self.tensor([2, 3, 0, 8], 0) }
    var length = 0
    for (turn, fresh) in [4, 1, 1, 1].enumerated() {
      var given = past
      given["q"] = try Self.tensor([2, 6, fresh, 8], turn)
      given["k"] = try Self.tensor([2, 3, fresh, 8], turn + 10)
      given["v"] = try Self.tensor([2, 3, fresh, 8], turn + 20)
      let expected = try reference.run(given)
      let binding = try Binding(
        session, inputs: given.mapValues(\.shape),
        caches: [
          CacheInPlace(past: "pk", present: "nk", capacity: Self.capacity),
          CacheInPlace(past: "pv", present: "nv", capacity: Self.capacity),
        ])
      for name in ["q", "k", "v"] { try binding.bind(input: name, to: try #require(given[name])) }
      for (name, memory) in zip(["pk", "pv"], caches) {
        try binding.bind(
          cache: name, to: UnsafeMutableRawBufferPointer(start: memory.storage.base, count: memory.byteCount))
      }
      let y = try binding.bindOutput("y")
      // Only the new rows of keys and values move.
      #expect(binding.copiedBytes == 2 * Self.batch * Self.heads * fresh * Self.size * 4)
      try binding.run()
      // A run again writes the same rows, and allocates nothing.
      let before = malloc_counter_thread()
      try binding.run()
      #expect(malloc_counter_thread() == before)
      length += fresh
      #expect(closeness(y, try #require(expected["y"])) < 1e-5)
      for (name, memory) in zip(["nk", "nv"], caches) {
        let want = try #require(expected[name]).elements(as: Float.self)
        let have = try memory.elements(as: Float.self)
        let line = length * Self.size
        for head in 0..<Self.batch * Self.heads {
          let start = head * Self.capacity * Self.size
          #expect(Array(have[start..<start + line]) == Array(want[head * line..<(head + 1) * line]))
        }
      }
      past = ["pk": try #require(expected["nk"]), "pv": try #require(expected["nv"])]
    }
  }

  private func closeness(_ a: Tensor, _ b: Tensor) -> Double {
    guard let a = try? a.elements(as: Double.self), let b = try? b.elements(as: Double.self), a.count == b.count else {
      return .infinity
    }
    return zip(a, b).map { ($0 - $1).magnitude }.max() ?? 0
  }

  @Test func withoutRoomThePastIsCopied() throws {
    let session = try Self.session(Self.text, CPUProvider())
    let shapes = ["q": [2, 6, 1, 8], "k": [2, 3, 1, 8], "v": [2, 3, 1, 8], "pk": [2, 3, 7, 8], "pv": [2, 3, 7, 8]]
    let plain = try Binding(session, inputs: shapes)
    #expect(plain.copiedBytes == 2 * Self.batch * Self.heads * 8 * Self.size * 4)
    let caches = ["k", "v"].map { CacheInPlace(past: "p\($0)", present: "n\($0)", capacity: 8) }
    // As many rows as there will be are enough, one less is not.
    #expect(
      try Binding(session, inputs: shapes, caches: caches).copiedBytes == 2 * Self.batch * Self.heads * Self.size * 4)
    for capacity in [6, 7] {
      let few = CacheInPlace(past: "pk", present: "nk", capacity: capacity)
      #expect(throws: CameoError.self) { try Binding(session, inputs: shapes, caches: [few]) }
    }
    for (past, present) in [("pk", "y2"), ("zz", "nk")] {
      let wrong = CacheInPlace(past: past, present: present, capacity: 9)
      #expect(throws: CameoError.self) { try Binding(session, inputs: shapes, caches: [wrong]) }
    }
    let binding = try Binding(session, inputs: shapes, caches: caches)
    let small = try Tensor.makeRaw(.float, [Self.batch * Self.heads * 8 * Self.size - 1]) { _ in }
    #expect(throws: CameoError.self) {
      try binding.bind(
        cache: "pk", to: UnsafeMutableRawBufferPointer(start: small.storage.base, count: small.byteCount))
    }
  }

  /// Whatever takes its operands as contiguous refuses by name.
  @Test func otherReadersOfACacheAreTold() throws {
    let text = """
      g (float[1, 3, P, 8] past, float[1, 3, 1, 8] x) => (float[1, 3, S, 8] present, float[1, 3, S, 8] y) {
        present = Concat <axis = 2> (past, x)
        y = Neg (present)
      }
      """
    let session = try Self.session(text, CPUProvider())
    let cache = CacheInPlace(past: "past", present: "present", capacity: 9)
    let error = #expect(throws: CameoError.self) {
      try Binding(session, inputs: ["past": [1, 3, 4, 8], "x": [1, 3, 1, 8]], caches: [cache])
    }
    #expect(error?.kind == .unsupported)
    #expect("\(error.map { "\($0)" } ?? "")".contains("Concat"))
  }
}
