import Foundation
import TestSupport
import Testing

@testable import CUDAProvider

@Suite struct KernelCacheTests {
  private let image = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }

  @Test func givesBackWhatItKeeps() throws {
    try withFolder { folder in
      let cache = KernelCache(folder: folder + "/x")
      #expect(cache.image(for: "a") == nil)
      try cache.keep(image, for: "a")
      try cache.keep([], for: "b")
      #expect(cache.image(for: "a") == image)
      #expect(cache.image(for: "b") == [])
      try cache.keep([1], for: "a")
      #expect(cache.image(for: "a") == [1])
    }
  }

  @Test func aDamagedFileCountsAsNone() throws {
    try withFolder { folder in
      let cache = KernelCache(folder: folder)
      try cache.keep(image, for: "key")
      let url = URL(fileURLWithPath: cache.path(for: "key"))
      let whole = try Data(contentsOf: url)
      for count in [0, 1, 31, 32, 35, whole.count - 1] {
        try whole.prefix(count).write(to: url)
        #expect(cache.image(for: "key") == nil, "\(count) bytes of \(whole.count)")
      }
      try (whole + [0]).write(to: url)
      #expect(cache.image(for: "key") == nil)
      // Of each word, the key, and the image.
      for place in [0, 8, 15, 16, 23, 24, 32, 34, 35, whole.count - 1] {
        var bytes = whole
        bytes[place] ^= 0x81
        try bytes.write(to: url)
        #expect(cache.image(for: "key") == nil, "byte \(place)")
      }
      try whole.write(to: url)
      #expect(cache.image(for: "key") == image)
    }
  }

  @Test func keysOfOneDigestAreToldApart() throws {
    try withFolder { folder in
      let cache = KernelCache(folder: folder)
      try cache.keep(image, for: "one")
      try FileManager.default.moveItem(atPath: cache.path(for: "one"), toPath: cache.path(for: "two"))
      #expect(cache.image(for: "two") == nil)
    }
  }
}
