internal import CKernels

/// Fewer passes over a tile for the same numbers. The last step's result is the program's.
enum ElementwisePasses {
  typealias Step = ElementwiseCompiler.Step
  typealias Source = ElementwiseCompiler.Source

  /// The steps that the last one depends on.
  static func needed(_ steps: [Step]) -> [Step] {
    var isNeeded = [Bool](repeating: false, count: steps.count)
    if !steps.isEmpty { isNeeded[steps.count - 1] = true }
    for index in steps.indices.reversed() where isNeeded[index] {
      for case .step(let operand) in steps[index].operands { isNeeded[operand] = true }
    }
    var places = [Int](repeating: 0, count: steps.count)
    var kept: [Step] = []
    for index in steps.indices where isNeeded[index] {
      places[index] = kept.count
      var step = steps[index]
      step.operands = step.operands.map { source in
        if case .step(let operand) = source { .step(places[operand]) } else { source }
      }
      kept.append(step)
    }
    return kept
  }

  /// Two sums or products in a row become one step, and x * Sigmoid(x) one function.
  static func merged(_ steps: [Step]) -> [Step] {
    var steps = steps
    var readers = [Int](repeating: 0, count: steps.count)
    for step in steps { for case .step(let operand) in step.operands { readers[operand] += 1 } }
    for index in steps.indices where steps[index].operation == CK_PROGRAM_BINARY_F32 {
      for place in 0..<2 {
        let other = steps[index].operands[1 - place]
        guard case .step(let operand) = steps[index].operands[place], readers[operand] == 1 else { continue }
        if isSigmoid(steps[operand], of: other), steps[index].argument == Int32(CK_BINARY_MUL.rawValue) {
          steps[index] = Step(
            operation: CK_PROGRAM_UNARY_F32, argument: Int32(CK_UNARY_SILU.rawValue), operands: [other], width: 4, p0: 1
          )
          break
        }
        guard steps[operand].operation == CK_PROGRAM_BINARY_F32,
          let first = arithmetic(steps[operand].argument, isSecond: false, isReversed: false),
          let second = arithmetic(steps[index].argument, isSecond: true, isReversed: place == 1)
        else { continue }
        steps[index] = Step(
          operation: CK_PROGRAM_PAIR_F32, argument: Int32(first.rawValue) * 8 + Int32(second.rawValue),
          operands: steps[operand].operands + [other], width: 4)
        break
      }
    }
    return needed(steps)
  }

  private static func isSigmoid(_ step: Step, of source: Source) -> Bool {
    step.operation == CK_PROGRAM_UNARY_F32 && step.argument == Int32(CK_UNARY_SIGMOID.rawValue)
      && step.operands == [source]
  }

  /// The operation's part in a pair; nil where it has none.
  private static func arithmetic(_ operation: Int32, isSecond: Bool, isReversed: Bool) -> ck_program_arithmetic? {
    switch operation {
    case Int32(CK_BINARY_ADD.rawValue): CK_PROGRAM_ADD
    case Int32(CK_BINARY_MUL.rawValue): CK_PROGRAM_MUL
    case Int32(CK_BINARY_SUB.rawValue): isReversed ? CK_PROGRAM_SUB_REVERSED : CK_PROGRAM_SUB
    case Int32(CK_BINARY_DIV.rawValue) where isSecond && !isReversed: CK_PROGRAM_DIV
    default: nil
    }
  }
}
