import Foundation
import GraphIR
import PassKit
import Passes
import Tensors
import TestSupport
import Testing

/// The rules in Passes/Examples against the passes that they restate.
@Suite struct ExampleRuleTests {
  static let folder = Repository.root.appending(path: "Passes/Examples")

  static func passes(_ file: String) throws -> [any Pass] {
    let text = try String(contentsOf: folder.appendingPathComponent(file + ".rules"), encoding: .utf8)
    return try RuleFile.parse(text, file: file + ".rules")
  }

  static let pairs: [(file: String, rule: String, pass: String, prefix: String)] = [
    ("gelu", "GeluErf", "FuseGelu", "erf"), ("gelu", "GeluErf", "FuseGelu", "a constant that widens"),
    ("gelu", "GeluErf", "FuseGelu", "read"), ("gelu", "GeluErf", "FuseGelu", "two inputs"),
    ("gelu", "GeluErf", "FuseGelu", "opset"),
    ("hard_swish", "HardSwish", "FuseHardSwish", ""), ("canonical", "CastLikeOfKnownType", "ResolveCastLike", ""),
    ("canonical", "ComposeTransposes", "MergeTransposes", "they compose"),
    ("canonical", "SoftmaxInPlace", "LiftSoftmax", ""),
    ("matmul_bias", "MatMulBias", "FuseMatMulBias", "bias"), ("matmul_bias", "MatMulBias", "FuseMatMulBias", "a bias"),
    ("matmul_bias", "MatMulBias", "FuseMatMulBias", "rank"), ("rms_norm", "RMSNorm", "FuseRMSNormalization", "Div"),
    ("rms_norm", "RMSNorm", "FuseRMSNormalization", "not"),
  ]

  @Test(arguments: pairs.indices)
  func sameAsBuiltIn(_ index: Int) throws {
    let pair = Self.pairs[index]
    let rule = try #require(try Self.passes(pair.file).first { $0.name == pair.rule })
    let builtIn = try #require(Pipelines.pass(named: pair.pass))
    let cases = Cases.of(pair.pass).filter { $0.name.hasPrefix(pair.prefix) }
    #expect(!cases.isEmpty)
    for item in cases {
      let model = try ONNXText.parseModel(item.before)
      func run(_ pass: any Pass) throws -> String {
        let result = try PassManager(stages: [PassManager.Stage([pass], rounds: 4)], options: Cases.options(item)).run(
          model)
        #expect(result.report.failures.isEmpty, "\(result.report.failures)")
        return ONNXText.canonicalText(result.model.graph)
      }
      let expected = try run(builtIn)
      let found = try run(rule)
      #expect(found == expected, "\(item)")
    }
  }

  @Test func everyExampleParses() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).filter { $0.hasSuffix(".rules") }
    #expect(files.count >= 5)
    for file in files { #expect(try !Self.passes(String(file.dropLast(6))).isEmpty) }
  }
}
