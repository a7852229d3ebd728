import Cameo
import ONNXFormat
import Tensors

/// Writes a run's outputs: an .npz file, or a folder of .npy files.
enum OutputFiles {
  /// Sequences become one array for each element, `NAME.0`, `NAME.1`; empty optionals are left out.
  static func write(_ values: [(name: String, value: Value)], to path: String) throws {
    var arrays: [(name: String, tensor: Tensor)] = []
    for (name, value) in values { try collect(name, value, &arrays) }
    if path.hasSuffix(".npz") { return try NumPyFile.writeArchive(arrays, to: path) }
    try Folder.make(path)
    for (name, tensor) in arrays {
      let file = String(name.map { "/\\:*?\"<>|".contains($0) ? "_" : $0 })
      try NumPyFile.writeArray(tensor, to: "\(path)/\(file).npy")
    }
  }

  private static func collect(_ name: String, _ value: Value, _ arrays: inout [(name: String, tensor: Tensor)]) throws {
    switch value {
    case .tensor(let tensor): arrays.append((name, try within("output \(name)") { try ValueText.forNumPy(tensor) }))
    case .sequence(let values):
      for (index, element) in values.enumerated() { try collect("\(name).\(index)", element, &arrays) }
    case .optional(let inner): if let inner { try collect(name, inner, &arrays) }
    case .sparse(let sparse):
      arrays.append(("\(name).values", try ValueText.forNumPy(sparse.values)))
      arrays.append(("\(name).indices", sparse.indices))
    case .map(let map):
      arrays.append(("\(name).keys", map.keys))
      for (index, element) in map.values.enumerated() { try collect("\(name).\(index)", element, &arrays) }
    }
  }
}
