import GraphIR
import ONNXFormat
import Tensors

/// A model's inputs, as far as reading samples for it goes.
struct Ports: Sendable {
  let types: [String: ValueType?]
  let names: [String]
  /// Those without default.
  let required: Set<String>

  init(_ model: Model) {
    let graph = model.graph
    names = graph.inputs.map { graph[$0].name }
    types = Dictionary(graph.inputs.map { (graph[$0].name, graph[$0].type) }) { first, _ in first }
    required = Set(graph.inputs.filter { graph[$0].constant == nil }.map { graph[$0].name })
  }

  /// The input that an array without name is for.
  var single: String? { required.count == 1 ? required.first : names.count == 1 ? names.first : nil }
}

/// The samples of one file, or of a folder of NAME.npy. Arrays stay mapped where their file has them as they are.
struct StackedSamples {
  /// How an array is divided among the samples.
  private enum Share {
    /// Each sample gets all of it.
    case whole
    /// Index i of the first axis, which goes.
    case item
    /// Rows i * n ..< (i + 1) * n of the first axis.
    case rows(Int)
  }

  private let path: String
  private let inputs: [(name: String, tensor: Tensor, share: Share)]
  private let others: [(name: String, tensor: Tensor, share: Share)]
  let count: Int

  init(_ path: String, _ ports: Ports, _ stacking: CalibrationSet.Stacking) throws {
    self.path = path
    var arrays: [(name: String, tensor: Tensor)]
    if Folder.isFolder(path) {
      arrays = try (Folder.files(path) ?? []).filter { $0.hasSuffix(".npy") }.map {
        (String($0.dropLast(4)), try NumPyFile.readArray(path: path + "/" + $0))
      }
    } else if path.hasSuffix(".npy") {
      guard let name = ports.single else {
        throw CameoError.badInput(
          "the model has several inputs (\(ports.names.joined(separator: ", "))), a .npy file one array")
      }
      arrays = [(name, try NumPyFile.readArray(path: path))]
    } else {
      arrays = try NumPyFile.readArchive(path: path)
    }
    for missing in ports.required.sorted() where !arrays.contains(where: { $0.name == missing }) {
      throw CameoError.badInput(
        "there is no array for input \(missing); there are \(arrays.map(\.name).joined(separator: ", "))")
    }
    for index in arrays.indices {
      guard let declared = ports.types[arrays[index].name] else { continue }
      arrays[index].tensor = try arrays[index].tensor.adapted(to: declared)
    }
    let given = arrays.filter { ports.types[$0.name] != nil }
    let shapes = given.map { ports.types[$0.name]??.shape }
    let (shares, count) =
      stacking == .none ? (given.map { _ in .whole }, 1) : try Self.shares(given, shapes)
    self.count = count
    inputs = zip(given, shares).map { ($0.name, $0.tensor, $1) }
    others = arrays.filter { ports.types[$0.name] == nil }.map { name, tensor in
      (name, tensor, count > 1 && tensor.rank > 0 && tensor.shape[0] == count ? .item : .whole)
    }
  }

  /// See `CalibrationSet.Stacking.automatic`.
  private static func shares(_ arrays: [(name: String, tensor: Tensor)], _ declared: [[Dim]?]) throws -> ([Share], Int)
  {
    var shares = [Share](repeating: .whole, count: arrays.count)
    var found: (count: Int, name: String)?
    func settle(_ index: Int, _ share: Share, _ count: Int) throws {
      shares[index] = share
      if let known = found, known.count != count {
        throw CameoError.badInput(
          "array \(known.name) has \(known.count) samples, array \(arrays[index].name) has \(count)")
      }
      found = (count, arrays[index].name)
    }
    var open: [Int] = []
    for (index, array) in arrays.enumerated() {
      guard let dims = declared[index] else { continue }
      let shape = array.tensor.shape
      if shape.count == dims.count + 1 {
        try settle(index, .item, shape[0])
      } else if shape.count == dims.count, let first = dims.first {
        if let extent = first.value, extent > 0, shape[0] > extent, shape[0] % extent == 0 {
          try settle(index, .rows(extent), shape[0] / extent)
        } else if first.value == nil {
          open.append(index)
        }
      }
    }
    if let found {
      // A sample for each: an open first axis of as many rows is cut, too.
      for index in open where arrays[index].tensor.shape[0] == found.count && arrays[index].tensor.rank > 1 {
        shares[index] = .rows(1)
      }
    } else if let rows = batch(arrays, declared, open) {
      for index in open { shares[index] = .rows(1) }
      found = (rows, "")
    }
    return (shares, found?.count ?? 1)
  }

  /// Rows of the batch that all arrays are, each with an open first dimension; nil where they are no batch.
  private static func batch(
    _ arrays: [(name: String, tensor: Tensor)], _ declared: [[Dim]?], _ open: [Int]
  ) -> Int? {
    guard let first = open.first, let rows = arrays[first].tensor.shape.first, rows > 1 else { return nil }
    let symbols = Set(open.compactMap { declared[$0]?.first?.symbolName }.filter { !$0.hasPrefix("d0_u") })
    for (index, array) in arrays.enumerated() {
      guard let dims = declared[index] else { return nil }
      if open.contains(index) {
        if array.tensor.rank < 2 || array.tensor.shape[0] != rows { return nil }
      } else if array.tensor.rank > 1 {
        return nil
      }
      for dim in dims.dropFirst(open.contains(index) ? 1 : 0) where !dim.symbols.isDisjoint(with: symbols) {
        return nil
      }
    }
    return symbols.count <= 1 ? rows : nil
  }

  func sample(_ index: Int) throws -> CalibrationSample {
    var values: [String: Value] = [:]
    var rest: [String: Tensor] = [:]
    for array in inputs { values[array.name] = .tensor(try Self.part(array.tensor, array.share, index)) }
    for array in others { rest[array.name] = try Self.part(array.tensor, array.share, index) }
    let name = "file \(path)" + (count == 1 ? "" : ", sample \(index)")
    return CalibrationSample(name: name, inputs: values, others: rest)
  }

  /// Lets a sample that has been used go from resident memory, where it lies in a mapped file.
  func release(_ index: Int) {
    for array in inputs {
      if case .whole = array.share, count > 1 { continue }
      guard let part = try? Self.part(array.tensor, array.share, index) else { continue }
      part.storage.releasePages(offset: part.byteOffset, byteCount: part.byteCount)
    }
  }

  private static func part(_ tensor: Tensor, _ share: Share, _ index: Int) throws -> Tensor {
    var shape = tensor.shape
    let rows: Int
    switch share {
    case .whole: return tensor
    case .item:
      rows = 1
      shape.removeFirst()
    case .rows(let count):
      rows = count
      shape[0] = count
    }
    let count = try Tensor.elementCount(shape)
    let first = index * rows * (tensor.shape[0] == 0 ? 0 : tensor.count / tensor.shape[0])
    if tensor.dataType == .string {
      return try Tensor(strings: Array(tensor.strings[first..<first + count]), shape: shape)
    }
    guard let offset = tensor.dataType.byteCount(elements: first) else { throw CameoError.limit("an offset overflows") }
    return try Tensor(
      dataType: tensor.dataType, shape: shape, storage: tensor.storage, byteOffset: tensor.byteOffset + offset)
  }
}
