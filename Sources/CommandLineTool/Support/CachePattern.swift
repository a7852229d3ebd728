import ArgumentParser
import Cameo
import InferenceRuntime
import Tensors

/// `past.*.key=present.*.key`: inputs and the outputs that are written in their place.
struct CachePattern: ExpressibleByArgument, Sendable {
  let past: String
  let present: String
  /// Rows that are free behind those of the input.
  static let spareRows = 256

  init?(argument: String) {
    let sides = argument.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
    guard sides.count == 2, sides.allSatisfy({ !$0.isEmpty && $0.filter { $0 == "*" }.count <= 1 }),
      sides[0].contains("*") == sides[1].contains("*")
    else { return nil }
    (past, present) = (sides[0], sides[1])
  }

  /// The text that the star of `pattern` stands for in `name`; nil where the name is another.
  private static func star(_ pattern: String, _ name: String) -> String? {
    guard let place = pattern.firstIndex(of: "*") else { return pattern == name ? "" : nil }
    let (head, tail) = (pattern[..<place], pattern[pattern.index(after: place)...])
    guard name.count >= head.count + tail.count, name.hasPrefix(head), name.hasSuffix(tail) else { return nil }
    return String(name.dropFirst(head.count).dropLast(tail.count))
  }

  /// The caches that the patterns name. Throws where a pattern names none.
  static func caches(_ patterns: [CachePattern], _ session: Session, _ shapes: [String: [Int]]) throws -> [CacheInPlace]
  {
    var result: [CacheInPlace] = []
    for pattern in patterns {
      let known = result.count
      for input in session.inputs {
        guard let text = star(pattern.past, input.name), let shape = shapes[input.name], shape.count >= 2 else {
          continue
        }
        result.append(
          CacheInPlace(
            past: input.name,
            present: pattern.present.split(separator: "*", omittingEmptySubsequences: false).joined(
              separator: text), capacity: shape[shape.count - 2] + spareRows))
      }
      guard result.count > known else {
        throw CameoError.badInput("--in-place: the model has no input \(pattern.past)")
      }
    }
    return result
  }

  /// The rows of `past` in memory with room for `capacity` of them.
  static func memory(_ past: Tensor, capacity: Int) throws -> Tensor {
    let rows = past.shape[past.rank - 2]
    var shape = past.shape
    shape[past.rank - 2] = capacity
    let line = past.shape[past.rank - 1] * past.dataType.bitWidth / 8
    return try Tensor.makeRaw(past.dataType, shape) { bytes in
      past.withUnsafeBytes { source in
        guard rows * line > 0 else { return }
        for head in 0..<source.count / (rows * line) {
          UnsafeMutableRawBufferPointer(rebasing: bytes[(head * capacity * line)...]).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: source[(head * rows * line)..<((head + 1) * rows * line)]))
        }
      }
    }
  }
}
