import Cameo
import ONNXFormat
import PassKit
import Tensors

/// How ONNX's own backend runner compares results (`onnx.backend.test.runner` of onnx 1.23, which calls
/// `numpy.testing.assert_allclose`): |found - expected| <= atol + rtol |expected| for every element, in the arithmetic that
/// NumPy takes for the element type. NaN equals NaN, an infinity only itself. Kinds, shapes, element types and strings are equal.
struct TestTolerance: Sendable, Equatable {
  var relative = 1e-3
  var absolute = 1e-7
  /// Two units in the last place of bfloat16.
  static let bfloat16Relative = 0x1p-6

  init() {}

  /// The runner's, unless a `data.json` in the test's folder says other `rtol` and `atol`. Throws where that file is broken.
  init(folder: String) throws {
    let path = "\(folder)/data.json"
    guard Folder.exists(path) else { return }
    try within("file \(path)") {
      let numbers = try JSON(contentsOf: path)
      guard numbers.members != nil else { throw CameoError.badInput("this is no JSON object") }
      relative = numbers["rtol"]?.number ?? relative
      absolute = numbers["atol"]?.number ?? absolute
      guard relative >= 0, absolute >= 0, relative.isFinite, absolute.isFinite else {
        throw CameoError.badInput("the tolerances rtol \(relative) and atol \(absolute)")
      }
    }
  }

  /// Why `found` is not the expected value; nil where it is.
  func mismatch(_ expected: Value, _ found: Value) -> String? {
    switch (expected, found) {
    case (.tensor(let a), .tensor(let b)): return mismatch(a, b)
    case (.sequence(let a), .sequence(let b)):
      if a.count != b.count { return "a sequence of \(b.count), not \(a.count)" }
      for (index, pair) in zip(a, b).enumerated() {
        if let reason = mismatch(pair.0, pair.1) { return "item \(index): \(reason)" }
      }
      return nil
    case (.optional(nil), .optional(nil)): return nil
    case (.optional(let a?), .optional(let b?)): return mismatch(a, b)
    // The runner sees what is in an optional, not the optional.
    case (.optional(let a?), let b): return mismatch(a, b)
    case (let a, .optional(let b?)): return mismatch(a, b)
    case (.sparse(let a), .sparse(let b)):
      guard let x = try? a.dense(), let y = try? b.dense() else { return "a sparse tensor that cannot be read" }
      return mismatch(x, y)
    case (.map(let a), .map(let b)): return mismatch(a, b)
    default: return "\(TestTolerance.kind(found)), not \(TestTolerance.kind(expected))"
    }
  }

  private static func kind(_ value: Value) -> String {
    switch value {
    case .tensor: "a tensor"
    case .sparse: "a sparse tensor"
    case .sequence: "a sequence"
    case .optional(nil): "nothing"
    case .optional: "an optional"
    case .map: "a map"
    }
  }

  /// Maps have no order.
  private func mismatch(_ a: MapValue, _ b: MapValue) -> String? {
    if a.keys.dataType != b.keys.dataType { return "keys of \(b.keys.dataType), not \(a.keys.dataType)" }
    if a.values.count != b.values.count { return "a map of \(b.values.count), not \(a.values.count)" }
    var values: [String: Value] = [:]
    guard let expected = keys(a), let found = keys(b) else { return "keys that cannot be read" }
    for (key, value) in zip(found, b.values) { values[key] = value }
    for (key, value) in zip(expected, a.values) {
      guard let other = values[key] else { return "no key \(key)" }
      if let reason = mismatch(value, other) { return "key \(key): \(reason)" }
    }
    return nil
  }

  private func keys(_ map: MapValue) -> [String]? {
    if map.keys.dataType == .string { return map.keys.strings }
    return (try? map.keys.elements(as: Int64.self))?.map { String($0) }
  }
}

// MARK: Tensors

extension TestTolerance {
  private func mismatch(_ a: Tensor, _ b: Tensor) -> String? {
    if a.dataType != b.dataType { return "type \(b.dataType), not \(a.dataType)" }
    if a.shape != b.shape { return "shape \(b.shape), not \(a.shape)" }
    do {
      switch a.dataType {
      case .string:
        return a.strings.indices.first { a.strings[$0] != b.strings[$0] }.map {
          "element \($0) is \"\(b.strings[$0])\", not \"\(a.strings[$0])\""
        }
      case .complex64, .complex128: return complexMismatch(a, b)
      case .float: return floatMismatch(try ElementView(a), try ElementView(b), relative: relative)
      case .bfloat16:
        let rtol = max(relative, TestTolerance.bfloat16Relative)
        return floatMismatch(try ElementView(a), try ElementView(b), relative: rtol)
      case .float16: return halfMismatch(try ElementView(a), try ElementView(b))
      case .uint64: return wideMismatch(a, b)
      case .int64: return integerMismatch(try ElementView(a), try ElementView(b))
      default: return doubleMismatch(try ElementView(a), try ElementView(b))
      }
    } catch {
      return "it cannot be read: \(error)"
    }
  }

  private func doubleMismatch(_ a: ElementView<Double>, _ b: ElementView<Double>) -> String? {
    for index in 0..<a.count {
      let (p, q) = (a[index], b[index])
      if p == q || (p.isNaN && q.isNaN) || (p.isFinite && abs(q - p) <= absolute + relative * abs(p)) { continue }
      return difference(index, p, q)
    }
    return nil
  }

  private func floatMismatch(_ a: ElementView<Float>, _ b: ElementView<Float>, relative: Double) -> String? {
    let (rtol, atol) = (Float(relative), Float(absolute))
    for index in 0..<a.count {
      let (p, q) = (a[index], b[index])
      if p == q || (p.isNaN && q.isNaN) || (p.isFinite && abs(q - p) <= atol + rtol * abs(p)) { continue }
      return difference(index, Double(p), Double(q))
    }
    return nil
  }

  /// NumPy compares halves in halves: each step is rounded.
  private func halfMismatch(_ a: ElementView<Float>, _ b: ElementView<Float>) -> String? {
    func half(_ value: Float) -> Float { SmallFloats.float(fromHalf: SmallFloats.half(from: value)) }
    let (rtol, atol) = (half(Float(relative)), half(Float(absolute)))
    for index in 0..<a.count {
      let (p, q) = (a[index], b[index])
      if p == q || (p.isNaN && q.isNaN) { continue }
      if p.isFinite && half(abs(q - p)) <= half(atol + half(rtol * abs(p))) { continue }
      return difference(index, Double(p), Double(q))
    }
    return nil
  }

  private func integerMismatch(_ a: ElementView<Int64>, _ b: ElementView<Int64>) -> String? {
    for index in 0..<a.count where a[index] != b[index] {
      // Integers, too, are held to the relative tolerance by the standard's own runner.
      if abs(Double(b[index]) - Double(a[index])) <= absolute + relative * abs(Double(a[index])) { continue }
      return "element \(index) is \(b[index]), not \(a[index])"
    }
    return nil
  }

  private func wideMismatch(_ a: Tensor, _ b: Tensor) -> String? {
    guard let x = try? ElementView<UInt64>(a), let y = try? ElementView<UInt64>(b) else { return "it cannot be read" }
    for index in 0..<x.count where x[index] != y[index] {
      if abs(Double(y[index]) - Double(x[index])) <= absolute + relative * abs(Double(x[index])) { continue }
      return "element \(index) is \(y[index]), not \(x[index])"
    }
    return nil
  }

  private func complexMismatch(_ a: Tensor, _ b: Tensor) -> String? {
    let isWide = a.dataType == .complex128
    func part(_ tensor: Tensor, _ index: Int) -> Double {
      tensor.withUnsafeBytes {
        isWide
          ? $0.loadUnaligned(fromByteOffset: 8 * index, as: Double.self)
          : Double($0.loadUnaligned(fromByteOffset: 4 * index, as: Float.self))
      }
    }
    func size(_ x: Double, _ y: Double) -> Double { (x * x + y * y).squareRoot() }
    for index in 0..<a.count {
      let (p, pi, q, qi) = (part(a, 2 * index), part(a, 2 * index + 1), part(b, 2 * index), part(b, 2 * index + 1))
      if (p == q && pi == qi) || ((p.isNaN || pi.isNaN) && (q.isNaN || qi.isNaN)) { continue }
      if p.isFinite, pi.isFinite, size(q - p, qi - pi) <= absolute + relative * size(p, pi) { continue }
      return
        "element \(index) is \(Figures.short(q))+\(Figures.short(qi))i, not \(Figures.short(p))+\(Figures.short(pi))i"
    }
    return nil
  }

  private func difference(_ index: Int, _ expected: Double, _ found: Double) -> String {
    var (p, q) = (Figures.short(expected), Figures.short(found))
    if p == q { (p, q) = ("\(expected)", "\(found)") }
    return "element \(index) is \(q), not \(p)"
  }
}
