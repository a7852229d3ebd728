import Operators
import Tensors

extension KernelRequest {
  /// The input at `index`. Throws a refusal where it is left out.
  public func operand(_ index: Int) throws -> Operand {
    guard let operand = input(index) else { throw Refusal("input \(index) is left out") }
    return operand
  }

  /// The output at `index`. Throws a refusal where it is left out.
  public func result(_ index: Int = 0) throws -> Operand {
    guard let operand = output(index) else { throw Refusal("output \(index) is left out") }
    return operand
  }

  /// Throws a refusal unless the input, where present, has this many elements.
  public func requireCount(_ index: Int, _ count: Int) throws {
    if let operand = input(index), operand.count != count {
      throw Refusal("input \(index) has the shape \(operand.shape)")
    }
  }

  /// The constant that the input is. Throws a refusal where it is computed or left out.
  public func constantTensor(_ index: Int) throws -> Tensor {
    guard let tensor = try operand(index).constant else { throw Refusal("input \(index) is computed") }
    return tensor
  }
}
