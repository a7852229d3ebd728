import GraphIR
import InferenceRuntime
import Tensors
import TestSupport
import Testing

@testable import CUDAProvider

/// The text of element-wise programs and how they walk their operands; without a device.
@Suite struct ElementwiseProgramTests {
  static func node(_ name: String, _ attributes: [NamedAttribute] = []) -> Node {
    var graph = Graph()
    let id = graph.addNode(OperatorName(name), inputs: [], outputs: [], attributes: attributes)
    return graph[id]
  }

  static func sum(_ types: [DataType], constant: Double? = nil, to type: DataType) throws -> ElementwiseProgram {
    var program = ElementwiseProgram()
    var values = try types.map { try program.input($0) }
    if let constant { values.append(program.constant(constant, .float)) }
    try program.store(
      ElementwiseOperators.emit(node("Sum"), values, to: type, in: &program), as: type)
    return program
  }

  private func text(_ program: ElementwiseProgram, _ shape: [Int], _ shapes: [[Int]]) throws -> String {
    ElementwiseSource(program: program, layout: try ElementwiseLayout(program, over: shape, shapes)).kernel(vectors: 1)
  }

  @Test func shapesAndConstantsAreNotInTheText() throws {
    let (a, b) = (
      try Self.sum([.float16, .float], constant: 3, to: .float16),
      try Self.sum([.float16, .float], constant: 0.5, to: .float16)
    )
    #expect(try text(a, [4, 8, 64], [[4, 8, 64], [64]]) == text(b, [7, 128], [[7, 128], [1, 128]]))
    #expect(try text(a, [6, 5], [[6, 5], []]) == text(b, [3, 2, 9, 11], [[3, 2, 9, 11], [1, 1, 1, 1]]))
    // Another pattern, another text.
    #expect(try text(a, [4, 8, 64], [[4, 8, 64], [64]]) != text(a, [4, 8, 64], [[4, 8, 64], [8, 1]]))
  }

  @Test(
    arguments: [
      ([4, 8, 64], [[4, 8, 64], []], [.whole, .one], 4, 1), ([4, 8, 64], [[64], [4, 8, 64]], [.row, .whole], 4, 2),
      ([4, 8, 64], [[8, 64], [4, 8, 64]], [.row, .whole], 4, 2),
      ([4, 8, 64], [[4, 8, 1], [4, 8, 64]], [.same, .whole], 4, 2),
      ([2, 24, 7, 7], [[24, 1, 1], [2, 24, 7, 7]], [.each, .whole], 4, 3),
      ([2, 24, 7, 10], [[24, 1, 1], [2, 24, 7, 10]], [.same, .whole], 2, 3),
      ([3, 4, 5], [[3, 1, 5], [4, 1]], [.each, .each], 4, 3),
      ([1], [[1], []], [.one, .one], 4, 1),
    ] as [([Int], [[Int]], [ElementwiseLayout.Access], Int, Int)])
  func operandsAreWalked(
    _ shape: [Int], _ shapes: [[Int]], _ accesses: [ElementwiseLayout.Access], _ width: Int, _ rank: Int
  ) throws {
    let program = try Self.sum([.float, .float], to: .float)
    let layout = try ElementwiseLayout(program, over: shape, shapes)
    #expect(layout.accesses == accesses)
    #expect(layout.width == width)
    #expect(layout.dims.count == rank)
    #expect(layout.dims.reduce(1, *) == shape.reduce(1, *))
  }

  /// Half elements in odd rows: 8 at once where they lie side by side, the others one by one.
  @Test func oddRowsKeepWideLoads() throws {
    let program = try Self.sum([.float16, .float16], to: .float16)
    let layout = try ElementwiseLayout(program, over: [256, 683, 197], [[256, 683, 197], [197]])
    #expect(layout.accesses == [.whole, .each])
    #expect(layout.width == 8)
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let program = try Self.sum([.float, .float], to: .float)
    #expect(throws: Refusal.self) { try ElementwiseLayout(program, over: [4, 5], [[4, 5], [4]]) }
    #expect(throws: Refusal.self) { try ElementwiseLayout(program, over: [1 << 16, 1 << 15], [[], []]) }
    var other = ElementwiseProgram()
    #expect(throws: Refusal.self) { try other.input(.string) }
    let value = try other.input(.float)
    #expect(throws: Refusal.self) { try other.store(value, as: .int64) }
    #expect(throws: Refusal.self) {
      try ElementwiseOperators.emit(Self.node("Cosh"), [try other.input(.int64)], to: .int64, in: &other)
    }
  }

  @Test func divisionIsExact() {
    var random = SystemRandomNumberGenerator()
    let divisors = Array(1...70) + [127, 128, 129, 4095, 4096, 65537, (1 << 30) - 1, 1 << 30, (1 << 31) - 1]
    for divisor in divisors {
      let division = IndexDivision(divisor)
      #expect(division.factor < 1 << 32)
      let near = (0..<20).flatMap { [$0 * divisor, $0 * divisor - 1, $0 * divisor + 1] }
      for x in near + (0..<200).map({ _ in Int.random(in: 0..<1 << 31, using: &random) })
      where (0..<1 << 31).contains(x) {
        #expect(division.quotient(x) == x / divisor, "\(x) by \(divisor)")
      }
    }
  }

  @Test func transpositionsAreTiled() {
    func tiles(_ width: Int, _ shape: [Int], _ permutation: [Int]) -> TransposeTiles? {
      let own = Tensor.strides(shape)
      return TransposeTiles(width: width, dims: permutation.map { shape[$0] }, strides: permutation.map { own[$0] })
    }
    let plain = tiles(2, [4096, 8192], [1, 0])
    #expect(plain?.macros == ["WIDTH": 2, "RANK": 0, "FROM_VECTOR": 8, "TO_VECTOR": 8])
    #expect(plain?.blocks == 64 * 128)
    let image = tiles(4, [2, 24, 10, 12], [0, 2, 3, 1])
    #expect(image?.macros == ["WIDTH": 4, "RANK": 1, "FROM_VECTOR": 4, "TO_VECTOR": 4])
    #expect(tiles(2, [3, 130, 67], [0, 2, 1])?.macros == ["WIDTH": 2, "RANK": 1, "FROM_VECTOR": 1, "TO_VECTOR": 2])
    // A short last axis is a unit.
    #expect(tiles(4, [70, 80, 4], [1, 0, 2])?.macros == ["WIDTH": 16, "RANK": 0, "FROM_VECTOR": 1, "TO_VECTOR": 1])
    // The last axis stays, or one of the two is short.
    #expect(tiles(2, [32, 1024, 16, 64], [0, 2, 1, 3]) == nil)
    #expect(tiles(2, [8, 3, 32, 32], [0, 2, 3, 1]) == nil)
  }
}
