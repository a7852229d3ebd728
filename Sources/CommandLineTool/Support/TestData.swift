import Cameo
import GraphIR
import ONNXFormat
import Tensors

/// A `test_data_set_N` folder: inputs and expected outputs by position.
struct TestData {
  let inputs: [String: Value]
  /// nil where the folder has no file for the output.
  let outputs: [Value?]

  init(folder: String, model: Model) throws {
    let graph = model.graph
    var inputs: [String: Value] = [:]
    for (index, input) in graph.inputs.enumerated() {
      let path = "\(folder)/input_\(index).pb"
      guard Folder.exists(path) else { continue }
      inputs[graph[input].name] = try ValueFile.read(path: path, as: graph[input].type)
    }
    self.inputs = inputs
    outputs = try graph.outputs.enumerated().map { index, output in
      let path = "\(folder)/output_\(index).pb"
      return Folder.exists(path) ? try ValueFile.read(path: path, as: graph[output].type) : nil
    }
  }

  /// The `test_data_set_N` folders under `folder`, by number.
  static func folders(in folder: String) -> [String] {
    (Folder.files(folder) ?? []).filter { $0.hasPrefix("test_data_set_") && Folder.isFolder(folder + "/" + $0) }
      .sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }.map { folder + "/" + $0 }
  }

  /// As ONNX's own backend tests compare: |a - b| <= atol + rtol |a| for every element. The reason, where it fails.
  static func mismatch(_ expected: Value, _ found: Value, rtol: Double = 1e-3, atol: Double = 1e-7) -> String? {
    switch (expected, found) {
    case (.tensor(let a), .tensor(let b)): return mismatch(a, b, rtol, atol)
    case (.sequence(let a), .sequence(let b)):
      if a.count != b.count { return "a sequence of \(b.count), not \(a.count)" }
      for (x, y) in zip(a, b) { if let reason = mismatch(x, y, rtol: rtol, atol: atol) { return reason } }
      return nil
    case (.optional(nil), .optional(nil)): return nil
    case (.optional(let a?), .optional(let b?)): return mismatch(a, b, rtol: rtol, atol: atol)
    case (.optional(let a?), let b): return mismatch(a, b, rtol: rtol, atol: atol)
    case (let a, .optional(let b?)): return mismatch(a, b, rtol: rtol, atol: atol)
    case (.sparse, .sparse), (.map, .map):
      return Closeness.between(expected, found).maxRel <= rtol ? nil : "it differs"
    default: return "a value of another kind"
    }
  }

  private static func mismatch(_ a: Tensor, _ b: Tensor, _ rtol: Double, _ atol: Double) -> String? {
    if a.dataType != b.dataType { return "type \(b.dataType), not \(a.dataType)" }
    if a.shape != b.shape { return "shape \(b.shape), not \(a.shape)" }
    if a.dataType == .string {
      return a.strings.indices.first { a.strings[$0] != b.strings[$0] }.map {
        "element \($0) is \"\(b.strings[$0])\", not \"\(a.strings[$0])\""
      }
    }
    if a.dataType.isInteger || a.dataType == .bool {
      guard let x = try? ElementView<Int64>(a), let y = try? ElementView<Int64>(b) else { return "it cannot be read" }
      for index in 0..<x.count where x[index] != y[index] {
        // Integers, too, are held to the relative tolerance by the standard's own runner.
        if abs(Double(x[index]) - Double(y[index])) <= atol + rtol * abs(Double(x[index])) { continue }
        return "element \(index) is \(y[index]), not \(x[index])"
      }
      return nil
    }
    guard let x = try? ElementView<Double>(a), let y = try? ElementView<Double>(b) else { return "it cannot be read" }
    for index in 0..<x.count {
      let (p, q) = (x[index], y[index])
      if p == q || (p.isNaN && q.isNaN) { continue }
      if !(abs(p - q) <= atol + rtol * abs(p)) {
        return "element \(index) is \(Figures.short(q)), not \(Figures.short(p))"
      }
    }
    return nil
  }
}
