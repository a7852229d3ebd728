import GraphIR
import Tensors
import Testing

@Suite struct TextErrorTests {
  @Test(arguments: [
    ("g (float x) => (float y) { y = Neg (x }", "line 1, column 39: expected ')', found '}'"),
    ("g (float x) => (float y)\n{\n  y = Neg (z)\n}", "line 3, column 12: z is not defined"),
    ("g (float x) => (float y)\n{ y = Neg (x) y = Neg (x) }", "line 2, column 15: y is defined twice"),
    ("g (float x) => (float y) {}", "line 1, column 23: y is not defined"),
    ("g (flot x) => (float y) {}", "line 1, column 9: expected ')', found 'x'"),
    ("<ir_version 10> g () => () {}", "line 1, column 13: expected ':', found '10'"),
    ("<ir: 10> g () => () {}", "line 1, column 2: expected one of "),
    ("g () => () { y = Op <a = > () }", "line 1, column 26: expected an attribute's value, found '>'"),
    ("g () => () { y = Op <a = []> () }", "line 1, column 22: an empty list needs its type"),
    ("g () => () { y = Op <a: int = 1.5> () }", "line 1, column 22: a is declared int, its value is float"),
    ("g () => () { y = Op <a = 1, a = 2> () }", "line 1, column 29: attribute a is given twice"),
    ("g () => () { y = Op <a = [1, \"x\"]> () }", "line 1, column 22: a list holds values of one kind"),
    ("g () => () { y = Op <a = @b> () }", "line 1, column 22: a reference needs its type"),
    ("g () => () <float[2] w = {1}> {}", "line 1, column 22: 1 numbers or strings stand where float[2] needs 2"),
    ("g () => () <uint8[1] w = {256}> {}", "line 1, column 27: 256 is no value of uint8"),
    ("g () => () <float[1] w = {1e99}> {}", "line 1, column 27: 1e99 is no value of float"),
    ("g () => () <float[1] w = {\"a\"}> {}", "line 1, column 27: a string is no value of float"),
    ("g () => () <float[N] w = {1}> {}", "line 1, column 22: the dimensions of a written tensor are integers"),
    ("g () => () <float[4294967296, 4294967296] w = {1}> {}", "line 1, column 43: the shape"),
    ("g () => () <float[-1] w = {1}> {}", "line 1, column 19: expected a dimension that is not negative"),
    ("g () => () <float[1] w> {}", "line 1, column 22: w has a type but is not defined"),
    ("g () => () <float w = {\"abc}> {}", "line 1, column 24: the string that starts here does not end"),
    ("g () => () { é", "line 1, column 14: expected '=', found 'é'"),
    ("g () => () {", "line 1, column 13: expected '}', found the end of the text"),
    ("g () => () <float[1] w = [\"location\": \"x\"]> {}", "line 1, column 26: expected '{'"),
    ("", "line 1, column 1: expected a graph's name, found the end of the text"),
  ])
  func saysWhere(_ text: String, _ message: String) throws {
    let error = try #require(throws: CameoError.self) { try ONNXText.parseModel(text) }
    #expect(error.kind == .badInput || error.kind == .limit)
    #expect(error.description.hasPrefix(message), "\(error)")
  }

  @Test func deepNestingIsRefused() throws {
    let texts = [
      "g (" + String(repeating: "seq(", count: 100_000),
      "g () => () { y = Op " + String(repeating: "<a = g () => () { y = Op ", count: 50_000),
      "g (" + String(repeating: "map(int64, ", count: 100_000),
    ]
    for text in texts {
      let error = try #require(throws: CameoError.self) { try ONNXText.parseModel(text) }
      #expect(error.kind == .limit)
    }
    var parser = TextParser("y = " + String(repeating: "Add (", count: 100_000), rules: true)
    let error = #expect(throws: CameoError.self) { try parser.statement() }
    #expect(error?.kind == .limit)
  }

  /// Damaged texts parse or throw; what parses prints, and prints the same again.
  @Test func mutationsNeverTrap() throws {
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    func random(_ bound: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state % UInt64(bound))
    }
    let fragments = [
      "(", ")", "<", ">", "{", "}", "[", "]", "=", "=>", ",", ":", "\"", "@", "?", "-", ".", "1", "1e", "inf",
      "float", "seq(", "x", "\\", "#", "\n", "9999999999999999999", "$", "é", "\0", "-9223372036854775808", "a = [",
      "...",
    ]
    let examples = (TextExamples.shared + TextExamples.own).map { Array($0.utf8) }
    var parsed = 0
    for _ in 0..<6000 {
      var bytes = examples[random(examples.count)]
      for _ in 0...random(3) {
        let place = random(bytes.count)
        switch random(5) {
        case 0: bytes.remove(at: place)
        case 1: bytes[place] = UInt8(random(256))
        case 2: bytes.insert(contentsOf: fragments[random(fragments.count)].utf8, at: place)
        case 3:
          let end = min(bytes.count, place + random(20))
          bytes.insert(contentsOf: bytes[place..<end], at: random(bytes.count))
        default: bytes.removeSubrange(place..<min(bytes.count, place + random(8)))
        }
        if bytes.isEmpty { bytes = [0] }
      }
      let text = String(decoding: bytes, as: UTF8.self)
      do {
        let model = try ONNXText.parseModel(text)
        parsed += 1
        try model.graph.verify()
        let printed = ONNXText.print(model)
        let again = try ONNXText.parseModel(printed)
        #expect(ONNXText.print(again) == printed, "\(text)")
        _ = ONNXText.canonicalText(model.graph)
      } catch let error as CameoError {
        #expect(error.kind != .invariant, "\(error) in \(text)")
        #expect(error.reason.hasPrefix("line "), "\(error)")
      }
    }
    #expect(parsed > 500)
  }
}
