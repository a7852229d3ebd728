import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// Linear models and support vector machines. Numbers are those of ONNX Runtime 1.31, unless the case says why not.
@Suite struct MLLinearTests {
  private static let input = "float[2, 2] {1, 2, -1, 0.5}"

  private static func regressor(_ op: String, _ expected: String, columns: Int = 1) -> OperatorCase {
    Case(
      "g (float[2, 2] x) => (float[?, ?] y) { y = ai.onnx.ml.\(op) (x) }", [input],
      ["float[2, \(columns)] {\(expected)}"])
  }

  private static func svm(_ kernel: String) -> String {
    "SVMRegressor<kernel_type = \"\(kernel)\", kernel_params = [0.5, 0.25, 2.0], coefficients = [0.2, -0.1, 0.3], support_vectors = [1.0, 2.0, 3.0, -1.0, 0.0, 0.5], n_supports = 3, rho = [-0.2]"
  }

  private static let linear =
    "LinearRegressor<coefficients = [0.2, 0.1, -0.1, 0.3], targets = 2, intercepts = [0.05, 0.1]"

  static let regressors = [
    regressor("LinearRegressor<coefficients = [0.2, 0.1]>", "0.4, -0.15"),
    regressor("LinearRegressor<coefficients = [0.2, 0.1], intercepts = [0.05]>", "0.45, -0.1"),
    regressor(linear + ">", "0.45, 0.6, -0.1, 0.35", columns: 2),
    regressor(
      linear + ", post_transform = \"LOGISTIC\">", "0.610639215, 0.645656288, 0.475020826, 0.586617589", columns: 2),
    regressor(
      linear + ", post_transform = \"SOFTMAX\">", "0.462570161, 0.53742981, 0.389360785, 0.610639274", columns: 2),
    // A single score is transformed as the text says (ONNX Runtime: as it is).
    regressor(
      "LinearRegressor<coefficients = [0.2, 0.1], intercepts = [0.05], post_transform = \"LOGISTIC\">",
      "0.610639215, 0.475020826"),
    regressor(svm("LINEAR") + ">", "1, 0.225"), regressor(svm("POLY") + ">", "1.425, -0.3703125"),
    regressor(svm("RBF") + ">", "0.05892317, -0.009264305"),
    regressor(svm("SIGMOID") + ">", "0.12540175, 0.047005787"),
    regressor(svm("RBF") + ", one_class = 1>", "1, -1"),
    regressor("SVMRegressor<coefficients = [0.2, 0.1], rho = [0.05]>", "0.45, -0.1"),
  ]

  @Test(arguments: regressors) func regresses(_ test: OperatorCase) throws { try test.check() }

  private static func classifier(_ op: String, _ labels: String, _ scores: String, columns: Int, type: String = "float")
    -> OperatorCase
  {
    Case(
      "g (\(type)[2, 2] x) => (int64[?] y, float[?, ?] z) { y, z = ai.onnx.ml.\(op) (x) }",
      [type == "float" ? input : "\(type)[2, 2] {1, 2, -1, 1}"],
      ["int64[2] {\(labels)}", "float[2, \(columns)] {\(scores)}"])
  }

  private static let binary = "LinearClassifier<coefficients = [0.2, 0.1], intercepts = [0.05]"

  private static func vectors(_ classes: Int, _ rest: String) -> String {
    let rows = (0..<classes - 1).map { _ in "0.2, -0.1, 0.3" }.joined(separator: ", ")
    let rho = (0..<classes * (classes - 1) / 2).map { _ in "0.05" }.joined(separator: ", ")
    return
      "SVMClassifier<kernel_params = [0.5, 0.25, 3.0], coefficients = [\(rows)], support_vectors = [1.0, 2.0, 3.0, -1.0, 0.0, 0.5], vectors_per_class = \(classes == 2 ? "[2, 1]" : "[1, 1, 1]"), rho = [\(rho)], classlabels_ints = \(classes == 2 ? "[5, 6]" : "[5, 6, 7]"), \(rest)>"
  }

  static let classifiers = [
    classifier(binary + ">", "1, 0", "0.45, -0.1", columns: 1),
    classifier(binary + ", classlabels_ints = [3, 4]>", "4, 3", "0.55, 0.45, 1.1, -0.1", columns: 2),
    classifier(
      binary + ", classlabels_ints = [3, 4], post_transform = \"LOGISTIC\">", "4, 3",
      "0.389360726, 0.610639274, 0.524979174, 0.475020826", columns: 2),
    // onnx.reference's (ONNX Runtime: not transformed).
    classifier(
      binary + ", classlabels_ints = [3, 4], post_transform = \"SOFTMAX\">", "4, 3",
      "0.289050506, 0.710949494, 0.549833997, 0.450166003", columns: 2),
    classifier(
      "LinearClassifier<coefficients = [0.2, 0.1, 0.4, -0.3], classlabels_ints = [3, 4]>", "3, 3",
      "0.4, -0.2, -0.1, -0.7",
      columns: 2, type: "int64"),
    classifier(
      "LinearClassifier<coefficients = [0.2, 0.1, 0.4, -0.3], classlabels_ints = [3, 4]>", "3, 3",
      "0.4, -0.2, -0.1, -0.7",
      columns: 2, type: "int32"),
    classifier(
      vectors(2, "kernel_type = \"RBF\""), "5, 5", "-0.308923155, 0.308923155, -0.24073571, 0.24073571", columns: 2),
    classifier(
      vectors(2, "kernel_type = \"RBF\", post_transform = \"LOGISTIC\""), "5, 5",
      "0.423377633, 0.576622367, 0.440105081, 0.559894919", columns: 2),
    classifier(
      vectors(3, "kernel_type = \"POLY\""), "5, 5",
      "4.167187691, 4.3359375, 0.134375006, 0.390625, 0.068945311, 0.403320312",
      columns: 3),
    classifier(
      vectors(3, "kernel_type = \"SIGMOID\", post_transform = \"SOFTMAX\""), "5, 5",
      "0.304743171, 0.392889708, 0.302367181, 0.324948847, 0.330517679, 0.344533473", columns: 3),
    classifier(
      vectors(3, "prob_a = [-0.4, -0.5, -0.6], prob_b = [0.1, 0.2, 0.3]"), "5, 5",
      "0.42150104, 0.288380086, 0.290118903, 0.323752254, 0.325784802, 0.350463033", columns: 3),
    classifier(
      vectors(2, "kernel_type = \"RBF\", prob_a = [-0.4], prob_b = [0.1]"), "5, 5",
      "0.505891979, 0.494107962, 0.5, 0.5",
      columns: 2),
    classifier(
      "SVMClassifier<coefficients = [0.2, -0.1, 0.3, 0.4], rho = [0.05], classlabels_ints = [5, 6]>", "6, 6",
      "0.05, 1.15, -0.2, -0.05", columns: 2),
    classifier(
      "SVMClassifier<coefficients = [0.2, -0.1, 0.3, 0.4, 0.5, 0.6], rho = [0.05], classlabels_ints = [5, 6, 7]>",
      "7, 6",
      "0.05, 1.15, 1.75, -0.2, -0.05, -0.15", columns: 3),
  ]

  @Test(arguments: classifiers) func classifies(_ test: OperatorCase) throws { try test.check() }

  @Test func labelsAreStrings() throws {
    try Case(
      "g (float[2, 2] x) => (string[?] y, float[?, ?] z) { y, z = ai.onnx.ml.LinearClassifier<coefficients = [0.2, 0.1, 0.4, -0.3, 0.1, 0.1], intercepts = [0.05, 0.1, 0.2], post_transform = \"SOFTMAX\", classlabels_strings = [\"a\", \"b\", \"c\"]> (x) }",
      [Self.input],
      [
        "string[2] {\"c\", \"c\"}",
        "float[2, 3] {0.380485535, 0.219521046, 0.399993449, 0.334592134, 0.23578307, 0.429624796}",
      ]
    ).check()
  }

  /// A vector is one row.
  @Test func vectorIsARow() throws {
    try Case(
      "g (float[2] x) => (float[?, ?] y) { y = ai.onnx.ml.LinearRegressor<coefficients = [0.2, 0.1]> (x) }",
      ["float[2] {1, 2}"], ["float[1, 1] {0.4}"]
    ).check()
  }
}
