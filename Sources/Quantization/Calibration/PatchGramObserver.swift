import Operators
import Tensors

/// The mean of p p^T over the patches p of an image that a convolution's filters multiply, for each group: what rounding a filter's numbers
/// costs depends on it.
///
/// Images are [N, C, spatial..] with one or two spatial axes. Holds groups * depth^2 float32, depth = C / groups * taps, whatever the
/// number of samples. Of an image at most `positions(depth)` patches, evenly spread, are looked at.
final class PatchGramObserver: ValueObserver {
  /// The window on each of two spatial axes.
  struct Window {
    let groups: Int
    let kernel: [Int]
    let strides: [Int]
    let dilations: [Int]
    let padsBegin: [Int]
    let padsEnd: [Int]
    var taps: Int { kernel.reduce(1, *) }

    /// Of a Conv whose weights have the shape `weights`; nil for more than two spatial axes and padding that depends on the image.
    init?(_ attributes: AttributeReader, weights: [Int]) throws {
      let rank = weights.count - 2
      guard rank == 1 || rank == 2 else { return nil }
      let mode = try attributes.string("auto_pad", default: "NOTSET")
      guard mode == "NOTSET" || mode == "VALID" || mode.isEmpty else { return nil }
      func list(_ name: String, _ fallback: Int, _ count: Int) throws -> [Int] {
        let given = try attributes.optionalInts(name) ?? []
        return given.count == count ? given : [Int](repeating: fallback, count: count)
      }
      // One axis is the second of two.
      let pads = mode == "VALID" ? [Int](repeating: 0, count: 2 * rank) : try list("pads", 0, 2 * rank)
      let front = [Int](repeating: 1, count: 2 - rank)
      let none = [Int](repeating: 0, count: 2 - rank)
      groups = try attributes.int("group", default: 1)
      kernel = front + weights[2...]
      strides = front + (try list("strides", 1, rank))
      dilations = front + (try list("dilations", 1, rank))
      padsBegin = none + pads[..<rank]
      padsEnd = none + pads[rank...]
      guard groups > 0 else { return nil }
    }
  }

  /// groups * [depth, depth], row-major; empty before the first sample.
  private(set) var grams: [Float] = []
  private(set) var depth = 0
  private(set) var count = 0
  private let window: Window

  init(_ window: Window) { self.window = window }

  func gram(_ group: Int) -> [Float] { Array(grams[group * depth * depth..<(group + 1) * depth * depth]) }

  /// So many that a sample's sums take about 2^28 multiply-adds.
  static func positions(_ depth: Int) -> Int { min(2048, max(64, (1 << 28) / max(1, depth * depth))) }

  func observe(_ tensor: Tensor) throws {
    let spatial = Array(tensor.shape.dropFirst(2))
    guard spatial.count == 1 || spatial.count == 2, tensor.shape[1] % window.groups == 0 else {
      throw CameoError.badInput("\(tensor) is no image of \(window.groups) groups of channels")
    }
    let image = Image(
      view: try ElementView<Float>(tensor), channels: tensor.shape[1],
      size: spatial.count == 1 ? [1] + spatial : spatial)
    let found = image.channels / window.groups * window.taps
    guard depth == 0 || depth == found else {
      throw CameoError.badInput("\(tensor) has patches of \(found) numbers, they had \(depth) before")
    }
    if grams.isEmpty {
      depth = found
      try MemoryBudget.shared.check(
        window.groups * depth * depth * MemoryLayout<Float>.stride, for: "the patches' products")
      grams = [Float](repeating: 0, count: window.groups * depth * depth)
    }
    let output = (0..<2).map { axis in
      let reach = (window.kernel[axis] - 1) * window.dilations[axis] + 1
      return max(
        0,
        (image.size[axis] + window.padsBegin[axis] + window.padsEnd[axis] - reach) / window.strides[axis] + 1)
    }
    let all = tensor.shape[0] * output[0] * output[1]
    guard all > 0, tensor.count > 0 else { return }
    let every = max(1, all / Self.positions(depth))
    // The place within each stretch of `every` wanders, so that no column of the image is preferred.
    let chosen = (0..<all / every).map { $0 * every + $0 * 7919 % every }
    var patches = [Float](repeating: 0, count: chosen.count * depth)
    for group in 0..<window.groups {
      for (row, position) in chosen.enumerated() {
        let (y, x) = (position / output[1] % output[0], position % output[1])
        gather(image, position / (output[0] * output[1]), group, y, x, &patches, row * depth)
      }
      try patches.withUnsafeBufferPointer { patches in
        guard patches.allSatisfy(\.isFinite) else {
          throw CameoError.badInput("\(tensor) holds numbers that are not finite")
        }
        guard let base = patches.baseAddress else { return }
        grams.withUnsafeMutableBufferPointer { grams in
          let part = UnsafeMutableBufferPointer(rebasing: grams[group * depth * depth..<(group + 1) * depth * depth])
          GramObserver.add(base, rows: chosen.count, width: depth, after: count, to: part)
        }
      }
    }
    count += chosen.count
  }

  private struct Image {
    let view: ElementView<Float>
    let channels: Int
    let size: [Int]
  }

  /// The patch of one group at a place of the output; what lies in the padding is 0.
  private func gather(
    _ image: Image, _ item: Int, _ group: Int, _ y: Int, _ x: Int, _ out: inout [Float], _ start: Int
  ) {
    var place = start
    let inputs = image.channels / window.groups
    for channel in group * inputs..<(group + 1) * inputs {
      let plane = (item * image.channels + channel) * image.size[0] * image.size[1]
      for i in 0..<window.kernel[0] {
        let row = y * window.strides[0] + i * window.dilations[0] - window.padsBegin[0]
        for j in 0..<window.kernel[1] {
          let column = x * window.strides[1] + j * window.dilations[1] - window.padsBegin[1]
          let isInside = row >= 0 && row < image.size[0] && column >= 0 && column < image.size[1]
          out[place] = isInside ? image.view[plane + row * image.size[1] + column] : 0
          place += 1
        }
      }
    }
  }
}
