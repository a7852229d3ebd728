internal import CImage
import Tensors

/// A decoded image: 8-bit RGB, rows from the top without gaps.
struct RGBImage {
  let width: Int
  let height: Int
  let storage: TensorStorage

  /// Black. Throws `.badInput` for an empty image, `.limit` past the memory budget.
  init(width: Int, height: Int) throws {
    guard width > 0, height > 0 else { throw CameoError.badInput("an image of \(width) x \(height) pixels") }
    self.width = width
    self.height = height
    storage = try TensorStorage(byteCount: Tensor.elementCount([height, width, 3]))
  }

  var pixels: UnsafeMutablePointer<UInt8> { storage.base.assumingMemoryBound(to: UInt8.self) }

  /// Sets the pixel in column `x` of row `y`, both inside.
  @inline(__always) func set(_ x: Int, _ y: Int, _ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    let pixel = pixels + (y * width + x) * 3
    pixel[0] = red
    pixel[1] = green
    pixel[2] = blue
  }
}

/// The formats of ONNX's ImageDecoder, told by their first bytes.
enum ImageFormat {
  case bmp, pnm
  case library(cimage_format)

  init?(_ bytes: UnsafeRawBufferPointer) {
    func starts(_ prefix: [UInt8], at offset: Int = 0) -> Bool {
      bytes.count >= offset + prefix.count && prefix.indices.allSatisfy { bytes[offset + $0] == prefix[$0] }
    }
    if starts([0xff, 0xd8, 0xff]) {
      self = .library(CIMAGE_JPEG)
    } else if starts([0x89, 0x50, 0x4e, 0x47]) {
      self = .library(CIMAGE_PNG)
    } else if starts([0x49, 0x49, 42, 0]) || starts([0x4d, 0x4d, 0, 42]) || starts([0x49, 0x49, 43, 0])
      || starts([0x4d, 0x4d, 0, 43])
    {
      self = .library(CIMAGE_TIFF)
    } else if starts(Array("RIFF".utf8)), starts(Array("WEBP".utf8), at: 8) {
      self = .library(CIMAGE_WEBP)
    } else if starts([0, 0, 0, 12, 0x6a, 0x50, 0x20, 0x20]) || starts([0xff, 0x4f, 0xff, 0x51]) {
      self = .library(CIMAGE_JPEG2000)
    } else if starts(Array("BM".utf8)) {
      self = .bmp
    } else if bytes.count > 2, bytes[0] == UInt8(ascii: "P"), (UInt8(ascii: "1")...UInt8(ascii: "7")).contains(bytes[1])
    {
      self = .pnm
    } else {
      return nil
    }
  }

  /// The decoded image; nil where the stream is broken. Throws `.system` where the library for it is not installed, `.limit`
  /// where the image is too large for the memory budget.
  func decode(_ bytes: UnsafeRawBufferPointer) throws -> RGBImage? {
    do {
      switch self {
      case .bmp:
        var reader = BitmapReader(bytes)
        return try reader.image()
      case .pnm:
        var reader = AnymapReader(bytes)
        return try reader.image()
      case .library(let format): return try ImageFormat.decode(bytes, format)
      }
    } catch let error as CameoError where error.kind == .badInput { return nil }
  }

  private final class Result {
    var image: RGBImage?
    var error: CameoError?
  }

  private static func decode(_ bytes: UnsafeRawBufferPointer, _ format: cimage_format) throws -> RGBImage? {
    guard let data = bytes.bindMemory(to: UInt8.self).baseAddress else { return nil }
    let result = Result()
    let context = Unmanaged.passUnretained(result).toOpaque()
    let allocate: cimage_allocate = { context, width, height in
      guard let context else { return nil }
      let result = Unmanaged<Result>.fromOpaque(context).takeUnretainedValue()
      do {
        let image = try RGBImage(width: Int(width), height: Int(height))
        result.image = image
        return image.storage.base
      } catch {
        result.error = error as? CameoError
        return nil
      }
    }
    var message = [CChar](repeating: 0, count: 256)
    let status = withExtendedLifetime(result) {
      cimage_decode(format, data, bytes.count, MemoryBudget.shared.limit, allocate, context, &message)
    }
    let reason = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    switch status {
    case CIMAGE_OK: return result.image
    case CIMAGE_MISSING: throw CameoError.system("decoding this image needs \(reason), which cannot be loaded")
    case CIMAGE_LIMIT: throw result.error ?? CameoError.limit("\(reason) passes the memory budget")
    default: return nil
    }
  }
}

/// Numbers out of a byte buffer; past its end `.badInput` is thrown.
struct ImageBytes {
  let bytes: UnsafeRawBufferPointer

  func byte(_ offset: Int) throws -> UInt8 {
    guard offset >= 0, offset < bytes.count else { throw CameoError.badInput("the image ends early") }
    return bytes[offset]
  }

  /// Little-endian, 2 or 4 bytes.
  func unsigned(_ offset: Int, _ count: Int) throws -> Int {
    var value = 0
    for i in 0..<count { value |= Int(try byte(offset + i)) << (8 * i) }
    return value
  }

  func signed(_ offset: Int) throws -> Int { Int(Int32(truncatingIfNeeded: try unsigned(offset, 4))) }
}
