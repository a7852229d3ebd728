import GraphIR
import Operators
import PassKit
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct CalibrationCacheTests {
  private static let scheme = try! QuantizationScheme(.uint8, isSymmetric: false)

  private static func cache(_ parts: [(String, [Float])], counting: Bool = true) throws -> CalibrationCache {
    var cache = CalibrationCache(fingerprint: "f", samples: 3)
    for (name, numbers) in parts {
      let estimator = try (counting ? RangeMethod.mse : .minmax).makeObserver()
      try estimator.observe(try .of(numbers, .float))
      cache.note(name, estimator, scheme: scheme)
    }
    return cache
  }

  @Test func filesGiveBackWhatWasWritten() throws {
    let numbers = HistogramTests.normal(300, scale: 0.37)
    let cache = try Self.cache([("a \"quoted\"\n\u{1F600}", numbers), ("b", [0, 0, 5e-7])])
    try withFolder { folder in
      try cache.write(to: folder + "/c.json")
      let read = try CalibrationCache(contentsOf: folder + "/c.json")
      #expect(read.entries == cache.entries && read.samples == 3 && read.fingerprint == "f")
    }
  }

  @Test func calibrationsAddUp() throws {
    let (a, b) = (HistogramTests.normal(300, seed: 2), HistogramTests.normal(200, seed: 7, scale: 40))
    var merged = try Self.cache([("x", a), ("y", a)])
    try merged.merge(try Self.cache([("x", b), ("z", b)]))
    let whole = try Self.cache([("x", a + b), ("y", a), ("z", b)])
    #expect(merged.entries == whole.entries && merged.samples == 6)
    // What only one of two has counted is known by its ends.
    try merged.merge(try Self.cache([("y", b)], counting: false))
    #expect(merged.entries["y"]?.histogram == nil)
    #expect(merged.entries["y"]?.observed == whole.entries["x"]?.observed)
    let error = #expect(throws: CameoError.self) { try merged.merge(CalibrationCache(fingerprint: "g")) }
    #expect(error?.reason == "it is of another model (g, not f)")
  }

  @Test func editedRangesWin() throws {
    var cache = try Self.cache([("x", [1, 2, -3])])
    let text = cache.document.text().replacing("\"observed\"", with: "\"range\": [-1, 1.5], \"observed\"")
    let edited = try CalibrationCache(
      try text.utf8CString.withUnsafeBytes { bytes in
        try JSON(parsing: UnsafeRawBufferPointer(rebasing: bytes.dropLast()))
      })
    #expect(edited.entries["x"]?.range(.mse, for: Self.scheme) == ValueRange(-1, 1.5))
    #expect(edited.entries["x"]?.observed == ValueRange(-3, 2))
    try cache.merge(edited)
    #expect(cache.entries["x"]?.range(.minmax, for: Self.scheme) == ValueRange(-1, 1.5))
    #expect(cache.entries["x"]?.histogram?.count == 6)
    try cache.merge(try Self.cache([("x", [9])]))
    #expect(cache.entries["x"]?.range(.minmax, for: Self.scheme) == ValueRange(-1, 1.5))
  }

  @Test(arguments: [
    ("[]", "this is no cameo calibration 1"),
    (#"{"format": "cameo calibration 1"}"#, "model or values is missing"),
    (
      ##"{"format": "cameo calibration 1", "model": "", "values": {"x": {}}}"##,
      "value x: neither observed nor range is there"
    ),
    (
      ##"{"format": "cameo calibration 1", "model": "", "values": {"x": {"range": [2, 1]}}}"##,
      "value x: range is no [low, high]"
    ),
    (
      ##"{"format": "cameo calibration 1", "model": "", "values": {"x": {"range": [0, 1e99]}}}"##,
      "value x: range is no [low, high]"
    ),
    (
      ##"{"format": "cameo calibration 1", "model": "", "values": {"x": {"observed": [0, 1], "histogram": {"bins": 16, "exponent": -4, "zeros": 1, "range": [0, 1], "positive": [-9223372036854775808]}}}}"##,
      "value x: the histogram's positive counts are malformed"
    ),
    (
      ##"{"format": "cameo calibration 1", "model": "", "values": {"x": {"observed": [0, 1], "histogram": {"bins": 16, "exponent": -4, "zeros": 1, "range": [0, 1], "positive": [3], "negative": []}}}}"##,
      "value x: a histogram's range does not fit its counts"
    ),
    (
      ##"{"format": "cameo calibration 1", "model": "\x", "values": {}}"##,
      "this is no JSON: an escape was expected at byte 45"
    ),
    ("{\"a\": 1e999}", "this is no JSON: a number was expected at byte 6"),
    ("{\"a\": 1} 2", "this is no JSON: the end was expected at byte 9"),
    (String(repeating: "[", count: 100), "JSON nests too deep"),
  ]) func brokenFilesAreRefused(text: String, message: String) throws {
    let error = #expect(throws: CameoError.self) {
      try Array(text.utf8).withUnsafeBytes { try CalibrationCache(JSON(parsing: $0)) }
    }
    #expect(error.map { "\($0)" } == message)
  }

  @Test func fingerprintsTellModelsApart() throws {
    func fingerprint(_ text: String) throws -> String {
      Model(graph: try ONNXText.parseGraph(text)).calibrationFingerprint
    }
    let text = "g (float[2] x) => (float[2] y) <float[2] w = {1, 2}> { h = Add (x, w) y = LeakyRelu <alpha = 0.5> (h) }"
    let own = try fingerprint(text)
    #expect(own.count == 16)
    #expect(try own == fingerprint(text))
    for (old, new) in [("1, 2", "1, 3"), ("0.5", "0.25"), ("Add", "Mul"), ("float[2] x", "float[N] x"), ("h", "k")] {
      let other = try fingerprint(text.replacing(old, with: new))
      #expect(other != own, "\(old)")
    }
  }
}
