import GraphIR
import Tensors

/// Element types of linear operators that are no single number: complex ones, and strings where elements only move.
enum LinearParts {
  /// The operator's result on a complex input 0, from those on its real and its imaginary parts: the operator is linear in it.
  static func complex(
    _ context: EvaluationContext, _ evaluate: (EvaluationContext) throws -> [Value?]
  ) throws -> [Value?] {
    let whole = try context.tensor(0)
    let results = try [0, 1].map { part -> Tensor in
      let outputs = try evaluate(context.replacingInput(0, by: .tensor(try self.part(part, of: whole))))
      guard let tensor = outputs.first??.tensor else { throw CameoError(.invariant, "no tensor came out") }
      return tensor
    }
    return [.tensor(try join(results[0], results[1], whole.dataType))]
  }

  /// The real (0) or imaginary (1) part, as float or double.
  static func part(_ part: Int, of tensor: Tensor) throws -> Tensor {
    let isWide = tensor.dataType == .complex128
    let width = isWide ? 8 : 4
    return try Tensor.makeRaw(isWide ? .double : .float, tensor.shape) { out in
      tensor.withUnsafeBytes { bytes in
        for i in 0..<tensor.count {
          for byte in 0..<width { out[i * width + byte] = bytes[(2 * i + part) * width + byte] }
        }
      }
    }
  }

  static func join(_ real: Tensor, _ imaginary: Tensor, _ type: DataType) throws -> Tensor {
    let width = type == .complex128 ? 8 : 4
    return try Tensor.makeRaw(type, real.shape) { out in
      real.withUnsafeBytes { re in
        imaginary.withUnsafeBytes { im in
          for i in 0..<real.count {
            for byte in 0..<width {
              out[2 * i * width + byte] = re[i * width + byte]
              out[(2 * i + 1) * width + byte] = im[i * width + byte]
            }
          }
        }
      }
    }
  }

  /// The operator's result on an input 0 of strings, where each output element is one of the input's or lies outside (then it
  /// is empty): the operator moves their numbers, counted from 1.
  static func strings(
    _ context: EvaluationContext, _ evaluate: (EvaluationContext) throws -> [Value?]
  ) throws -> [Value?] {
    let whole = try context.tensor(0)
    let numbers = try Tensor.make(.double, whole.shape, as: Double.self) { out in
      for i in 0..<whole.count { out[i] = Double(i + 1) }
    }
    guard let moved = try evaluate(context.replacingInput(0, by: .tensor(numbers))).first??.tensor else {
      throw CameoError(.invariant, "no tensor came out")
    }
    let places = try moved.elements(as: Double.self)
    let texts = places.map { place -> String in
      guard place >= 1, place <= Double(whole.count) else { return "" }
      return whole.strings[Int(place) - 1]
    }
    return [.tensor(try Tensor(strings: texts, shape: moved.shape))]
  }
}

extension EvaluationContext {
  /// The same node on another input.
  func replacingInput(_ index: Int, by value: Value?) -> EvaluationContext {
    var inputs = inputs
    if index < inputs.count { inputs[index] = value }
    return EvaluationContext(
      node: node, inputs: inputs, accumulatesInDouble: accumulatesInDouble, seed: seed, runBody: runBody)
  }
}
