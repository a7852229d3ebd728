import PassKit

/// Exact identities of arithmetic.
public enum SimplifyArithmetic {
  public static let pass = RulePass(
    """
    rule SimplifyArithmetic level 1 "applies exact identities of negation, reciprocal and idempotent operators" {
      match   { y = Neg(Neg&(x)) }
      rewrite { y = x }
    }

    rule SimplifyArithmetic level 1 {
      match   { a = Neg&(x)  y = Abs(a) }
      rewrite { y = Abs(x) }
    }

    rule SimplifyArithmetic level 1 {
      match   { y = Abs(Abs&(x)) }
      rewrite { y = Abs(x) }
    }

    rule SimplifyArithmetic level 1 {
      match   { y = Relu(Relu&(x)) }
      rewrite { y = Relu(x) }
    }

    rule SimplifyArithmetic level 1 {
      match   { a = (Floor|Ceil|Round)&(x)  y = (Floor|Ceil|Round)(a) }
      where   { is_float(x) }
      rewrite { y = @a(x) }
    }

    rule SimplifyArithmetic level 1 {
      match   { y = Sign(Sign&(x)) }
      rewrite { y = Sign(x) }
    }

    rule SimplifyArithmetic level 1 {
      match   { a = Neg(b)  y = Add(x, a) }
      where   { !constant(x) }
      rewrite { y = Sub(x, b) }
    }

    rule SimplifyArithmetic level 1 {
      match   { a = Neg(b)  y = Sub(x, a) }
      rewrite { y = Add(x, b) }
    }

    rule SimplifyArithmetic level 1 {
      match   { a = Neg&(x)  b = Neg&(z)  y = Mul(a, b) }
      rewrite { y = Mul(x, z) }
    }

    """)
}
