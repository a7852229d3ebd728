import Tensors

/// Windows and OS/2 bitmaps: 1, 2, 4, 8, 16, 24 and 32 bits a pixel, bit fields, run lengths of 4 and 8 bits, either row order.
struct BitmapReader {
  private let data: ImageBytes
  private var bits = 0
  private var compression = 0
  private var width = 0
  private var height = 0
  private var isTopDown = false
  private var palette: [(red: UInt8, green: UInt8, blue: UInt8)] = []
  private var masks: [UInt32] = []
  private var start = 0

  init(_ bytes: UnsafeRawBufferPointer) { data = ImageBytes(bytes: bytes) }

  /// Throws `.badInput` where the file is broken or of an unknown kind, `.limit` past the memory budget.
  mutating func image() throws -> RGBImage {
    try readHeader()
    switch compression {
    case 0, 3, 6:
      // A row that is not there cannot be read: checked before memory is taken for it.
      guard height <= data.bytes.count / max(1, rowBytes) else { throw CameoError.badInput("the image ends early") }
      return try packed()
    case 1 where bits == 8, 2 where bits == 4: return try runLengths()
    default: throw CameoError.badInput("compression \(compression) of \(bits) bits")
    }
  }

  private var rowBytes: Int { (width * bits + 31) / 32 * 4 }

  private mutating func readHeader() throws {
    start = try data.unsigned(10, 4)
    let headerSize = try data.unsigned(14, 4)
    var entry = 4
    var used = 0
    if headerSize == 12 {
      width = try data.unsigned(18, 2)
      height = try data.unsigned(20, 2)
      bits = try data.unsigned(24, 2)
      entry = 3
    } else {
      guard headerSize >= 16, headerSize < 1 << 16 else { throw CameoError.badInput("a header of \(headerSize) bytes") }
      width = try data.signed(18)
      height = try data.signed(22)
      bits = try data.unsigned(28, 2)
      if headerSize >= 20 { compression = try data.unsigned(30, 4) }
      if headerSize >= 36 { used = try data.unsigned(46, 4) }
      isTopDown = height < 0
      height = abs(height)
    }
    guard width > 0, height > 0, [1, 2, 4, 8, 16, 24, 32].contains(bits) else {
      throw CameoError.badInput("\(width) x \(height) pixels of \(bits) bits")
    }
    try readMasks(headerSize)
    if bits <= 8 {
      let count = used > 0 ? min(used, 1 << bits) : 1 << bits
      let table = 14 + headerSize + (headerSize == 40 && compression == 3 ? 12 : 0)
      for index in 0..<count {
        let place = table + index * entry
        // A short table is cut by the pixels.
        if start > table, place + entry > start { break }
        palette.append((try data.byte(place + 2), try data.byte(place + 1), try data.byte(place)))
      }
    }
  }

  private mutating func readMasks(_ headerSize: Int) throws {
    guard bits == 16 || bits == 32 else { return }
    if compression == 3 || compression == 6 {
      for index in 0..<3 { masks.append(UInt32(try data.unsigned(54 + 4 * index, 4))) }
    } else {
      masks = bits == 16 ? [0x7c00, 0x03e0, 0x001f] : [0xff_0000, 0xff00, 0xff]
    }
  }

  private func color(_ index: Int) throws -> (red: UInt8, green: UInt8, blue: UInt8) {
    guard index < palette.count else { throw CameoError.badInput("colour \(index) of \(palette.count)") }
    return palette[index]
  }

  private static func channel(_ pixel: UInt32, _ mask: UInt32) -> UInt8 {
    if mask == 0 { return 0 }
    let value = Int((pixel & mask) >> UInt32(mask.trailingZeroBitCount))
    let largest = Int(mask >> UInt32(mask.trailingZeroBitCount))
    return UInt8(value * 255 / largest)
  }

  private func packed() throws -> RGBImage {
    let image = try RGBImage(width: width, height: height)
    for row in 0..<height {
      let y = isTopDown ? row : height - 1 - row
      let base = start + row * rowBytes
      for x in 0..<width {
        switch bits {
        case 24:
          let place = base + 3 * x
          image.set(x, y, try data.byte(place + 2), try data.byte(place + 1), try data.byte(place))
        case 16, 32:
          let pixel = UInt32(try data.unsigned(base + bits / 8 * x, bits / 8))
          image.set(
            x, y, BitmapReader.channel(pixel, masks[0]), BitmapReader.channel(pixel, masks[1]),
            BitmapReader.channel(pixel, masks[2]))
        default:
          let byte = try data.byte(base + x * bits / 8)
          let shift = 8 - bits - x * bits % 8
          let color = try color(Int(byte) >> shift & (1 << bits - 1))
          image.set(x, y, color.red, color.green, color.blue)
        }
      }
    }
    return image
  }

  /// Runs of one or two colours, literal stretches, jumps. What is jumped over has colour 0.
  private func runLengths() throws -> RGBImage {
    // A byte pair makes at most 255 pixels, or jumps past whole rows: more rows than bytes are no image.
    guard width <= 1 << 20, height <= max(1, data.bytes.count) else {
      throw CameoError.badInput("the image ends early")
    }
    let image = try RGBImage(width: width, height: height)
    let background = try color(0)
    for y in 0..<height { for x in 0..<width { image.set(x, y, background.red, background.green, background.blue) } }
    var (x, row, place) = (0, 0, start)
    func put(_ index: Int) throws {
      guard x < width, row < height else { return }
      let color = try color(index)
      image.set(x, isTopDown ? row : height - 1 - row, color.red, color.green, color.blue)
      x += 1
    }
    while row < height {
      let count = Int(try data.byte(place))
      let value = Int(try data.byte(place + 1))
      place += 2
      if count > 0 {
        for i in 0..<count { try put(bits == 8 ? value : i % 2 == 0 ? value >> 4 : value & 15) }
        continue
      }
      switch value {
      case 0: (x, row) = (0, row + 1)
      case 1: return image
      case 2:
        x += Int(try data.byte(place))
        row += Int(try data.byte(place + 1))
        place += 2
      default:
        for i in 0..<value {
          let byte = Int(try data.byte(place + (bits == 8 ? i : i / 2)))
          try put(bits == 8 ? byte : i % 2 == 0 ? byte >> 4 : byte & 15)
        }
        let bytes = bits == 8 ? value : (value + 1) / 2
        place += bytes + bytes % 2
      }
    }
    return image
  }
}
