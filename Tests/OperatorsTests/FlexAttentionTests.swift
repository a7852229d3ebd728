import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// FlexAttention of ai.onnx.preview and its two bodies.
/// Expected outputs: onnx 1.23.2, onnx.reference.
@Suite struct FlexAttentionTests {
  private static let cases: [OperatorCase] = [
    Case(
      "g (float[1, 2, 2, 2] q, float[1, 1, 3, 2] k, float[1, 1, 3, 2] v) => (float[] y) { y = ai.onnx.preview.FlexAttention (q, k, v) }",
      [
        "float[1, 2, 2, 2] {-0.743, -0.001, 0.203, -0.943, -0.704, 0.856, -0.859, -0.74}",
        "float[1, 1, 3, 2] {0.897, 0.244, -0.262, 0.023, 0.326, -0.449}",
        "float[1, 1, 3, 2] {-0.724, 0.576, 0.341, 0.025, 0.633, 0.098}",
      ],
      [
        "float[1, 2, 2, 2] {0.18091081, 0.18006109, 0.1557441, 0.21600673, 0.10495068, 0.20417035, 0.2520981, 0.15689968}"
      ]),
    Case(
      "g (float[1, 2, 2, 2] q, float[1, 1, 3, 2] k, float[1, 1, 3, 2] v) => (float[] y) { y = ai.onnx.preview.FlexAttention <scale = 0.25, score_mod = m (float[1, 2, 2, 3] s) => (float[1, 2, 2, 3] o) { c = Constant <value = float {0.5}> () o = Mul (s, c) }> (q, k, v) }",
      [
        "float[1, 2, 2, 2] {0.962, -0.591, 0.107, -0.033, -0.293, 0.183, -0.529, 0.604}",
        "float[1, 1, 3, 2] {0.735, -0.742, -0.066, -0.446, -0.834, 0.792}",
        "float[1, 1, 3, 2] {-0.14, -0.705, 0.347, -0.596, 0.803, -0.566}",
      ],
      [
        "float[1, 2, 2, 2] {0.28997257, -0.62903804, 0.33238217, -0.6229514, 0.35121855, -0.62028116, 0.3713595, -0.6175521}"
      ]),
    Case(
      "g (float[2, 4, 2, 2] q, float[2, 2, 3, 2] k, float[2, 2, 3, 3] v) => (float[] y) { y = ai.onnx.preview.FlexAttention <score_mod = m (float[2, 4, 2, 3] s) => (float[2, 4, 2, 3] o) { o = Tanh (s) }, prob_mod = p (float[2, 4, 2, 3] w) => (float[2, 4, 2, 3] o) { c = Constant <value = float {0.5}> () o = Mul (w, c) }> (q, k, v) }",
      [
        "float[2, 4, 2, 2] {-0.934, -0.598, -0.309, -0.062, 0.812, 0.395, -0.321, -0.966, -0.68, 0.993, -0.081, 0.382, -0.891, -0.932, 0.692, 0.176, -0.383, -0.365, -0.822, -0.655, -0.951, 0.678, -0.067, -0.746, 0.478, -0.609, -0.876, 0.197, 0.792, -0.946, 0.61, -0.62}",
        "float[2, 2, 3, 2] {-0.814, -0.964, -0.414, 0.454, -0.014, 0.706, -0.566, -0.37, -0.484, 0.957, 0.882, -0.319, -0.128, -0.371, 0.493, -0.92, -0.865, -0.192, -0.51, 0.69, 0.484, 0.092, 0.323, 0.385}",
        "float[2, 2, 3, 3] {0.562, 0.855, -0.701, 0.252, -0.713, -0.114, 0.573, 0.789, 0.518, -0.929, -0.281, -0.674, 0.998, -0.712, -0.511, -0.286, -0.878, 0.741, 0.273, -0.681, -0.003, -0.843, 0.222, -0.537, -0.923, -0.77, 0.111, 0.274, -0.35, 0.287, -0.296, -0.739, -0.37, -0.209, 0.825, -0.769}",
      ],
      [
        "float[2, 4, 2, 3] {0.23927973, 0.204798, -0.15246814, 0.23203593, 0.16184433, -0.0743949, 0.23084593, 0.1459931, 0.02807493, 0.24557912, 0.23700675, -0.16792306, 0.13021635, -0.30881175, -0.18072622, 0.03205414, -0.3147771, -0.10520235, -0.16882533, -0.25808308, -0.15751548, -0.03376059, -0.34389988, 0.02086222, -0.25814354, -0.21652514, -0.06346943, -0.26569903, -0.23305146, -0.05238159, -0.2732499, -0.28534493, -0.01806551, -0.25921464, -0.17587912, -0.0898161, -0.06530943, -0.05185716, -0.17636539, 0.00003192, -0.05851303, -0.08404514, -0.07669431, -0.06142293, -0.18889196, -0.06910684, -0.05209979, -0.18152186}"
      ]),
    Case(
      "g (double[1, 2, 2, 2] q, double[1, 1, 2, 2] k, double[1, 1, 2, 2] v) => (double[] y) { y = ai.onnx.preview.FlexAttention <score_mod = m (double[1, 2, 2, 2] s) => (double[1, 2, 2, 2] o) { o = Softsign (s) }> (q, k, v) }",
      [
        "double[1, 2, 2, 2] {-0.828, 0.123, 0.927, 0.815, 0.4, -0.866, 0.613, 0.367}",
        "double[1, 1, 2, 2] {-0.712, -0.07, -0.901, 0.604}", "double[1, 1, 2, 2] {0.437, 0.609, 0.521, -0.465}",
      ],
      [
        "double[1, 2, 2, 2] {0.480593965, 0.05162002, 0.481961763, 0.034131749, 0.473825274, 0.138162571, 0.480192533, 0.056752617}"
      ]),
    Case(
      "g (double[1, 2, 2, 2] q, double[1, 1, 2, 2] k, double[1, 1, 2, 2] v) => (double[] y) { y = ai.onnx.preview.FlexAttention <softmax_precision = 1, score_mod = m (float[1, 2, 2, 2] s) => (float[1, 2, 2, 2] o) { o = Sin (s) }> (q, k, v) }",
      [
        "double[1, 2, 2, 2] {0.579, -0.502, -0.724, -0.219, -0.004, -0.428, 0.212, 0.205}",
        "double[1, 1, 2, 2] {-0.52, 0.245, -0.285, 0.469}", "double[1, 1, 2, 2] {-0.419, 0.598, -0.17, 0.106}",
      ],
      [
        "double[1, 2, 2, 2] {-0.293504298, 0.350032628, -0.304010868, 0.370792568, -0.298734635, 0.360367209, -0.290288359, 0.343678176}"
      ]),
    Case(
      "g (float16[1, 2, 2, 2] q, float16[1, 1, 2, 2] k, float16[1, 1, 2, 2] v) => (float16[] y) { y = ai.onnx.preview.FlexAttention <score_mod = m (float[1, 2, 2, 2] s) => (float[1, 2, 2, 2] o) { o = Sin (s) }> (q, k, v) }",
      [
        "float16[1, 2, 2, 2] {13709, 10428, 47043, 15276, 47735, 46490, 11846, 48011}",
        "float16[1, 1, 2, 2] {47493, 14539, 14475, 13410}", "float16[1, 1, 2, 2] {14959, 14359, 46703, 13476}",
      ],
      ["float16[1, 2, 2, 2] {12068, 13862, 13841, 14063, 13860, 14066, 12113, 13864}"]),
    Case(
      "g (bfloat16[1, 2, 2, 2] q, bfloat16[1, 1, 2, 2] k, bfloat16[1, 1, 2, 2] v) => (bfloat16[] y) { y = ai.onnx.preview.FlexAttention <softmax_precision = 16, score_mod = m (bfloat16[1, 2, 2, 2] s) => (bfloat16[1, 2, 2, 2] o) { o = Neg (s) }> (q, k, v) }",
      [
        "bfloat16[1, 2, 2, 2] {48804, 16128, 48748, 48946, 16193, 16067, 16122, 15860}",
        "bfloat16[1, 1, 2, 2] {16145, 48597, 15879, 48992}", "bfloat16[1, 1, 2, 2] {15841, 16161, 16082, 16155}",
      ],
      ["bfloat16[1, 2, 2, 2] {16012, 16157, 15977, 16159, 16022, 16158, 16013, 16157}"]),
    Case(
      "g (bfloat16[1, 2, 2, 2] q, bfloat16[1, 1, 2, 2] k, bfloat16[1, 1, 2, 2] v) => (bfloat16[] y) { y = ai.onnx.preview.FlexAttention (q, k, v) }",
      [
        "bfloat16[1, 2, 2, 2] {48131, 16195, 48968, 16192, 48772, 48977, 15989, 48568}",
        "bfloat16[1, 1, 2, 2] {48658, 16180, 48953, 15984}", "bfloat16[1, 1, 2, 2] {48688, 15721, 47747, 48955}",
      ],
      ["bfloat16[1, 2, 2, 2] {48583, 48788, 48555, 48820, 48529, 48850, 48567, 48806}"]),
  ]

  @Test(arguments: cases) func agreesWithTheReference(_ test: OperatorCase) throws { try test.check() }

  private static let name = "ai.onnx.preview.FlexAttention"

  @Test func bodiesSeeTheValuesAroundThem() throws {
    // Every score becomes the outer bias, whose greatest entry lets one key through.
    let test = OperatorCase(
      """
      g (float[1, 1, 1, 2] q, float[1, 1, 2, 2] k, float[1, 1, 2, 1] v, float[2] bias) => (float[] y) {
        y = \(Self.name) <score_mod = m (float[1, 1, 1, 2] s) => (float[1, 1, 1, 2] o) {
          z = Sub (s, s)
          o = Add (z, bias)
        }> (q, k, v)
      }
      """,
      [
        "float[1, 1, 1, 2] {1, 2}", "float[1, 1, 2, 2] {1, 2, 3, 4}", "float[1, 1, 2, 1] {5, 7}", "float[2] {-1000, 0}",
      ],
      ["float[1, 1, 1, 1] {7}"])
    try test.check()
  }

  /// Every score -inf: the softmax of such a row is NaN, and this operator says nothing else.
  @Test func aRowWithoutAnyKeyIsNaN() throws {
    let test = OperatorCase(
      """
      g (float[1, 1, 1, 1] q, float[1, 1, 2, 1] k, float[1, 1, 2, 1] v) => (float[] y) {
        y = \(Self.name) <score_mod = m (float[1, 1, 1, 2] s) => (float[1, 1, 1, 2] o) { l = Log (s) o = Sub (l, l) }> (q, k, v)
      }
      """, ["float[1, 1, 1, 1] {0}", "float[1, 1, 2, 1] {1, 1}", "float[1, 1, 2, 1] {5, 7}"], [])
    let result = try GraphEvaluator(test.upgraded()).run(test.inputs.map { .tensor(try ONNXText.parseTensor($0)) })
    #expect(try #require(result[0].tensor).scalar(as: Float.self).isNaN)
  }

  @Test(arguments: [
    ("float[1, 3, 1, 2] q, float[1, 2, 1, 2] k, float[1, 2, 1, 2] v", "", "heads"),
    ("float[1, 1, 1, 3] q, float[1, 1, 1, 2] k, float[1, 1, 1, 2] v", "", "head sizes"),
    ("float[1, 1, 1, 2] q, float[1, 1, 1, 2] k, float[1, 1, 2, 2] v", "", "sequence lengths"),
    ("float[1, 1, 2] q, float[1, 1, 1, 2] k, float[1, 1, 1, 2] v", "", "rank"),
    (
      "float[1, 1, 1, 2] q, float[1, 1, 1, 2] k, float[1, 1, 1, 2] v",
      "<score_mod = m (float[1, 1, 1, 1] s) => (float[] o) { o = Flatten (s) }>", "rank 2"
    ),
    (
      "float[1, 1, 1, 2] q, float[1, 1, 1, 2] k, float[1, 1, 1, 2] v",
      "<score_mod = m (float[1, 1, 1, 1] s) => (float[] o, float[] p) { o = Neg (s) p = Abs (s) }>", "2 outputs"
    ),
    ("float[1, 1, 1, 2] q, float[1, 1, 1, 2] k, float[1, 1, 1, 2] v", "<softmax_precision = 7>", "softmax_precision"),
  ])
  func whatDoesNotFitIsAnError(_ inputs: String, _ attributes: String, _ reason: String) throws {
    let graph = try ONNXText.parseGraph("g (\(inputs)) => (float[] y) { y = \(Self.name) \(attributes) (q, k, v) }")
    let error = #expect(throws: CameoError.self) {
      try ShapeInference(graph).run()
      _ = try GraphEvaluator(graph).run(
        graph.inputs.map { .tensor(try Tensor.makeRaw(.float, graph[$0].type?.concreteShape ?? []) { _ in }) })
    }
    #expect(error?.kind == .badInput)
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }

  @Test func aBodyOfAnotherTypeIsAnError() throws {
    let error = try failure(
      """
      g (float[1, 1, 1, 1] q, float[1, 1, 1, 1] k, float[1, 1, 1, 1] v) => (float[] y) {
        y = \(Self.name) <prob_mod = m (float[1, 1, 1, 1] s) => (double[] o) { o = Cast <to = 11> (s) }> (q, k, v)
      }
      """, Array(repeating: "float[1, 1, 1, 1] {1}", count: 3))
    #expect(error?.description.contains("prob_mod gives double, float was expected") == true)
  }
}
