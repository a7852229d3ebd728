import Tensors

/// The `reduction` attribute of ScatterElements and ScatterND: what an update does to the element it meets.
enum ScatterReduction: String {
  case none, add, mul, max, min

  init(_ attributes: AttributeReader) throws {
    let text = try attributes.string("reduction", default: "none")
    guard let value = ScatterReduction(rawValue: text) else {
      throw CameoError.badInput("attribute reduction is \(text); none, add, mul, max or min was expected")
    }
    self = value
  }

  /// `data` with `count` runs of `length` elements of `updates` at the places that `target` gives.
  func apply(
    _ data: Tensor, _ updates: Tensor, runs count: Int, of length: Int, target: (Int) throws -> Int
  ) throws -> Tensor {
    guard data.dataType == updates.dataType else {
      throw CameoError.badInput(
        "data and updates must agree in type, \(data.dataType) and \(updates.dataType) are there")
    }
    if self == .none {
      var out = try ElementBuffer(copying: data)
      for run in 0..<count { out.copy(updates, from: run * length, count: length, to: try target(run)) }
      return try out.finish()
    }
    switch data.dataType {
    case .double: return try fold(data, updates, count, length, target, Double.self, +, *)
    case .uint64: return try fold(data, updates, count, length, target, UInt64.self, &+, &*)
    case let type where type.isFloatingPoint: return try fold(data, updates, count, length, target, Float.self, +, *)
    case let type where type.isInteger || type == .bool:
      return try fold(data, updates, count, length, target, Int64.self, &+, &*)
    case .string: return try strings(data, updates, count, length, target)
    default:
      let (re, im) = (try LinearParts.part(0, of: data), try LinearParts.part(1, of: data))
      var values = zip(try re.elements(as: Double.self), try im.elements(as: Double.self)).map { ($0, $1) }
      let (newRe, newIm) = (try LinearParts.part(0, of: updates), try LinearParts.part(1, of: updates))
      let (u, v) = (try newRe.elements(as: Double.self), try newIm.elements(as: Double.self))
      for run in 0..<count {
        let start = try target(run)
        for i in 0..<length { combine(&values[start + i], (u[run * length + i], v[run * length + i])) }
      }
      return try LinearParts.join(
        try .of(values.map(\.0), re.dataType, shape: data.shape),
        try .of(values.map(\.1), re.dataType, shape: data.shape),
        data.dataType)
    }
  }

  /// Complex numbers are ordered by their real parts, then their imaginary ones, as in NumPy.
  private func combine(_ old: inout (Double, Double), _ new: (Double, Double)) {
    switch self {
    case .none: old = new
    case .add: old = (old.0 + new.0, old.1 + new.1)
    case .mul: old = (old.0 * new.0 - old.1 * new.1, old.0 * new.1 + old.1 * new.0)
    case .max: if new > old || new != new { old = new }
    case .min: if new < old || new != new { old = new }
    }
  }

  /// Strings are added one behind the other and ordered by their code points.
  private func strings(
    _ data: Tensor, _ updates: Tensor, _ count: Int, _ length: Int, _ target: (Int) throws -> Int
  ) throws -> Tensor {
    var values = data.strings
    for run in 0..<count {
      let start = try target(run)
      for i in 0..<length {
        let new = updates.strings[run * length + i]
        switch self {
        case .none: values[start + i] = new
        case .add: values[start + i] += new
        case .mul: throw CameoError.badInput("strings cannot be multiplied")
        case .max:
          if values[start + i].unicodeScalars.lexicographicallyPrecedes(new.unicodeScalars) { values[start + i] = new }
        case .min:
          if new.unicodeScalars.lexicographicallyPrecedes(values[start + i].unicodeScalars) { values[start + i] = new }
        }
      }
    }
    return try Tensor(strings: values, shape: data.shape)
  }

  private func fold<T: ComputeElement & Comparable>(
    _ data: Tensor, _ updates: Tensor, _ count: Int, _ length: Int, _ target: (Int) throws -> Int, _: T.Type,
    _ add: (T, T) -> T, _ multiply: (T, T) -> T
  ) throws -> Tensor {
    let (x, u) = (try ElementView<T>(data), try ElementView<T>(updates))
    return try Tensor.make(data.dataType, data.shape, as: T.self) { out in
      for i in 0..<x.count { out[i] = x[i] }
      for run in 0..<count {
        let start = try target(run)
        for i in 0..<length {
          let (old, new) = (out[start + i], u[run * length + i])
          switch self {
          case .add: out[start + i] = add(old, new)
          case .mul: out[start + i] = multiply(old, new)
          // A NaN stays or comes in: neither comparison holds for it.
          case .max: out[start + i] = new > old || new != new ? new : old
          case .min: out[start + i] = new < old || new != new ? new : old
          case .none: out[start + i] = new
          }
        }
      }
    }
  }
}
