import GraphIR
import Operators
import Tensors

/// What a step of a plan has to do, from the shapes of its operands, whichever kernel does it.
public struct StepWork: Sendable {
  /// Floating-point or integer operations: two a multiply-add of a contraction; of other operators one for each element of the
  /// largest operand (of a fused body, for each of its nodes and elements of the largest operand); none where elements only move.
  public internal(set) var operations: Double
  /// Bytes read of what is the same in every run: weights.
  public internal(set) var constantBytes: Double
  /// Other bytes read and written, each operand once.
  public internal(set) var movedBytes: Double

  public var bytes: Double { constantBytes + movedBytes }

  init(operations: Double = 0, constantBytes: Double = 0, movedBytes: Double = 0) {
    self.operations = operations
    self.constantBytes = constantBytes
    self.movedBytes = movedBytes
  }

  /// nil where the shapes do not tell: nodes with bodies, operands without a place in memory, contractions that are not counted.
  init?(_ node: Node, graph: Graph, inputs: [Operand?], outputs: [Operand?]) {
    guard zip(node.inputs, inputs).allSatisfy({ ($0 == nil) == ($1 == nil) }) else { return nil }
    let isFused = FusedElementwise.is(node)
    guard isFused || node.regions.isEmpty else { return nil }
    let results = outputs.reduce(0.0) { $0 + Double($1?.byteCount ?? 0) }
    let movement = OperatorRegistry[node.operatorName]?.traits.contains(.dataMovement) == true
    self.init(movedBytes: results)
    for (index, input) in inputs.enumerated() {
      guard let input else { continue }
      // Of what is only picked from, a part is read.
      let bytes = movement && index == 0 ? min(Double(input.byteCount), results) : Double(input.byteCount)
      if input.constant == nil { movedBytes += bytes } else { constantBytes += bytes }
    }
    if movement { return }
    func dims(_ operands: [Operand?]) -> [[Dim]?] { operands.map { $0.map { $0.shape.map { Dim($0) } } } }
    if Contraction.isOne(node) {
      guard let count = Contraction.multiplyAdds(node, inputs: dims(inputs), outputs: dims(outputs))?.value else {
        return nil
      }
      operations = 2 * Double(count)
      return
    }
    var nodes = 1
    if isFused, case .graph(let body) = node[FusedElementwise.body] { nodes = graph.nodes(in: body).count }
    operations = Double(nodes) * Double((inputs + outputs).reduce(0) { max($0, $1?.count ?? 0) })
  }
}
