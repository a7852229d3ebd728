import CONNX
import GraphIR
import Tensors
import Testing

/// libonnx 1.12 reads what we print, and finds in it what it finds in the source.
@Suite struct TextOracleTests {
  struct Refused: Error { let message: String }

  /// libonnx's own printing of its own parse.
  func throughLibrary(_ text: String) throws -> String {
    var bytes: UnsafeMutableRawPointer?
    var count = 0
    var error: UnsafeMutablePointer<CChar>?
    defer {
      connx_free(bytes)
      connx_free(error)
    }
    guard connx_parse_text(text, Int32(CONNX_TEXT_MODEL), &bytes, &count, &error) == CONNX_OK, let bytes else {
      throw Refused(message: error.map { String(cString: $0) } ?? "")
    }
    var printed: UnsafeMutablePointer<CChar>?
    defer { connx_free(printed) }
    guard connx_print_text(bytes, count, Int32(CONNX_TEXT_MODEL), &printed, &error) == CONNX_OK, let printed else {
      throw Refused(message: error.map { String(cString: $0) } ?? "")
    }
    return String(cString: printed)
  }

  @Test(arguments: TextExamples.shared)
  func libraryReadsOurPrinting(_ text: String) throws {
    // libonnx 1.12 spells an operand left out as nothing; "" is of later versions.
    let ours = ONNXText.print(try ONNXText.parseModel(text)).replacing(", \"\", ", with: ", , ")
    #expect(try throughLibrary(ours) == throughLibrary(text))
  }

  @Test(arguments: [
    "g (float x => (float y) {}", "<ir_version> g () => () {}", "g () => () { y = }", "g () => () { y = Neg (x }",
    "g () => () { y = Op <a = > () }", "g () => () <float[2 w = {1}> {}", "g () => (float) {}",
    "g () => () {} trailing",
  ])
  func bothRefuse(_ text: String) {
    #expect(throws: Refused.self) { try throughLibrary(text) }
    #expect(throws: CameoError.self) { try ONNXText.parseModel(text) }
  }
}
