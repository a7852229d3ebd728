import Cameo
import Foundation
import TestSupport
import Testing

/// Small models whose weights lie in the file (1 KiB and more), and what the tests do with them.
enum Sample {
  /// `TYPE[SHAPE] NAME = {...}` with seeded values.
  static func weight(_ name: String, _ shape: [Int], seed: Int = 1) -> String {
    var state = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15
    let values = (0..<shape.reduce(1, *)).map { _ -> String in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return "\(Float(Int64(state >> 44) - 524288) / 1_048_576)"
    }
    return "float\(shape) \(name) = {\(values.joined(separator: ", "))}"
  }

  static func bytes(_ name: String, _ shape: [Int]) -> String {
    let values = (0..<shape.reduce(1, *)).map { "\(($0 &* 37) % 251 - 125)" }
    return "int8\(shape) \(name) = {\(values.joined(separator: ", "))}"
  }

  static let product = """
    g (float[N, 64] x) => (float[N, 40] y) <\(weight("w", [64, 48])), \(weight("v", [48, 40], seed: 2)), \(weight("b", [48]))> {
      h = MatMul (x, w)
      a = Add (h, b)
      s = Sigmoid (a)
      y = MatMul (s, v)
    }
    """

  static let convolution = """
    g (float[1, 8, 14, 14] x) => (float[1, 16, 14, 14] y) <\(weight("w", [16, 8, 3, 3])), \(weight("v", [16, 16, 3, 3], seed: 2)), \(weight("d", [16, 1, 5, 5], seed: 3))> {
      h = Conv <pads = [1, 1, 1, 1]> (x, w)
      r = Relu (h)
      e = Conv <pads = [2, 2, 2, 2], group = 16> (r, d)
      y = Conv <pads = [1, 1, 1, 1]> (e, v)
    }
    """

  static let transposed = """
    g (float[1, 8, 7, 7] x) => (float[1, 12, 14, 14] y) <\(weight("w", [8, 8, 3, 3])), \(weight("v", [8, 12, 2, 2], seed: 2))> {
      h = Conv <pads = [1, 1, 1, 1]> (x, w)
      y = ConvTranspose <strides = [2, 2]> (h, v)
    }
    """

  static let recurrence = """
    g (float[6, 2, 24] x) => (float[6, 1, 2, 20] y) <\(weight("w", [1, 80, 24])), \(weight("r", [1, 80, 20], seed: 2)), \(weight("b", [1, 160], seed: 3))> {
      y = LSTM <hidden_size = 20> (x, w, r, b)
    }
    """

  static let integers = """
    g (uint8[5, 64] x) => (int32[5, 40] y) <\(bytes("w", [64, 40]))> {
      y = MatMulInteger (x, w)
    }
    """

  static let branches = """
    g (float[4, 32] x, bool c) => (float[4, 40] y) <\(weight("w", [32, 40])), \(weight("v", [32, 40], seed: 2))> {
      y = If (c) <
        then_branch = t () => (float[4, 40] p) { p = MatMul (x, w) },
        else_branch = e () => (float[4, 40] q) { m = MatMul (x, v) q = Neg (m) }
      >
    }
    """

  static let loop = """
    g (float[4, 32] x, int64 n) => (float[4, 32] y) <\(weight("w", [32, 32]))> {
      y = Loop (n, , x) <
        body = b (int64 i, bool k, float[4, 32] s) => (bool l, float[4, 32] t) { l = Identity (k) m = MatMul (s, w) t = Tanh (m) }
      >
    }
    """

  static func model(_ text: String) throws -> Model {
    var model = Model(graph: try ONNXText.parseGraph(text))
    model.opsets = ["": 21]
    return model
  }

  static func optimized(_ text: String) throws -> Model {
    var options = OptimizationOptions()
    options.level = 3
    options.target = .cameo
    return try Optimizer(options: options, verification: nil).optimize(model(text)).model
  }

  /// Prepares the model of `text` as `folder`/m.onnx; the path.
  @discardableResult
  static func prepare(
    _ text: String, in folder: String, _ edit: (inout PreparedFile.WriteOptions) -> Void = { _ in }
  ) throws -> String {
    var options = PreparedFile.WriteOptions()
    options.threads = 1
    edit(&options)
    try PreparedFile.write(optimized(text), to: "\(folder)/m.onnx", options: options)
    return "\(folder)/m.onnx"
  }

  static func session(
    _ file: PreparedFile, usingPacks: Bool = true, providers: [any ExecutionProvider]? = nil,
    precision: Precision = .fp32
  ) throws -> Session {
    var options = SessionOptions()
    options.threads = 1
    options.precision = precision
    options.packs = usingPacks ? file.packs : nil
    return try Session(file.model, providers: providers ?? [CPUProvider()], options: options)
  }

  static func inputs(_ model: Model, seed: UInt64 = 1) throws -> [String: Value] {
    let values = try SeededInputs.make(model.graph, seed: seed)
    return Dictionary(
      zip(model.graph.inputs, values).compactMap { input, value in value.map { (model.graph[input].name, $0) } },
      uniquingKeysWith: { a, _ in a })
  }

  static func sameBits(_ a: [String: Value], _ b: [String: Value]) -> Bool {
    a.count == b.count
      && a.allSatisfy { name, value in
        guard let x = value.tensor, let y = b[name]?.tensor else { return false }
        return x.isIdentical(to: y)
      }
  }

  static func read(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

  static func write(_ bytes: [UInt8], _ path: String) throws {
    // Over a mapped file: by renaming.
    try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
  }
}
