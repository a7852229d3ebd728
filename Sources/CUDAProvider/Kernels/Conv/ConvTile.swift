/// A tile of conv_mma.cu, and how blocks share it.
struct ConvTile: Hashable, Sendable {
  var m: Int
  var n: Int
  var warpsM: Int
  var warpsN: Int
  var stages: Int
  /// Blocks that share a tile's depth.
  var splits = 1
  var isWarpgroup = false

  init(_ m: Int, _ n: Int, _ warpsM: Int, _ warpsN: Int, _ stages: Int, splits: Int = 1, isWarpgroup: Bool = false) {
    (self.m, self.n, self.warpsM, self.warpsN, self.stages) = (m, n, warpsM, warpsN, stages)
    (self.splits, self.isWarpgroup) = (splits, isWarpgroup)
  }

  var threads: Int { 32 * warpsM * warpsN }
  var sharedBytes: Int { max(stages * (m + n) * 128, m * (n + 8) * 4) }
  var text: String { "\(isWarpgroup ? "w" : "")\(m)x\(n) \(stages)/\(splits)" }

  /// What a device offers to a convolution.
  struct Device: Sendable {
    var multiprocessors: Int
    /// Products of warpgroups.
    var hasWarpgroups: Bool
    var hasClusters: Bool
  }

  /// The tile that suits, by measurements on an H200, and others that may be faster, the first the favourite.
  static func candidates(_ shape: ConvShape, _ element: ConvElement, _ device: Device) -> [ConvTile] {
    let steps = (shape.taps * shape.channels * element.size + 127) / 128
    func count(_ m: Int, _ n: Int) -> Int {
      (shape.rows + m - 1) / m * ((shape.filters + n - 1) / n) * shape.groups
    }
    let isFast = device.hasWarpgroups && element.code < 2
    let most = device.multiprocessors
    var tiles: [ConvTile] = []
    func add(_ m: Int, _ n: Int, stages: Int, splits: Int = 1) {
      if isFast {
        tiles.append(ConvTile(m, n, m >= 128 ? 8 : 4, 1, stages, splits: splits, isWarpgroup: true))
      } else if m >= 128 {
        tiles.append(ConvTile(128, min(n, 128), 2, n >= 128 ? 4 : 2, n >= 128 ? 3 : 4, splits: splits))
      } else {
        tiles.append(ConvTile(64, min(n, 64), 2, 2, min(stages, 4), splits: splits))
      }
    }
    if shape.filters > 64, count(128, 128) >= most, steps > 2 {
      if count(128, 128) * 2 >= 5 * most || steps > 8 { add(128, 128, stages: 3) }
      add(64, 128, stages: 3)
      add(128, 128, stages: 3)
      add(64, 64, stages: 4)
    } else if shape.filters <= 64, count(128, 64) >= 2 * most, steps > 2 {
      add(128, 64, stages: 4)
      add(64, 64, stages: 4)
    } else if count(64, 64) > most, steps <= 2 {
      add(64, 64, stages: 2)
      add(128, 64, stages: 2)
      if shape.filters > 64 { add(64, 128, stages: 2) }
    } else {
      let small = count(64, 64)
      var splits = 1
      while device.hasClusters, splits < 8, small * splits * 2 <= most * 11 / 10, steps >= splits * 8 { splits *= 2 }
      if splits == 1, small * 10 <= most * 8 { add(64, 32, stages: 5) }
      add(64, 64, stages: 4, splits: splits)
      if splits > 1 { add(64, 64, stages: 4, splits: splits / 2) }
      if device.hasClusters, splits < 8, steps >= splits * 4 { add(64, 64, stages: 4, splits: splits * 2) }
      add(64, 32, stages: 5, splits: splits)
    }
    return tiles.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }
}
