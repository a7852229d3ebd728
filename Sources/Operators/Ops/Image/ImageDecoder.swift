import GraphIR
import Tensors

/// ImageDecoder: BMP, JPEG, JPEG 2000, PNG, PNM, TIFF and WebP to [height, width, channels] of 8 bits.
///
/// A stream that cannot be decoded gives an empty image, as the standard has it; a library that is not there is an error. Alpha
/// is dropped and palettes are resolved. Grayscale is the luma of ITU-R 601, rounded as Pillow rounds it.
struct ImageDecoder: Operator {
  let name = OperatorName("ImageDecoder")

  private enum Pixels: String {
    case rgb = "RGB"
    case bgr = "BGR"
    case grayscale = "Grayscale"

    init(_ attributes: AttributeReader) throws {
      let name = try attributes.string("pixel_format", default: "RGB")
      guard let format = Pixels(rawValue: name) else {
        throw CameoError.badInput("pixel_format is \(name); RGB, BGR or Grayscale was expected")
      }
      self = format
    }

    var channels: Int { self == .grayscale ? 1 : 3 }
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 1...1, of: 0)
    let pixels = try Pixels(context.attributes)
    context.set(0, .uint8, [context.unknownDim(), context.unknownDim(), Dim(pixels.channels)])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let pixels = try Pixels(context.attributes)
    let stream = try context.tensor(0)
    guard stream.dataType == .uint8, stream.rank == 1 else {
      throw CameoError.badInput("the stream is \(stream), uint8 of rank 1 was expected")
    }
    let image = try stream.withUnsafeBytes { bytes in try ImageFormat(bytes)?.decode(bytes) }
    guard let image else { return [.tensor(try Tensor.makeRaw(.uint8, [0, 0, pixels.channels]) { _ in })] }
    return [.tensor(try tensor(image, pixels))]
  }

  private func tensor(_ image: RGBImage, _ pixels: Pixels) throws -> Tensor {
    let count = image.width * image.height
    let rgb = image.pixels
    switch pixels {
    case .rgb: break
    case .bgr:
      for pixel in 0..<count { (rgb[3 * pixel], rgb[3 * pixel + 2]) = (rgb[3 * pixel + 2], rgb[3 * pixel]) }
    case .grayscale:
      return try withExtendedLifetime(image.storage) {
        try Tensor.makeRaw(.uint8, [image.height, image.width, 1]) { out in
          for pixel in 0..<count {
            let (r, g, b) = (Int(rgb[3 * pixel]), Int(rgb[3 * pixel + 1]), Int(rgb[3 * pixel + 2]))
            // 0.299, 0.587 and 0.114 in 16 bits.
            out[pixel] = UInt8((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16)
          }
        }
      }
    }
    return try Tensor(dataType: .uint8, shape: [image.height, image.width, 3], storage: image.storage)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ImageDecoder(), to: $0) })
