public import GraphIR
import ONNXFormat
public import Tensors

/// Samples that a model is calibrated or evaluated on, read one after the other: one is in memory at a time.
///
/// A folder is, in this order of preference, folders `test_data_set_N` of input_K.pb (a sample each); files input_K.pb (one sample);
/// files NAME.npy for every input without default (one sample); or .npz files, and .npy files for a model of one input. A .npz or .npy file
/// may hold many samples, see `Stacking`; uncompressed ones stay on disk, a compressed array is unpacked whole.
public struct CalibrationSet: Sendable {
  /// How samples of one file are told apart.
  public enum Stacking: Sendable {
    /// An array of one more axis than its input has a sample for each index of its first axis. One whose first axis is a multiple of
    /// the input's fixed extent has a sample for each such part. Where all inputs of rank 2 and more begin with one open dimension that
    /// is on no other axis of theirs, and their arrays have the same extent there, each index is a sample (a batch of 1). Arrays of
    /// other names with as many rows (labels) are cut alike.
    case automatic
    /// A file is one sample.
    case none
  }

  private enum Source: Sendable {
    case files([String], Ports, Stacking)
    case testData([String], Model)
    case made(Int?, @Sendable (Int) throws -> CalibrationSample?)
  }

  private let source: Source
  /// Samples, where that is known before they are read.
  public let count: Int?

  /// The samples in a folder or file. Throws `.badInput` where there is none for this model.
  public init(path: String, model: Model, stacking: Stacking = .automatic) throws {
    let ports = Ports(model)
    if !Folder.isFolder(path) {
      source = .files([path], ports, stacking)
      count = try within("file \(path)") { try StackedSamples(path, ports, stacking).count }
      return
    }
    let names = try within("folder \(path)") { () throws -> [String] in
      guard let names = Folder.files(path) else { throw CameoError.system("cannot be read") }
      return names
    }
    let sets = TestData.folders(in: path)
    if !sets.isEmpty || names.contains(where: { $0.hasPrefix("input_") && $0.hasSuffix(".pb") }) {
      source = .testData(sets.isEmpty ? [path] : sets, model)
      count = max(1, sets.count)
      return
    }
    let arrays = names.filter { $0.hasSuffix(".npy") }
    if !arrays.isEmpty, ports.required.isSubset(of: arrays.map { String($0.dropLast(4)) }) {
      source = .files([path], ports, stacking)
      count = try within("folder \(path)") { try StackedSamples(path, ports, stacking).count }
      return
    }
    let files = names.filter { $0.hasSuffix(".npz") || ($0.hasSuffix(".npy") && ports.single != nil) }
    guard let first = files.first else {
      throw CameoError.badInput(
        "no samples: it has no .npz, no test_data_set_N\(ports.single == nil ? "" : ", no .npy")"
      ).within("folder \(path)")
    }
    let paths = files.map { path + "/" + $0 }
    source = .files(paths, ports, stacking)
    let inFirst = try within("file \(path)/\(first)") { try StackedSamples(paths[0], ports, stacking).count }
    count = files.count == 1 || inFirst == 1 ? files.count * inFirst : nil
  }

  /// Samples in memory.
  public init(_ samples: [[String: Tensor]]) {
    self.init(count: samples.count) { samples[$0] }
  }

  /// Samples that `make` gives for 0, 1, 2 ... until it gives nil.
  public init(count: Int?, _ make: @escaping @Sendable (Int) throws -> [String: Tensor]?) {
    self.count = count
    source = .made(count) { index in
      try make(index).map { CalibrationSample(name: "sample \(index)", inputs: $0.mapValues { .tensor($0) }) }
    }
  }

  /// Calls `body` with one sample after the other, `limit` at most; how many there were. Errors of reading name the file.
  @discardableResult public func forEach(limit: Int? = nil, _ body: (CalibrationSample) throws -> Void) throws -> Int {
    let limit = limit ?? .max
    var done = 0
    switch source {
    case .made(let count, let make):
      while done < min(limit, count ?? .max), let sample = try within("sample \(done)", { try make(done) }) {
        try body(sample)
        done += 1
      }
    case .testData(let folders, let model):
      for folder in folders where done < limit {
        let inputs = try within("folder \(folder)") { try TestData(folder: folder, model: model).inputs }
        try body(CalibrationSample(name: "folder \(folder)", inputs: inputs))
        done += 1
      }
    case .files(let paths, let ports, let stacking):
      for path in paths where done < limit {
        let stack = try within("file \(path)") { try StackedSamples(path, ports, stacking) }
        for index in 0..<min(stack.count, limit - done) {
          try body(try within("file \(path)") { try stack.sample(index) })
          stack.release(index)
          done += 1
        }
      }
    }
    return done
  }
}
