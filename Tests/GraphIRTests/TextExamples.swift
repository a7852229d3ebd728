/// Models in ONNX text. `shared` ones stay inside what libonnx 1.12 reads too.
enum TextExamples {
  static let shared: [String] = [
    """
    <ir_version: 8, opset_import: ["" : 17]>
    agraph (float[N, 128] X, float[128, 10] W, float[10] B) => (float[N, C] C)
    {
      T = MatMul(X, W)
      S = Add(T, B)
      C = Softmax<axis = -1>(S)
    }
    """,
    """
    <
      ir_version: 8,
      opset_import: ["" : 17, "com.microsoft" : 1],
      producer_name: "tests",
      producer_version: "1.0",
      domain: "ai.example",
      model_version: 3,
      doc_string: "a model"
    >
    g (float x, float[] y, float[?, 3] z, int64[2] i) => (float[] o, float p)
    <float[2, 2] w = {1.0, 2.5, -3e-2, 4}, int64[3] idx = {-1, 0, 9223372036854775807}, float[N] t>
    {
      # a comment
      t = Add (y, z)
      u = com.microsoft.FusedGemm <alpha = 1.5, transA = 1, activation = "Relu", lists = [1, 2, 3], fs = [1.5, 2e3], ss = ["a", "b c"]> (t, w)
      o = Clip (u, , x)
      p = Identity (x)
    }
    """,
    """
    <ir_version: 8, opset_import: ["" : 17]>
    g (bool c, float[2] x) => (float[2] y)
    {
      y = If (c) <
        then_branch = t () => (float[2] a) { a = Neg (x) },
        else_branch = e () => (float[2] b) <float[2] two = {2, 2}> { b = Mul (x, two) }
      >
    }
    """,
    """
    <ir_version: 8, opset_import: ["" : 17, "local" : 1]>
    g (float[N] x) => (float[N] y) { y = local.Twice <k = 2> (x) }
    <domain: "local", opset_import: ["" : 17], doc_string: "doubles">
    Twice <k> (a) => (b) { n = Constant <value_int: int = @k> () m = Cast <to = 1> (n) b = Mul (a, m) }
    """,
    """
    <ir_version: 8, opset_import: ["" : 17]>
    g (float[N] s, int64[] t) => (float y)
    {
      k = Constant <value = int64 {1}> ()
      e = Constant <value = float[2, 2] {1, 2, 3, 4}> ()
      names = Constant <value = string[2] {"a", "b"}> ()
      d = Constant <value = double[1] {1e300}> ()
      z = Constant <value = uint8[3] {0, 255, 7}> ()
      q = Constant <value = bool[2] {1, 0}> ()
      y = SequenceAt (s, k)
    }
    """,
  ]

  static let own: [String] = [
    """
    <ir_version: 10, opset_import: ["" : 24, "com.microsoft" : 1], producer_name: "x", metadata_props: ["k": "v", "a\\"b": ""]>
    name (float[N, 3, 224] x, int64[3] ids = {1, 2, 3}, int64[] more = {4, 5}) => (float y)
    <float[2] w = {1, 2}, float[3] v, float[0] none = {}>
    {
      [first] v = Op <attr = 1, alpha: float = 1, to = 7, beta: float = -0> (x, "", w)
      ["second node"] "an odd name", "" = ai.cameo.Op:variant (v)
      y = "com.my-company"."odd op" ("an odd name") <types = [float[N], seq(int64)], t = optional(float[]), none: ints = [],
        h = hex "80ff", sp = sparse_tensor(float[3, 3]) {float[2] {1, 2}, int64[2] {0, 4}}>
    }
    """,
    """
    g (float["N + 1", "2*N - M"] x, float["batch-size", "floor(N, 8)", "max(M, N)"] y, undefined[?, 3] z) => (float[?, "?9"] o, float["?9"] p)
    {
      o = A (x, y, z)
      p = B (o)
    }
    """,
    """
    g () => (float[3] y)
    {
      inf = Constant <value = float[5] {inf, -inf, nan, -0, 1e-45}> ()
      d = Constant <value_floats = [inf, -inf, 0.1]> ()
      h = Constant <value = float16[3] {15360, 1.5, -inf}> ()
      b = Constant <value = bfloat16[2] {16256, 1.0}> ()
      f8 = Constant <value = float8e4m3fn[3] {56, 1.0, nan}> ()
      f4 = Constant <value = float4e2m1[3] {2, 6.0, -0.5}> ()
      e8 = Constant <value = float8e8m0[2] {127, 2.0}> ()
      i4 = Constant <value = int4[3] {-8, 7, 0}> ()
      u4 = Constant <value = uint4[3] {15, 0, 1}> ()
      i2 = Constant <value = int2[5] {-2, 1, 0, -1, 1}> ()
      u2 = Constant <value = uint2[2] {3, 0}> ()
      u64 = Constant <value = uint64[2] {18446744073709551615, 0}> ()
      c = Constant <value = complex64[2] {1, 2, -3, 4.5}> ()
      cc = Constant <value = complex128[1] {0.1, 1e300}> ()
      s = Constant <value_strings = ["", "two\\\\ \\" lines\nhere"]> ()
      i = Constant <value_ints = [1, -2]> ()
      n = Constant <value_int = 5> ()
      x = Constant <value_float = 5.0> ()
      t = Constant <value_string = "é"> ()
      sp = Constant <sparse_value = sparse_tensor(double[4]) {double[1] {3}, int64[1] {2}}> ()
      y = Use (inf, d, h, b, f8, f4, e8, i4, u4, i2, u2, u64, c, cc, s, i, n, x, t, sp)
    }
    """,
    """
    outer (bool c, float x) => (float y, float x)
    <float k = {3}>
    {
      a = Neg (x)
      [branch] y = If (c) <then_branch = inner () => (float r)
      { r = If (c) <then_branch = "" () => (a) {}, else_branch = e2 => (q) { q = Add (a, k) }> },
        else_branch = other () => (s) { s = Loop ("", c, x) <body = b (int64 i, bool go, float acc) => (go, float n)
          <float one = {1}> { n = Add (acc, one) }> }>
    }
    """,
    """
    <ir_version: 10, opset_import: ["" : 24, "local" : 1]>
    main (float[N] x) => (float[N] y) { y = local.F:fast <beta = 2.0> (x) }
    <domain: "local", overload: "fast", opset_import: ["" : 24]>
    F <beta, alpha: float = 1.0, "odd name" = [1, 2]> (a, float[N] typed) => (b)
    {
      c = Constant <value = float {2}> ()
      b = Gemm <alpha: float = @alpha, beta: float = @beta> (a, c)
    }
    <domain: "local", opset_import: []> Empty () => () {}
    """,
    "g (seq(float[N]) s, optional(float) o, seq(seq(int64[])) ss) => (float y) { y = SequenceAt (s, o) }",
    "g (map(string, seq(float[N])) m, opaque() a, opaque(x) b, opaque(ai.onnx, x) c, sparse_tensor(int8[]) d) => () { = Sink (m, a, b, c, d) }",
    "\"\" (float \"float\", float[2] \"a b\") => (float \"seq\") { \"seq\" = F (\"float\", \"a b\") }",
  ]
}

extension String {
  /// The text with every `old` replaced; the tests do without Foundation.
  func replacing(_ old: String, with new: String) -> String {
    var result: [UInt8] = []
    let bytes = Array(utf8)
    let pattern = Array(old.utf8)
    var index = 0
    while index < bytes.count {
      if bytes[index...].starts(with: pattern) {
        result += Array(new.utf8)
        index += pattern.count
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
