/// Each number becomes the nearest code of its block.
enum RoundToNearest {
  /// `searches`: blocks are shrunk to where the squared error is least, else they cover all their numbers. `importance`
  /// [depth] weighs the errors of a row's numbers in that search; nil: all alike.
  static func quantize(
    _ matrix: WeightMatrix, _ format: WeightFormat, searches: Bool, importance: [Float]? = nil
  ) throws -> QuantizedMatrix {
    var result = try fitted(matrix, format, searches: searches, importance: importance)
    let grid = CodeGrid(format, scaleType: matrix.type)
    let (groups, size) = (result.groups, result.groupSize)
    withRows(of: matrix, &result) { rows, values, codes, blocks in
      for row in rows {
        for index in 0..<matrix.depth {
          let place = row * matrix.depth + index
          codes[place] = grid.encode(values[place], blocks[row * groups + index / size])
        }
      }
    }
    return result
  }

  /// The blocks alone: all codes are 0.
  static func fitted(
    _ matrix: WeightMatrix, _ format: WeightFormat, searches: Bool, importance: [Float]?
  ) throws -> QuantizedMatrix {
    var result = try QuantizedMatrix(rows: matrix.rows, depth: matrix.depth, format: format, type: matrix.type)
    let grid = CodeGrid(format, scaleType: matrix.type)
    let (groups, size) = (result.groups, result.groupSize)
    let weights = searches ? importance ?? [Float](repeating: 1, count: matrix.depth) : nil
    withRows(of: matrix, &result) { rows, values, _, blocks in
      for row in rows {
        for group in 0..<groups {
          let first = row * matrix.depth + group * size
          let part = first..<min(first + size, (row + 1) * matrix.depth)
          blocks[row * groups + group] = BlockFit.parameters(
            grid, UnsafeBufferPointer(rebasing: values[part]), weights, at: group * size)
        }
      }
    }
    if format.quantizesScales { result.quantizeScales() }
    return result
  }

  /// Calls `body` with ranges of rows on several threads; each writes the codes and blocks of its own rows only.
  static func withRows(
    of matrix: WeightMatrix, _ result: inout QuantizedMatrix, grain: Int? = nil,
    _ body: (
      _ rows: Range<Int>, _ values: UnsafeBufferPointer<Float>, _ codes: UnsafeMutableBufferPointer<UInt8>,
      _ blocks: UnsafeMutableBufferPointer<CodeGrid.Parameters>
    ) -> Void
  ) {
    let grain = grain ?? max(1, (1 << 14) / max(1, matrix.depth))
    matrix.values.withUnsafeBufferPointer { values in
      result.codes.withUnsafeMutableBufferPointer { codes in
        result.blocks.withUnsafeMutableBufferPointer { blocks in
          ParallelRows.run(matrix.rows, grain: grain) { body($0, values, codes, blocks) }
        }
      }
    }
  }
}

enum BlockFit {
  /// The block for `values`, which stand at `place` of their row: the one with the least error, weighted by
  /// `importance` of the row's numbers, or, where that is nil, the one that covers them.
  static func parameters(
    _ grid: CodeGrid, _ values: UnsafeBufferPointer<Float>, _ importance: [Float]?, at place: Int
  ) -> CodeGrid.Parameters {
    guard let importance else { return grid.covering(values) }
    return importance.withUnsafeBufferPointer { weights in
      grid.fitting(values, importance: UnsafeBufferPointer(rebasing: weights[place..<place + values.count]))
    }
  }
}
