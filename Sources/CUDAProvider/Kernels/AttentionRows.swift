import InferenceRuntime
import Tensors

/// Rows of heads copied from one place to another, from one type of float to another, and rotated, by attention_rows.
struct AttentionRows {
  struct Side {
    var place: Launch.Argument
    var type: DataType
    var strides: AttentionProblem.Strides
    /// Rows, from the first one on, that are not meant.
    var skipped = 0
    var isAligned = true
  }

  /// How RotaryEmbedding rotates.
  struct Rotation {
    var cosines: Launch.Argument
    var sines: Launch.Argument
    var positions: Launch.Argument?
    /// Rows of angles from one batch item to the next.
    var batch: Int
    /// Pairs of a head that are rotated.
    var half: Int
    var type: DataType
    var isInterleaved: Bool
    var tableRows: Int

    /// Rotation of attention_rows.cu.
    var arguments: [Launch.Argument] {
      var bytes = PackedBytes()
      let type = AttentionProblem.Element(type)?.rawValue ?? 2
      for value in [batch, half, type, isInterleaved ? 1 : 0, tableRows, 0] { bytes.append(Int32(value)) }
      return [cosines, sines, positions ?? .int64(0), .bytes(bytes.bytes, alignment: 8)]
    }
  }

  struct Job {
    var from: Side
    var to: Side
    var batch: Int
    var heads: Int
    var rows: Int
    var size: Int
    var rotation: Rotation?

    /// Eight elements at once.
    var isWide: Bool {
      [from, to].allSatisfy { side in
        let strides = side.strides
        return side.isAligned && [strides.batch, strides.head, strides.row].allSatisfy { $0 % 8 == 0 }
      } && size % 8 == 0 && (rotation?.half ?? 0) % 8 == 0
    }

    var steps: Int { batch * heads * rows * (isWide ? size / 8 : size) }

    /// RowsJob of attention_rows.cu.
    var arguments: [Launch.Argument] {
      var bytes = PackedBytes()
      for side in [from, to] {
        for stride in [side.strides.batch, side.strides.head, side.strides.row] { bytes.append(Int64(stride)) }
      }
      let types = [from, to].map { AttentionProblem.Element($0.type)?.rawValue ?? 2 }
      for value in [batch, heads, rows, size] + types + [isWide ? 1 : 0, rotation == nil ? 0 : 1] {
        bytes.append(Int32(value))
      }
      return [from, to].map { side in
        let width = side.type == .float ? 4 : 2
        return side.place.moved(by: side.skipped * side.strides.row * width)
      } + [.bytes(bytes.bytes, alignment: 8)]
    }
  }

  /// Jobs of one launch (JOBS).
  private static let most = 4
  private static let jobBytes = 96
  private static let rotationBytes = 48

  /// As few launches as there can be; none depends on another.
  static func launches(_ jobs: [Job], _ request: CUDARequest) throws -> [Launch] {
    let jobs = jobs.filter { $0.steps > 0 }
    guard jobs.allSatisfy({ $0.steps < 1 << 31 }) else { throw Refusal("more than 2^31 elements to be moved") }
    guard !jobs.isEmpty else { return [] }
    let function = try request.function(
      "attention_rows", in: ["elements.cuh", "attention_rows.cu"], macros: ["JOBS": most])
    return stride(from: 0, to: jobs.count, by: most).map { first in
      let part = jobs[first..<min(jobs.count, first + most)]
      let steps = part.map(\.steps).max() ?? 0
      let blocks = min(ceilDivide(steps, 256), 8 * request.context.info.multiprocessors)
      let rest = [UInt8](repeating: 0, count: (most - part.count) * jobBytes)
      let rotation =
        part.lazy.compactMap(\.rotation).first?.arguments
        ?? [.bytes([UInt8](repeating: 0, count: rotationBytes), alignment: 8)]
      return Launch(
        function, grid: LaunchSize(blocks, part.count), block: LaunchSize(256),
        part.flatMap(\.arguments) + (rest.isEmpty ? [] : [.bytes(rest, alignment: 8)]) + rotation)
    }
  }
}

/// A struct's bytes, each member placed as C places it.
struct PackedBytes {
  private(set) var bytes: [UInt8] = []

  mutating func append<T: BitwiseCopyable>(_ value: T) {
    while bytes.count % MemoryLayout<T>.alignment != 0 { bytes.append(0) }
    withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
  }
}

extension Launch.Argument {
  /// The place `bytes` further.
  func moved(by bytes: Int) -> Launch.Argument {
    switch self {
    case .input(let index, let offset): .input(index, offset: offset + bytes)
    case .output(let index, let offset): .output(index, offset: offset + bytes)
    case .scratch(let offset): .scratch(offset: offset + bytes)
    case .resident(let storage, let offset): .resident(storage, offset: offset + bytes)
    default: self
    }
  }
}
