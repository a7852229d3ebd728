import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The kernel function of a support vector machine, in double.
struct MLKernel: Sendable {
  enum Kind: String, Sendable {
    case linear = "LINEAR"
    case poly = "POLY"
    case rbf = "RBF"
    case sigmoid = "SIGMOID"
  }

  let kind: Kind
  let gamma: Double
  let offset: Double
  let degree: Double

  /// The plain product.
  static let linear = MLKernel(kind: .linear, gamma: 0, offset: 0, degree: 0)

  private init(kind: Kind, gamma: Double, offset: Double, degree: Double) {
    self.kind = kind
    self.gamma = gamma
    self.offset = offset
    self.degree = degree
  }

  /// `kernel_type` and `kernel_params` (gamma, coef0, degree; zeros where left out).
  init(_ attributes: AttributeReader) throws {
    let name = try attributes.string("kernel_type", default: "LINEAR")
    guard let kind = Kind(rawValue: name) else {
      throw CameoError.badInput("kernel_type is \(name); LINEAR, POLY, RBF or SIGMOID was expected")
    }
    let parameters = try attributes.optionalFloats("kernel_params") ?? []
    guard parameters.isEmpty || parameters.count == 3 else {
      throw CameoError.badInput("kernel_params has \(parameters.count) entries, 3 were expected: gamma, coef0, degree")
    }
    self.kind = kind
    gamma = parameters.isEmpty ? 0 : Double(parameters[0])
    offset = parameters.isEmpty ? 0 : Double(parameters[1])
    degree = parameters.isEmpty ? 0 : Double(parameters[2])
  }

  /// `out` [rows, count] = the kernel of each row of `x` [rows, features] with each of `vectors` [count, features].
  func apply(
    _ x: UnsafePointer<Double>, rows: Int, features: Int, vectors: UnsafePointer<Double>, count: Int,
    into out: UnsafeMutablePointer<Double>
  ) {
    if kind == .rbf { return distances(x, rows, features, vectors, count, out) }
    MLKernel.products(x, rows: rows, features: features, weights: vectors, count: count, into: out)
    if kind == .linear { return }
    NNParallel.ranges(rows, grain: max(1, 4096 / max(1, count))) { range in
      for i in range.lowerBound * count..<range.upperBound * count {
        let value = gamma * out[i] + offset
        out[i] = kind == .poly ? pow(value, degree) : tanh(value)
      }
    }
  }

  private func distances(
    _ x: UnsafePointer<Double>, _ rows: Int, _ features: Int, _ vectors: UnsafePointer<Double>, _ count: Int,
    _ out: UnsafeMutablePointer<Double>
  ) {
    NNParallel.ranges(rows, grain: max(1, 8192 / max(1, count))) { range in
      for row in range {
        for vector in 0..<count {
          let (a, b) = (x + row * features, vectors + vector * features)
          var sum = 0.0
          for i in 0..<features {
            let difference = a[i] - b[i]
            sum += difference * difference
          }
          out[row * count + vector] = exp(-gamma * sum)
        }
      }
    }
  }

  /// `out` [rows, count] = x [rows, features] times the transpose of `weights` [count, features].
  static func products(
    _ x: UnsafePointer<Double>, rows: Int, features: Int, weights: UnsafePointer<Double>, count: Int,
    into out: UnsafeMutablePointer<Double>
  ) {
    NNContraction.multiply(
      out, ldc: count, NNMatrix(x, row: features, col: 1), NNMatrix(weights, row: 1, col: features), m: rows, n: count,
      k: features, inDouble: true)
  }
}

/// The support vectors of a model and the rows that it takes, some at a time.
struct MLSupportVectors {
  let kernel: MLKernel
  let vectors: [Double]
  let count: Int

  /// Calls `body` with rows and their kernel values [rows, count]; the number of features has been checked.
  func forEachBlock(
    _ x: UnsafePointer<Double>, _ shape: MLRows, _ body: (Range<Int>, UnsafePointer<Double>) -> Void
  ) throws {
    let size = max(1, min(shape.rows, 1 << 20 / max(1, count)))
    let (values, overflow) = size.multipliedReportingOverflow(by: max(1, count) * MemoryLayout<Double>.stride)
    guard !overflow else { throw CameoError.limit("\(count) support vectors overflow") }
    let scratch = try TensorStorage(byteCount: values, zeroed: false)
    let out = scratch.base.bindMemory(to: Double.self, capacity: size * max(1, count))
    withExtendedLifetime(scratch) {
      vectors.withUnsafeBufferPointer { vectors in
        guard let base = vectors.baseAddress else { return }
        for start in stride(from: 0, to: shape.rows, by: size) {
          let block = start..<min(start + size, shape.rows)
          kernel.apply(
            x + start * shape.features, rows: block.count, features: shape.features, vectors: base, count: count,
            into: out)
          body(block, out)
        }
      }
    }
  }
}
