import Foundation
import ONNXFormat
import Tensors

/// The public models in the cache, as `Tools/zoo fetch` lists them in zoo.json.
public struct Zoo: Decodable, Sendable {
  public struct Model: Decodable, Sendable {
    public let name: String
    public let path: String
    public let precision: String
    /// Largest max|a-b| / max|a| of an output, beside three times the golden run's own spread.
    public let tolerance: Double
    public let nodes: Int
    public let sets: [Set]
  }

  public struct Set: Decodable, Sendable {
    public let name: String
    public let inputs: String
    public let golden: String
    /// Outputs that came with the model.
    public let shipped: String?
    /// By output: what the golden run's makers differ by among themselves.
    public let spread: [String: Double]
    private let inputTensors: [Port]

    private struct Port: Decodable, Sendable {
      let shape: [Int]
    }

    private enum CodingKeys: String, CodingKey {
      case name, inputs, golden, shipped, spread
      case inputTensors = "input_tensors"
    }

    /// Elements of all inputs: how much there is to compute, among one model's sets.
    public var inputCount: Int { inputTensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }
  }

  public let models: [Model]

  private static let folder = Repository.cache.appending(path: "zoo")

  /// nil where nothing was fetched.
  public static let shared: Zoo? = {
    guard let data = try? Data(contentsOf: folder.appending(path: "zoo.json")) else { return nil }
    return try? JSONDecoder().decode(Zoo.self, from: data)
  }()

  public static func path(_ relative: String) -> String { folder.appending(path: relative).path }

  /// The tensors of one of the zoo's .npz files, by name.
  public static func tensors(_ relative: String) throws -> [String: Tensor] {
    try Dictionary(uniqueKeysWithValues: NumPyFile.readArchive(path: path(relative)).map { ($0.name, $0.tensor) })
  }
}

extension Zoo.Model {
  public var isThere: Bool { FileManager.default.fileExists(atPath: Zoo.path(path)) }
  /// The set with the least to compute.
  public var smallest: [Zoo.Set] { sets.min { $0.inputCount < $1.inputCount }.map { [$0] } ?? [] }
}

extension Zoo {
  /// The models that are there; `CAMEO_ZOO=minilm,light` takes those whose names begin so.
  public static let present: [Model] = {
    let wanted = ProcessInfo.processInfo.environment["CAMEO_ZOO"]?.split(separator: ",")
    return (shared?.models ?? []).filter { model in
      model.isThere && (wanted?.contains { model.name.hasPrefix($0) } ?? true)
    }
  }()
}
