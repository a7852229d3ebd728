internal import CKernels
import Tensors

/// GPTQ (Frantar et al., "Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2022): the
/// inputs of a layer are rounded one after the other, and what rounding one of them costs the layer's output is made
/// good by those that are still to come.
///
/// With H = X^T X of the layer's inputs and H^-1 = U^T U, the error e = (w_i - q_i) / U_ii of input i is taken from the
/// others: w_j -= e U_ij, j > i. Rows (output channels) are independent; a row's errors are applied to far inputs in
/// blocks of 128.
enum OptimalRounding {
  struct Options: Sendable {
    /// Added to the diagonal of H, as a fraction of its mean.
    var damping = 0.01
    /// Inputs in descending order of their mean square ("act-order"). Blocks are then fitted to the weights as they
    /// were, so that each keeps its neighbours; else to the weights as they are when their first input's turn comes.
    var ordersByActivation = true
  }

  /// `gram`: the mean of x x^T over the layer's inputs x, [depth, depth]. Throws `.badInput` where it cannot be
  /// inverted.
  static func quantize(
    _ matrix: WeightMatrix, _ format: WeightFormat, gram: [Float], _ options: Options
  ) throws -> QuantizedMatrix {
    let depth = matrix.depth
    guard gram.count == depth * depth else {
      throw CameoError.badInput("the activations' products are \(gram.count) numbers, \(depth * depth) were expected")
    }
    try MemoryBudget.shared.check(
      depth * depth * (2 * MemoryLayout<Double>.stride + MemoryLayout<Float>.stride), for: "the inverse for GPTQ")
    var diagonal = (0..<depth).map { gram[$0 * depth + $0] }
    // An input that never was anything but 0 is rounded by itself.
    let mean = diagonal.reduce(0, +) / Float(max(1, depth))
    for index in diagonal.indices where diagonal[index] <= 0 { diagonal[index] = mean > 0 ? mean : 1 }
    let order =
      options.ordersByActivation
      ? (0..<depth).sorted { diagonal[$0] != diagonal[$1] ? diagonal[$0] > diagonal[$1] : $0 < $1 } : Array(0..<depth)
    let upper = try InverseFactor.upper(
      permuted(gram, diagonal, order), size: depth, damping: options.damping)
    var result: QuantizedMatrix
    // Scales that are quantized themselves must be known before the first number is rounded.
    let fitsOnTheWay = !options.ordersByActivation && !format.quantizesScales
    if !fitsOnTheWay {
      result = try RoundToNearest.fitted(matrix, format, searches: true, importance: diagonal)
    } else {
      result = try QuantizedMatrix(rows: matrix.rows, depth: depth, format: format, type: matrix.type)
    }
    let walk = Walk(
      grid: CodeGrid(format, scaleType: matrix.type), depth: depth, groups: result.groups, size: result.groupSize,
      order: order, upper: upper, importance: diagonal, fitsOnTheWay: fitsOnTheWay)
    RoundToNearest.withRows(of: matrix, &result, grain: Walk.rowsAtOnce) { rows, values, codes, blocks in
      walk.round(rows, values, codes, blocks)
    }
    return result
  }

  private static func permuted(_ gram: [Float], _ diagonal: [Float], _ order: [Int]) -> [Float] {
    let n = order.count
    var result = [Float](repeating: 0, count: n * n)
    for (i, from) in order.enumerated() {
      for (j, other) in order.enumerated() { result[i * n + j] = gram[from * n + other] }
      result[i * n + i] = diagonal[from]
    }
    return result
  }

  /// Rounds some rows.
  private struct Walk: Sendable {
    static let rowsAtOnce = 32
    let grid: CodeGrid
    let depth: Int
    let groups: Int
    let size: Int
    let order: [Int]
    let upper: [Float]
    let importance: [Float]
    let fitsOnTheWay: Bool

    /// Inputs between two updates of all later ones. Blocks that are fitted on the way end with it.
    private var stretch: Int { fitsOnTheWay && size > 128 ? size : 128 }

    func round(
      _ rows: Range<Int>, _ values: UnsafeBufferPointer<Float>, _ codes: UnsafeMutableBufferPointer<UInt8>,
      _ blocks: UnsafeMutableBufferPointer<CodeGrid.Parameters>
    ) {
      let count = rows.count
      var work = [Float](repeating: 0, count: count * depth)
      for row in 0..<count {
        for (place, index) in order.enumerated() {
          work[row * depth + place] = values[(rows.lowerBound + row) * depth + index]
        }
      }
      let stretch = stretch
      var errors = [Float](repeating: 0, count: count * stretch)
      var product = [Float](repeating: 0, count: count * depth)
      upper.withUnsafeBufferPointer { upper in
        work.withUnsafeMutableBufferPointer { work in
          errors.withUnsafeMutableBufferPointer { errors in
            for first in Swift.stride(from: 0, to: depth, by: stretch) {
              let last = min(depth, first + stretch)
              for row in 0..<count {
                near(row, first..<last, upper, work, errors, stretch, rows.lowerBound + row, codes, blocks)
              }
              if last < depth {
                product.withUnsafeMutableBufferPointer {
                  far(count, first..<last, upper, work, errors, stretch, $0)
                }
              }
            }
          }
        }
      }
    }

    /// One row's inputs `part`, each made good by the rest of the part.
    private func near(
      _ row: Int, _ part: Range<Int>, _ upper: UnsafeBufferPointer<Float>,
      _ work: UnsafeMutableBufferPointer<Float>, _ errors: UnsafeMutableBufferPointer<Float>, _ stretch: Int,
      _ target: Int, _ codes: UnsafeMutableBufferPointer<UInt8>,
      _ blocks: UnsafeMutableBufferPointer<CodeGrid.Parameters>
    ) {
      let base = row * depth
      for place in part {
        let index = order[place]
        if fitsOnTheWay, place % size == 0 {
          let end = min(place + size, depth)
          blocks[target * groups + place / size] = BlockFit.parameters(
            grid, UnsafeBufferPointer(rebasing: work[base + place..<base + end]), importance, at: place)
        }
        let block = blocks[target * groups + index / size]
        let value = work[base + place]
        let code = grid.encode(value, block)
        codes[target * depth + index] = code
        let error = (value - grid.decode(code, block)) / upper[place * depth + place]
        errors[row * stretch + place - part.lowerBound] = error
        for later in place + 1..<max(place + 1, part.upperBound) {
          work[base + later] -= error * upper[place * depth + later]
        }
      }
    }

    /// What the part's errors cost is made good by all later inputs.
    private func far(
      _ count: Int, _ part: Range<Int>, _ upper: UnsafeBufferPointer<Float>,
      _ work: UnsafeMutableBufferPointer<Float>, _ errors: UnsafeMutableBufferPointer<Float>, _ stretch: Int,
      _ product: UnsafeMutableBufferPointer<Float>
    ) {
      guard let out = product.baseAddress, let left = errors.baseAddress, let right = upper.baseAddress else { return }
      let (last, width) = (part.upperBound, depth - part.upperBound)
      ck_contract_f32(
        out, width, 1, left, stretch, 1, right + part.lowerBound * depth + last, depth, 1, width, part.count, 0, count)
      for row in 0..<count {
        for index in 0..<width { work[row * depth + last + index] -= product[row * width + index] }
      }
    }
  }
}
