import Tensors

extension CallBuilder {
  /// `output` of `size`: the sum of `coefficients[k]` * cos(2 pi k n / N), N one less where the window is not periodic.
  mutating func writeCosineWindow(_ coefficients: [Double]) throws {
    let type = try attributes.int("output_datatype", default: 1)
    try scalar("zero", 0, .float)
    try scalar("one", 1, .float)
    try scalar("sum0", coefficients[0], .float)
    try write(
      """
      count = Cast <to = 1> (size)
      places = Range (zero, count, one)
      \(try attributes.bool("periodic") ? "period = Identity (count)" : "period = Sub (count, one)")
      """)
    for k in 1..<coefficients.count {
      try scalar("turn\(k)", 2 * Double.pi * Double(k), .float)
      try scalar("factor\(k)", coefficients[k], .float)
      try write(
        """
        whole\(k) = Mul (places, turn\(k))
        angle\(k) = Div (whole\(k), period)
        cosine\(k) = Cos (angle\(k))
        term\(k) = Mul (cosine\(k), factor\(k))
        sum\(k) = Add (sum\(k - 1), term\(k))
        """)
    }
    try write("output = Cast <to = \(type)> (sum\(coefficients.count - 1))")
  }
}
