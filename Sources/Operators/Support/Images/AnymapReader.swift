import Tensors

/// Portable anymaps: PBM, PGM and PPM as text (P1 to P3) and as bytes (P4 to P6), and PAM (P7). Samples are scaled to 8 bits.
struct AnymapReader {
  private let data: ImageBytes
  private var place = 2

  init(_ bytes: UnsafeRawBufferPointer) { data = ImageBytes(bytes: bytes) }

  /// Throws `.badInput` where the file is broken, `.limit` past the memory budget.
  mutating func image() throws -> RGBImage {
    let kind = Int(try data.byte(1)) - 48
    if kind == 7 { return try arbitraryMap() }
    let width = try number()
    let height = try number()
    let largest = kind == 1 || kind == 4 ? 1 : try number()
    guard (1...65535).contains(largest) else { throw CameoError.badInput("samples up to \(largest)") }
    let channels = kind == 3 || kind == 6 ? 3 : 1
    if kind >= 4 { place += 1 }
    try check(width, height, channels, bytes: kind == 4 ? 0 : kind >= 5 && largest > 255 ? 2 : 1)
    if kind == 4 { return try bits(width, height) }
    let image = try RGBImage(width: width, height: height)
    for y in 0..<height {
      for x in 0..<width {
        var pixel = (UInt8(0), UInt8(0), UInt8(0))
        func sample() throws -> UInt8 {
          let value = kind == 1 ? try digit() : kind < 4 ? try number() : try binary(largest)
          return AnymapReader.scaled(kind == 1 ? 1 - value : value, largest)
        }
        pixel.0 = try sample()
        (pixel.1, pixel.2) = channels == 3 ? (try sample(), try sample()) : (pixel.0, pixel.0)
        image.set(x, y, pixel.0, pixel.1, pixel.2)
      }
    }
    return image
  }

  /// What the samples need at least is there: checked before memory is taken. `bytes` 0: eight samples a byte.
  private func check(_ width: Int, _ height: Int, _ channels: Int, bytes: Int) throws {
    let samples = try Tensor.elementCount([width, height, channels])
    let rest = data.bytes.count - place
    let needed =
      bytes == 0
      ? try Tensor.elementCount([height, (width + 7) / 8]) : samples.multipliedReportingOverflow(by: bytes).partialValue
    guard width > 0, height > 0, needed <= rest else { throw CameoError.badInput("the image ends early") }
  }

  private static func scaled(_ value: Int, _ largest: Int) -> UInt8 {
    largest == 255 ? UInt8(min(value, 255)) : UInt8((min(value, largest) * 255 + largest / 2) / largest)
  }

  private mutating func binary(_ largest: Int) throws -> Int {
    let first = Int(try data.byte(place))
    place += 1
    if largest < 256 { return first }
    let second = Int(try data.byte(place))
    place += 1
    return first << 8 | second
  }

  /// Skips white space and comments, which end with the line.
  private mutating func skipSpace() throws {
    while true {
      let byte = try data.byte(place)
      if byte == UInt8(ascii: "#") {
        while try data.byte(place) != 10 { place += 1 }
      } else if byte == 32 || (9...13).contains(byte) {
        place += 1
      } else {
        return
      }
    }
  }

  private mutating func number() throws -> Int {
    try skipSpace()
    var value = 0
    var digits = 0
    while place < data.bytes.count, (48...57).contains(data.bytes[place]) {
      value = value * 10 + Int(data.bytes[place]) - 48
      digits += 1
      place += 1
      guard value < 1 << 31 else { throw CameoError.badInput("a number that is too large") }
    }
    guard digits > 0 else { throw CameoError.badInput("a number is missing") }
    return value
  }

  /// One sample of P1: digits need no space between them.
  private mutating func digit() throws -> Int {
    try skipSpace()
    let byte = try data.byte(place)
    place += 1
    guard byte == 48 || byte == 49 else { throw CameoError.badInput("a bit that is neither 0 nor 1") }
    return Int(byte) - 48
  }

  /// P4: eight pixels a byte, the first one highest; 1 is black.
  private func bits(_ width: Int, _ height: Int) throws -> RGBImage {
    let image = try RGBImage(width: width, height: height)
    for y in 0..<height {
      for x in 0..<width {
        let byte = try data.byte(place + y * ((width + 7) / 8) + x / 8)
        let value: UInt8 = byte >> UInt8(7 - x % 8) & 1 == 1 ? 0 : 255
        image.set(x, y, value, value, value)
      }
    }
    return image
  }

  /// P7: a header of named lines, then samples as bytes.
  private mutating func arbitraryMap() throws -> RGBImage {
    var (width, height, channels, largest) = (0, 0, 0, 0)
    while true {
      try skipSpace()
      var name: [UInt8] = []
      while try !(9...13).contains(data.byte(place)) && data.byte(place) != 32 {
        name.append(try data.byte(place))
        place += 1
        guard name.count < 16 else { throw CameoError.badInput("a header line that is too long") }
      }
      switch String(decoding: name, as: UTF8.self) {
      case "WIDTH": width = try number()
      case "HEIGHT": height = try number()
      case "DEPTH": channels = try number()
      case "MAXVAL": largest = try number()
      case "TUPLTYPE": while try data.byte(place) != 10 { place += 1 }
      case "ENDHDR":
        place += 1
        return try arbitraryPixels(width, height, channels, largest)
      default: throw CameoError.badInput("an unknown header line")
      }
    }
  }

  private mutating func arbitraryPixels(_ width: Int, _ height: Int, _ channels: Int, _ largest: Int) throws -> RGBImage
  {
    guard (1...4).contains(channels), (1...65535).contains(largest) else {
      throw CameoError.badInput("\(channels) samples up to \(largest)")
    }
    try check(width, height, channels, bytes: largest > 255 ? 2 : 1)
    let image = try RGBImage(width: width, height: height)
    for y in 0..<height {
      for x in 0..<width {
        var samples: (UInt8, UInt8, UInt8) = (0, 0, 0)
        for channel in 0..<channels {
          let value = AnymapReader.scaled(try binary(largest), largest)
          switch channel {
          case 0: samples = (value, value, value)
          case 1 where channels > 2: samples.1 = value
          case 2: samples.2 = value
          default: break
          }
        }
        image.set(x, y, samples.0, samples.1, samples.2)
      }
    }
    return image
  }
}
