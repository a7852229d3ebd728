import Foundation
import GraphIR
import Operators
import Tensors
import Testing

/// One line of Fixtures/images.txt: a small file and the RGB pixels that Pillow reads from it.
struct ImageFixture: Sendable, CustomTestStringConvertible {
  let name: String
  let height: Int
  let width: Int
  let bytes: [UInt8]
  let pixels: [UInt8]

  var testDescription: String { name }

  static let all: [ImageFixture] = {
    let path = #filePath.replacing("ImageDecoderTests.swift", with: "Fixtures/images.txt")
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
    return text.split(separator: "\n").compactMap { line in
      let parts = line.split(separator: "|").map(String.init)
      guard parts.count == 5, let height = Int(parts[1]), let width = Int(parts[2]),
        let bytes = Data(base64Encoded: parts[3])
      else { return nil }
      return ImageFixture(
        name: parts[0], height: height, width: width, bytes: [UInt8](bytes),
        pixels: parts[4].split(separator: ",").compactMap { UInt8($0) })
    }
  }()
}

@Suite struct ImageDecoderTests {
  private func decode(_ bytes: [UInt8], as format: String = "RGB") throws -> Tensor {
    let graph = try ONNXText.parseGraph(
      "g (uint8[n] x) => (uint8[] y) { y = ImageDecoder <pixel_format = \"\(format)\"> (x) }")
    let stream = try Tensor.of(bytes.map { Int64($0) }, .uint8)
    return try #require(try GraphEvaluator(graph).run([.tensor(stream)])[0].tensor)
  }

  private func samples(_ tensor: Tensor) -> [UInt8] { tensor.withUnsafeBytes { Array($0) } }

  @Test func theFixturesAreThere() { #expect(ImageFixture.all.count == 31) }

  @Test(arguments: ImageFixture.all) func everyFormatGivesPillowsPixels(_ fixture: ImageFixture) throws {
    let image = try decode(fixture.bytes)
    #expect(image.shape == [fixture.height, fixture.width, 3])
    #expect(samples(image) == fixture.pixels)
    let reversed = try decode(fixture.bytes, as: "BGR")
    for pixel in 0..<fixture.height * fixture.width {
      #expect(
        Array(samples(reversed)[3 * pixel..<3 * pixel + 3].reversed())
          == Array(fixture.pixels[3 * pixel..<3 * pixel + 3]))
    }
    let gray = try decode(fixture.bytes, as: "Grayscale")
    #expect(gray.shape == [fixture.height, fixture.width, 1])
    for (pixel, luma) in samples(gray).enumerated() {
      let exact =
        0.299 * Double(fixture.pixels[3 * pixel]) + 0.587 * Double(fixture.pixels[3 * pixel + 1]) + 0.114
        * Double(fixture.pixels[3 * pixel + 2])
      #expect(abs(Double(luma) - exact) < 0.51)
    }
  }

  @Test func arbitraryMaps() throws {
    let text = "P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    #expect(samples(try decode(Array(text.utf8) + [1, 2, 3, 4, 5, 6, 7, 8])) == [1, 2, 3, 5, 6, 7])
    let gray = "P7\nWIDTH 1\nHEIGHT 2\n# two samples\nDEPTH 2\nMAXVAL 15\nENDHDR\n"
    #expect(samples(try decode(Array(gray.utf8) + [15, 1, 3, 2])) == [255, 255, 255, 51, 51, 51])
  }

  @Test(arguments: ["RGB", "Grayscale"]) func whatCannotBeDecodedIsAnEmptyImage(_ format: String) throws {
    let empty = [0, 0, format == "RGB" ? 3 : 1]
    for bytes in [[], [1, 2, 3], Array("GIF89a".utf8), Array("BM".utf8), Array("P6 3".utf8)] as [[UInt8]] {
      #expect(try decode(bytes, as: format).shape == empty)
    }
    // A JPEG may end with its pixels; every other file that loses its second half has none.
    for fixture in ImageFixture.all where !fixture.name.contains("text") {
      #expect(
        try decode(Array(fixture.bytes.prefix(fixture.bytes.count / 2)), as: format).shape == empty, "\(fixture.name)")
    }
  }

  /// Changed bytes end in an image, in an empty one or in an error of size, and in nothing else.
  @Test(arguments: ImageFixture.all) func changedBytesAreHarmless(_ fixture: ImageFixture) throws {
    var state: UInt64 = 42
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for _ in 0..<150 {
      var bytes = fixture.bytes
      for _ in 0...random(4) {
        switch random(4) {
        case 0: bytes[random(bytes.count)] = UInt8(random(256))
        case 1: bytes[random(bytes.count)] ^= UInt8(1 << random(8))
        case 2: bytes[random(bytes.count)] = 255
        default: bytes.removeLast(min(bytes.count - 1, random(8)))
        }
      }
      do {
        let image = try decode(bytes)
        #expect(image.rank == 3)
      } catch let error as CameoError { #expect(error.kind == .limit, "\(fixture.name): \(error)") }
    }
  }

  @Test func hugeSizesAskTheMemoryBudgetFirst() throws {
    // 2^31 - 1 pixels a side in a file of a few bytes: by the library's own limit, or by the budget.
    var png = try #require(ImageFixture.all.first { $0.name == "png" }).bytes
    png.replaceSubrange(16..<24, with: [0x00, 0x0f, 0x42, 0x40, 0x00, 0x0f, 0x42, 0x40])
    png.replaceSubrange(29..<33, with: [0xab, 0x2e, 0xc5, 0xb5])
    let pgm = Array("P5 2000000000 2000000000 255\n".utf8) + [1, 2, 3]
    for bytes in [png, pgm] {
      do { #expect(try decode(bytes).shape == [0, 0, 3]) } catch let error as CameoError {
        #expect(error.kind == .limit)
      }
    }
  }

  @Test func wrongPixelFormatsAndStreams() throws {
    let error = try failure(
      "g (uint8[1] x) => (uint8[] y) { y = ImageDecoder <pixel_format = \"RGBA\"> (x) }", ["uint8[1] {1}"])
    #expect(error?.description.contains("pixel_format is RGBA") == true)
    let other = try failure("g (uint8[1, 1] x) => (uint8[] y) { y = ImageDecoder (x) }", ["uint8[1, 1] {1}"])
    #expect(other?.kind == .badInput)
  }
}
