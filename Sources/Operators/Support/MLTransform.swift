import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// `post_transform` of ai.onnx.ml: what becomes of a row of scores.
///
/// The standard says that the transform is applied to the scores, so it always is. ONNX Runtime 1.31 leaves a single score
/// as it is for all but PROBIT (regressors with one target, models of one class) and the two scores made from one for SOFTMAX
/// and SOFTMAX_ZERO; `onnx.reference` applies it there, as here.
enum MLTransform: String, Sendable {
  case none = "NONE"
  case softmax = "SOFTMAX"
  case logistic = "LOGISTIC"
  case softmaxZero = "SOFTMAX_ZERO"
  case probit = "PROBIT"

  /// The attribute `post_transform`, a name.
  init(_ attributes: AttributeReader) throws {
    let name = try attributes.string("post_transform", default: "NONE")
    guard let value = MLTransform(rawValue: name) else {
      throw CameoError.badInput(
        "post_transform is \(name); NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT was expected")
    }
    self = value
  }

  /// TreeEnsemble's number for it. ONNX Runtime 1.31 takes 1 for LOGISTIC and 2 for SOFTMAX; the standard says it this way round.
  init(number: Int) throws {
    let order: [MLTransform] = [.none, .softmax, .logistic, .softmaxZero, .probit]
    guard order.indices.contains(number) else {
      throw CameoError.badInput("post_transform is \(number), 0 to 4 was expected")
    }
    self = order[number]
  }

  /// Transforms one row of `count` scores in place.
  func apply<T: BinaryFloatingPoint>(_ row: UnsafeMutablePointer<T>, _ count: Int) {
    switch self {
    case .none: break
    case .logistic: for i in 0..<count { row[i] = T(MLTransform.logistic(Double(row[i]))) }
    case .probit: for i in 0..<count { row[i] = T(MLTransform.probit(Float(row[i]))) }
    case .softmax: MLTransform.softmax(row, count)
    case .softmaxZero: MLTransform.softmaxZero(row, count)
    }
  }

  /// The two scores of a binary model that has one: `score` of the positive class. Without a transform they are
  /// [1 - score, score] where `isComplement`, else [-score, score].
  func applyPair<T: BinaryFloatingPoint>(_ score: T, _ row: UnsafeMutablePointer<T>, isComplement: Bool) {
    switch self {
    case .none: row[0] = isComplement ? 1 - score : -score
    case .probit: row[0] = 1 - score
    default: row[0] = -score
    }
    row[1] = score
    apply(row, 2)
  }

  private static func softmax<T: BinaryFloatingPoint>(_ row: UnsafeMutablePointer<T>, _ count: Int) {
    guard count > 0 else { return }
    var peak = Double(row[0])
    for i in 1..<max(count, 1) { peak = max(peak, Double(row[i])) }
    var sum = 0.0
    for i in 0..<count {
      let value = exp(Double(row[i]) - peak)
      row[i] = T(value)
      sum += value
    }
    for i in 0..<count { row[i] = T(Double(row[i]) / sum) }
  }

  /// Softmax over the scores that are not 0; those within 1e-7 of 0 keep (almost) 0. A row of zeros becomes 0.5 each, as in
  /// `onnx.reference`; ONNX Runtime gives NaN there.
  private static func softmaxZero<T: BinaryFloatingPoint>(_ row: UnsafeMutablePointer<T>, _ count: Int) {
    guard count > 0 else { return }
    var peak = Double(row[0])
    for i in 1..<max(count, 1) { peak = max(peak, Double(row[i])) }
    var sum = 0.0
    for i in 0..<count {
      let score = Double(row[i])
      if score.magnitude > 1e-7 {
        let value = exp(score - peak)
        row[i] = T(value)
        sum += value
      } else {
        row[i] = T(score * exp(-peak))
      }
    }
    for i in 0..<count { row[i] = sum == 0 ? 0.5 : T(Double(row[i]) / sum) }
  }

  static func logistic(_ x: Double) -> Double {
    let value = 1 / (1 + exp(-x.magnitude))
    return x < 0 ? 1 - value : value
  }

  /// The quantile function of the normal distribution, by Winitzki's closed form of the inverse error function (relative
  /// error 2e-3) in float arithmetic, which both ONNX Runtime and `onnx.reference` use: near 0.5 its rounding is part of
  /// their results. Infinite at 0 and 1, NaN outside.
  static func probit(_ p: Float) -> Float {
    let x = 2 * p - 1
    let a: Float = 0.147
    let log1 = log((1 - x) * (1 + x))
    let half = 2 / (Float.pi * a) + 0.5 * log1
    let square = (half * half - 1 / a * log1).squareRoot() - half
    let value = (square < 0 ? 0 : square).squareRoot()
    return 1.4142135 * (x < 0 ? -value : value)
  }
}
