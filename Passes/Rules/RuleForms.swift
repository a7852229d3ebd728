/// Forms that several rule files share. Each pass's text holds them as its own: it can be printed, saved and read again by itself.
enum RuleForms {
  /// n = d / sqrt(q + e), with e a constant, and 1 / sqrt(q + e).
  static let normalized = """
    form InverseRoot(q, e) {
      Reciprocal(Sqrt(Add(q, $e))) | Div(1, Sqrt(Add(q, $e))) | Pow(Add(q, $e), -0.5) | Sqrt(Reciprocal(Add(q, $e)))
      | Reciprocal(Pow(Add(q, $e), 0.5)) | Div(1, Pow(Add(q, $e), 0.5))
    }
    form Normalized(d, q, e) {
      Div(d, Sqrt(Add(q, $e))) | Div(d, Pow(Add(q, $e), 0.5)) | Mul(d, InverseRoot(q, $e))
    }
    """

  /// The variance of x, m its mean and d = x - m: mean(d^2), or mean(x^2) - m^2. Moment is where d is not read otherwise.
  static let variance = """
    form Variance(x, m, d) {
      ReduceMean<keepdims = 1>(Mul(d, d), _) | Sub(ReduceMean<keepdims = 1>(Mul(x, x), _), Mul(m, m))
    }
    form Moment(x, m) {
      d = Sub(x, m)  ReduceMean<keepdims = 1>(Mul(d, d), _)
      | Sub(ReduceMean<keepdims = 1>(Mul(x, x), _), Mul(m, m))
    }
    """

  /// b - m * f.
  static let shifted = """
    form Shifted(m, f, b) { Sub($b, Mul(m, f)) | Add(Mul(Neg(m), f), $b) }
    """

  /// x > 0 or x >= 0: the rules that use it choose between branches that meet at 0.
  static let isPositive = """
    form IsPositive(x) {
      Greater(x, 0) | GreaterOrEqual(x, 0) | Less(0, x) | LessOrEqual(0, x)
      | Not(Less(x, 0)) | Not(LessOrEqual(x, 0))
    }
    """

  /// x < 0 or x <= 0.
  static let isNegative = """
    form IsNegative(x) { Less(x, 0) | LessOrEqual(x, 0) | Greater(0, x) | GreaterOrEqual(0, x) }
    """

  /// max(x, 0).
  static let positive = """
    form Positive(x) { Relu(x) | Max(x, 0) }
    """

  /// -x.
  static let negated = """
    form Negated(x) { Neg(x) | Mul(x, -1) | Sub(0, x) }
    """

  /// x where it is positive, else a x. It reads the forms isPositive, isNegative, negated and minus.
  static let leaky = """
    form Leaky(x, a) {
      Where(IsPositive(x), x, Mul!(x, $a)) | Where(IsNegative(x), Mul!(x, $a), x)
      | Sub(Relu!(x), Mul(Relu(Negated(x)), $a)) | Add(Relu(x), Minus(x, $a))
    }
    """

  /// a * min(x, 0), as a (x - |x|) / 2.
  static let minus = """
    form Minus(x, a) { Mul(Mul(Sub(x, Abs(x)), $a), 0.5) | Mul(Mul(Sub(x, Abs(x)), 0.5), $a) }
    """
}
