/// Forms that several rule files share. Each pass's text holds them as its own: it can be printed, saved and read again by itself.
enum RuleForms {
  /// n = d / sqrt(q + e), with e a constant.
  static let normalized = """
    form Normalized(d, q, e) {
      Div(d, Sqrt(Add(q, $e)))
      | Mul(d, Reciprocal(Sqrt(Add(q, $e))))
      | Mul(d, Div(1, Sqrt(Add(q, $e))))
      | Mul(d, Pow(Add(q, $e), -0.5))
      | Mul(d, Sqrt(Reciprocal(Add(q, $e))))
      | Div(d, Pow(Add(q, $e), 0.5))
    }
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

  /// a * min(x, 0), as a (x - |x|) / 2.
  static let minus = """
    form Minus(x, a) { Mul(Mul(Sub(x, Abs(x)), $a), 0.5) | Mul(Mul(Sub(x, Abs(x)), 0.5), $a) }
    """
}
