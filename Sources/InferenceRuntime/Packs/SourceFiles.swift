import GraphIR
import Tensors

/// The files that a model's constants lie in, numbered, with a digest that tells a changed model apart without reading its weights.
struct SourceFiles: Sendable {
  /// The model's own file first, data files in the order in which constants name them.
  let files: [MappedFile]
  private let numbers: [ObjectIdentifier: Int]

  /// nil where the model was not read from a file.
  init?(_ model: Model) {
    guard let file = model.sourceFile else { return nil }
    var files = [file]
    var numbers = [ObjectIdentifier(file): 0]
    for tensor in Self.constants(of: model) {
      guard let other = tensor.storage.mappedFile, numbers[ObjectIdentifier(other)] == nil else { continue }
      numbers[ObjectIdentifier(other)] = files.count
      files.append(other)
    }
    (self.files, self.numbers) = (files, numbers)
  }

  /// Where a tensor's bytes lie; nil where in none of the files.
  func place(of tensor: Tensor) -> (file: Int, offset: Int)? {
    guard let file = tensor.storage.mappedFile, let number = numbers[ObjectIdentifier(file)] else { return nil }
    return (number, tensor.address - file.base)
  }

  private static func constants(of model: Model) -> [Tensor] {
    var result: [Tensor] = []
    for graph in [model.graph] + model.functions.map(\.body) {
      for id in graph.allValues {
        switch graph[id].constant {
        case .tensor(let tensor): result.append(tensor)
        case .sparse(let sparse): result += [sparse.values, sparse.indices]
        default: break
        }
      }
    }
    return result
  }

  /// A digest over all bytes of the model's file that are no mapped constant's, and over three kilobytes of each constant: its
  /// beginning, middle and end (all of those up to 4 KiB). A change between them is not seen.
  func digest(of model: Model) -> UInt64 {
    var ranges = files.map { _ in [Range<Int>]() }
    for tensor in Self.constants(of: model) where tensor.byteCount > 0 {
      guard let place = place(of: tensor) else { continue }
      ranges[place.file].append(place.offset..<place.offset + tensor.byteCount)
    }
    var digest = Digest64()
    for (number, file) in files.enumerated() {
      let sorted = ranges[number].sorted { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }
      var parts: [(range: Range<Int>, isConstant: Bool)] = []
      var end = 0
      for range in sorted {
        if number == 0, range.lowerBound > end { parts.append((end..<range.lowerBound, false)) }
        parts.append((range, true))
        end = max(end, range.upperBound)
      }
      if number == 0, end < file.byteCount { parts.append((end..<file.byteCount, false)) }
      digest.add(file.byteCount)
      file.readingOnly(
        parts.lazy.flatMap { part -> [Range<Int>] in
          part.isConstant ? Digest64.samples(of: part.range) : [part.range]
        }
      ) {
        for part in parts {
          let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[part.range])
          if part.isConstant { digest.sample(bytes) } else { digest.add(bytes) }
        }
      }
      // What was touched here is not what a run reads.
      file.releasePages()
    }
    return digest.value
  }
}
