import Testing

@testable import CUDAProvider

/// What the host works out for convolutions.
@Suite struct ConvShapeTests {
  private func shape(_ channels: Int, _ filters: Int, side: Int, kernel: Int, stride: Int, batch: Int = 1) -> ConvShape
  {
    let out = (side + 2 * (kernel / 2) - kernel) / stride + 1
    var shape = ConvShape(
      batch: batch, groups: 1, channels: channels, filters: filters, input: [1, side, side], output: [1, out, out],
      kernel: [1, kernel, kernel], strides: [1, stride, stride], dilations: [1, 1, 1])
    shape.before = [0, kernel / 2, kernel / 2]
    shape.after = shape.before
    return shape
  }

  @Test func divisionByAMultiplicationIsExact() {
    for divisor in [1, 2, 3, 5, 7, 49, 56, 641, 3136, 50176, 65537, (1 << 30) + 1, (1 << 31) - 1] {
      var parameters = ParameterBytes()
      parameters.add(divisor: divisor)
      guard case .bytes(let bytes, _) = parameters.argument else { continue }
      let words = bytes.withUnsafeBytes { raw in
        (0..<3).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) }
      }
      #expect(Int(words[0]) == divisor)
      let edges = [0, 1, divisor - 1, divisor, 2 * divisor - 1, 2 * divisor, (1 << 31) - divisor, (1 << 31) - 1]
      for value in edges + (0..<1000).map({ $0 * 2_146_007 }) where (0..<1 << 31).contains(value) {
        let quotient = words[1] == 0 ? value : ((value * Int(words[1])) >> 32) >> Int(words[2])
        #expect(quotient == value / divisor, "\(value) / \(divisor)")
      }
    }
  }

  /// A line of three-channel pixels, its window moved by two pixels: the same sums as of pairs of pixels.
  @Test(arguments: [1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3]) func pairsOfPixelsGiveTheSameSums(kernel: Int, before: Int) {
    for width in [7, 8, 13] where width + before >= kernel {
      let out = (width + before - kernel) / 2 + 1
      var shape = ConvShape(
        batch: 1, groups: 1, channels: 3, filters: 1, input: [1, 1, width], output: [1, 1, out],
        kernel: [1, 1, kernel],
        strides: [1, 1, 2], dilations: [1, 1, 1])
      shape.before[2] = before
      let image = (0..<width * 3).map { Float(($0 * 7 + 3) % 11) }
      let filter = (0..<3 * kernel).map { Float(($0 * 5 + 1) % 13) }
      let pairs = ConvPairs(shape)
      var paired = shape
      pairs.apply(to: &paired)
      var packed = [Float](repeating: -1, count: paired.kernel[2] * 8)
      packed.withUnsafeMutableBytes { bytes in
        guard let base = bytes.baseAddress else { return }
        pairs.pack(filter, to: base, ConvElement(code: 2), filters: 1, channels: 3)
      }
      for position in 0..<out {
        var (plain, sum): (Float, Float) = (0, 0)
        for tap in 0..<kernel {
          let pixel = position * 2 - before + tap
          guard (0..<width).contains(pixel) else { continue }
          for channel in 0..<3 { plain += image[pixel * 3 + channel] * filter[channel * kernel + tap] }
        }
        for tap in 0..<paired.kernel[2] {
          let pair = position * paired.strides[2] - paired.before[2] + tap
          guard (0..<paired.input[2]).contains(pair) else { continue }
          for place in 0..<8 where place % 4 < 3 && pair * 2 + place / 4 < width {
            sum += image[(pair * 2 + place / 4) * 3 + place % 4] * packed[tap * 8 + place]
          }
        }
        #expect(plain == sum, "kernel \(kernel), before \(before), width \(width), position \(position)")
      }
    }
  }

  @Test func tilesFitTheDeviceAndAreTold() {
    let hopper = ConvTile.Device(multiprocessors: 132, hasWarpgroups: true, hasClusters: true)
    let ampere = ConvTile.Device(multiprocessors: 108, hasWarpgroups: false, hasClusters: false)
    for (channels, filters, side, kernel, stride) in [
      (64, 64, 56, 3, 1), (64, 256, 56, 1, 1), (512, 512, 7, 3, 1), (2048, 512, 7, 1, 1), (8, 64, 224, 7, 2),
      (16, 8, 5, 1, 1),
    ] {
      for (batch, element) in [
        (1, ConvElement.half), (64, .half), (1, ConvElement(code: 2)), (64, ConvElement(code: 2)),
      ] {
        let shape = shape(channels, filters, side: side, kernel: kernel, stride: stride, batch: batch)
        for device in [hopper, ampere] {
          let tiles = ConvTile.candidates(shape, element, device)
          #expect(!tiles.isEmpty)
          #expect(Set(tiles.map(\.text)).count == tiles.count)
          for tile in tiles {
            #expect(tile.sharedBytes <= 160 << 10)
            #expect(device.hasClusters || tile.splits == 1)
            #expect(!tile.isWarpgroup || device.hasWarpgroups && element.code < 2)
            #expect(tile.m % tile.splits == 0 && tile.n / tile.warpsN % 16 == 0)
          }
        }
      }
    }
    // A small image with deep sums: eight blocks share a tile.
    #expect(ConvTile.candidates(shape(512, 512, side: 7, kernel: 3, stride: 1), .half, hopper)[0].splits == 8)
  }
}
