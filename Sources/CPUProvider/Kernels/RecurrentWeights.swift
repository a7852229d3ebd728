internal import CKernels
import InferenceRuntime
import Tensors

/// W and R in packed panels, each gate from a panel of its own on, and the biases joined: made once where they are constants, else
/// at the start of each run in its scratch.
final class RecurrentWeights: @unchecked Sendable {
  private let shape: RecurrentShape
  private let input: TensorStorage?
  private let recurrent: TensorStorage?
  private let joined: TensorStorage?

  init(_ request: KernelRequest, _ shape: RecurrentShape) throws {
    self.shape = shape
    func packed(_ index: Int, _ depth: Int) throws -> TensorStorage? {
      guard let tensor = request.input(index)?.constant else { return nil }
      return try request.packed(
        tensor, "recurrent, \(shape.gates) gates, tier \(ck_isa_tier())",
        byteCount: shape.directions * shape.columns * depth * MemoryLayout<Float>.stride
      ) { target in
        RecurrentWeights.pack(
          target.assumingMemoryBound(to: Float.self), tensor.baseAddress.assumingMemoryBound(to: Float.self), shape,
          depth: depth)
      }
    }
    input = try packed(1, shape.size)
    recurrent = try packed(2, shape.hidden)
    let bias = request.input(3)
    if bias == nil || bias?.constant != nil {
      let made = try TensorStorage(byteCount: RecurrentWeights.biasBytes(shape), zeroed: true)
      let source = bias?.constant?.baseAddress.assumingMemoryBound(to: Float.self)
      RecurrentWeights.join(made.base.assumingMemoryBound(to: Float.self), source, shape)
      joined = made
    } else {
      joined = nil
    }
  }

  private static func biasBytes(_ shape: RecurrentShape) -> Int {
    shape.directions * (shape.columns + shape.padded) * MemoryLayout<Float>.stride
  }

  /// Scratch for what is not fixed.
  var scratchBytes: Int {
    let column = shape.directions * shape.columns * MemoryLayout<Float>.stride
    return (input == nil ? aligned(column * shape.size) : 0) + (recurrent == nil ? aligned(column * shape.hidden) : 0)
      + (joined == nil ? aligned(RecurrentWeights.biasBytes(shape)) : 0)
  }

  /// The three, for one run; `scratch` is where this object's begins.
  func bind(_ call: KernelCall, _ scratch: UnsafeMutableRawPointer, fills: Bool) -> RecurrentOperands {
    var place = scratch
    func take(_ storage: TensorStorage?, _ bytes: Int, _ fill: (UnsafeMutablePointer<Float>) -> Void)
      -> UnsafePointer<Float>
    {
      if let storage { return UnsafePointer(storage.base.assumingMemoryBound(to: Float.self)) }
      let target = place.assumingMemoryBound(to: Float.self)
      if fills { fill(target) }
      place += aligned(bytes)
      return UnsafePointer(target)
    }
    let column = shape.directions * shape.columns * MemoryLayout<Float>.stride
    return RecurrentOperands(
      w: take(input, column * shape.size) {
        RecurrentWeights.pack($0, call.input(1, Float.self), shape, depth: shape.size)
      },
      r: take(recurrent, column * shape.hidden) {
        RecurrentWeights.pack($0, call.input(2, Float.self), shape, depth: shape.hidden)
      },
      bias: take(joined, RecurrentWeights.biasBytes(shape)) {
        $0.update(repeating: 0, count: RecurrentWeights.biasBytes(shape) / MemoryLayout<Float>.stride)
        RecurrentWeights.join($0, call.optional(3, Float.self), shape)
      })
  }

  private static func pack(
    _ target: UnsafeMutablePointer<Float>, _ source: UnsafePointer<Float>, _ shape: RecurrentShape, depth: Int
  ) {
    let panels = shape.padded / ck_gemm_nr()
    for gate in 0..<shape.directions * shape.gates {
      ck_gemm_pack_b(
        target + gate * shape.padded * depth, source + gate * shape.hidden * depth, 1, depth, depth, shape.hidden, 0,
        panels)
    }
  }

  /// For each direction the gates' biases as the input product adds them, padded, then Rbh where the reset gate scales it.
  private static func join(
    _ target: UnsafeMutablePointer<Float>, _ source: UnsafePointer<Float>?, _ shape: RecurrentShape
  ) {
    guard let source else { return }
    let (gates, hidden, padded) = (shape.gates, shape.hidden, shape.padded)
    for direction in 0..<shape.directions {
      let from = source + direction * 2 * gates * hidden
      let to = target + direction * (shape.columns + padded)
      for gate in 0..<gates {
        let isApart = shape.linearBeforeReset && gate == 2
        for j in 0..<hidden {
          let recurrence = from[(gates + gate) * hidden + j]
          to[gate * padded + j] = from[gate * hidden + j] + (isApart ? 0 : recurrence)
          if isApart { to[shape.columns + j] = recurrence }
        }
      }
    }
  }
}

/// Addresses of the packed operands of one run.
struct RecurrentOperands {
  let w: UnsafePointer<Float>
  let r: UnsafePointer<Float>
  let bias: UnsafePointer<Float>
}
