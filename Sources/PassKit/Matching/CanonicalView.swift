public import GraphIR
import Operators
import Tensors

/// A node as matching sees it: spelled the one canonical way, whatever the exporter wrote. The graph itself keeps its spelling.
///
/// - `x / c` with a float constant is `x * (1/c)`; `x - c` is `x + (-c)`.
/// - `Sum` and `Mean`-free two-input variadics are `Add`, `Max`, `Min` of two.
/// - `Pow(x, 2)` is `Mul(x, x)` where a pattern asks for Mul.
public struct CanonicalView: Sendable {
  public let operatorName: OperatorName
  public let inputs: [Operand?]

  /// The ways to see `node`, the plain one first.
  public static func views(of id: NodeID, in context: PassContext) -> [CanonicalView] {
    let node = context.graph[id]
    let plain = CanonicalView(operatorName: node.operatorName, inputs: node.inputs.map { $0.map { .value($0) } })
    guard node.domain.isEmpty else { return [plain] }
    switch node.type {
    case "Div":
      guard let divisor = node.input(1), let dividend = node.input(0), let tensor = context.constant(divisor),
        tensor.dataType.isFloatingPoint, let inverse = map(tensor, { 1 / $0 })
      else { return [plain] }
      return [plain, CanonicalView(operatorName: OperatorName("Mul"), inputs: [.value(dividend), .computed(inverse)])]
    case "Sub":
      guard let right = node.input(1), let left = node.input(0), let tensor = context.constant(right),
        tensor.dataType.isFloatingPoint, let negative = map(tensor, { -$0 })
      else { return [plain] }
      return [plain, CanonicalView(operatorName: OperatorName("Add"), inputs: [.value(left), .computed(negative)])]
    case "Sum" where node.inputs.count == 2:
      return [plain, CanonicalView(operatorName: OperatorName("Add"), inputs: plain.inputs)]
    case "Pow":
      guard let base = node.input(0), let exponent = node.input(1), context.uniform(exponent) == 2 else {
        return [plain]
      }
      return [plain, CanonicalView(operatorName: OperatorName("Mul"), inputs: [.value(base), .value(base)])]
    case "Mul":
      guard let a = node.input(0), a == node.input(1), let two = try? Tensor.scalar(Float(2), .float) else {
        return [plain]
      }
      return [plain, CanonicalView(operatorName: OperatorName("Pow"), inputs: [.value(a), .computed(two)])]
    default:
      return [plain]
    }
  }

  /// Constants of more elements are left as they are: this is for scales and small vectors.
  private static let limit = 1 << 16

  private static func map(_ tensor: Tensor, _ body: (Double) -> Double) -> Tensor? {
    guard tensor.count <= limit, let view = try? ElementView<Double>(tensor) else { return nil }
    return try? Tensor.make(.double, tensor.shape, as: Double.self) { out in
      for index in 0..<view.count { out[index] = body(view[index]) }
    }
  }
}
