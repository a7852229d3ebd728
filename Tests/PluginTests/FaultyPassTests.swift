import Cameo
import Foundation
import TestSupport
import Testing

/// Passes of plugins that throw, loop or break the graph: one line, exit code 2, no file; the graph as it was.
@Suite struct FaultyPassTests {
  private static let text = "g (float[2] x) => (float[2] y) { a = Relu (x) b = Exp (a) y = Sqrt (b) }"
  private static let sentences: [(pass: String, reason: String)] = [
    ("Thrower", "half way"), ("Looper", "more than 10300 changes: the pass does not come to an end"),
    ("Breaker", "cycle"), ("Inventor", "rule inventor: the change names the value v1000000, which is not there"),
    ("Widener", "rule widener: y takes the place of a value of another kind: float became int64"),
    ("CFails", "no more"), ("CSilent", "it returned the status -5 without a reason"),
    ("CLoops", "more than 10300 changes: the pass does not come to an end"), ("CBreaks", "cycle"),
  ]

  private func plugins() throws -> [String] {
    ["--plugin", try Libraries.faulty.get(), "--plugin", try Libraries.checks.get()]
  }

  private func withModel(_ body: (_ model: String, _ folder: String) throws -> Void) throws {
    try withFolder { folder in
      try ONNXText.parseModel(Self.text).write(to: "\(folder)/model.onnx")
      try body("\(folder)/model.onnx", folder)
    }
  }

  @Test func onTheCommandLineTheErrorIsOneLineAndNothingIsWritten() throws {
    let plugins = try plugins()
    try withModel { model, folder in
      for (pass, reason) in Self.sentences {
        let out = "\(folder)/out.onnx"
        let result = try Command.cameo(["optimize", model, "-o", out, "--enable", pass] + plugins)
        #expect(result.status == 2, "\(pass): \(result.error)")
        let library = pass.hasPrefix("C") ? plugins[3] : plugins[1]
        #expect(
          result.error.hasPrefix("cameo: error: file \(model): plugin \(library): pass \(pass): "), "\(result.error)")
        #expect(result.error.contains(reason), "\(result.error)")
        #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
        #expect(result.output.isEmpty && !FileManager.default.fileExists(atPath: out))
      }
      let run = try Command.cameo(["run", model, "--input", "x=ones", "--enable", "Thrower"] + plugins)
      #expect(run.status == 2 && run.error.contains("pass Thrower: half way"), "\(run.error)")
    }
  }

  @Test func keepGoingLeavesThePassOut() throws {
    let plugins = try plugins()
    try withModel { model, folder in
      let result = try Command.cameo(
        ["optimize", model, "-o", "\(folder)/out.onnx", "--enable", "Breaker", "--keep-going", "--json"] + plugins)
      #expect(result.status == 0, "\(result.error)")
      #expect(try result.json()["verified"] as? Bool == true)
      #expect((try result.json()["failures"] as? [String])?.first?.hasPrefix("pass Breaker: ") == true)
    }
  }

  @Test func aPassThatNeverReturnsEndsTheProcess() throws {
    let plugins = try plugins()
    try withModel { model, folder in
      let out = "\(folder)/out.onnx"
      let result = try Command.cameo(
        ["optimize", model, "-o", out, "--enable", "Spinner", "--plugin-timeout", "0.3"] + plugins)
      #expect(result.status == 2)
      #expect(
        result.error
          == "cameo: error: plugin \(plugins[1]): pass Spinner: it has not come to an end in 0.3 s (--plugin-timeout)\n"
      )
      #expect(!FileManager.default.fileExists(atPath: out))
    }
  }

  @Test func aPassThatChangesTheResultIsFoundAndLeftOut() throws {
    let plugins = try plugins()
    try withModel { model, folder in
      let result = try Command.cameo(
        ["optimize", model, "-o", "\(folder)/out.onnx", "--enable", "Liar", "--json"] + plugins)
      #expect(result.status == 1, "\(result.error)")
      #expect(result.error.contains("pass Liar changes the result and was left out"), "\(result.error)")
      #expect(try result.json()["operators_after"] as? [String: Int] == ["Relu": 1, "Exp": 1, "Sqrt": 1])
    }
  }

  @Test func rulesOfPluginsRunAsPasses() throws {
    let plugins = try plugins()
    try withFolder { folder in
      let model = "\(folder)/model.onnx"
      try ONNXText.parseModel("g (float[2] x) => (float[2] y) { a = Abs (x) b = Abs (a) y = Exp (b) }").write(to: model)
      // The built-in pass that would do the same.
      let off = ["--disable", "SimplifyArithmetic"]
      for enabled in [[], ["--enable", "CRule", "--disable", "DropDoubleAbs"]] {
        let result = try Command.cameo(
          ["optimize", model, "-o", "\(folder)/out.onnx", "--json"] + off + enabled + plugins)
        #expect(try result.json()["operators_after"] as? [String: Int] == ["Abs": 1, "Exp": 1], "\(result.error)")
      }
      let none = try Command.cameo(
        ["optimize", model, "-o", "\(folder)/out.onnx", "--json", "--disable", "DropDoubleAbs"] + off + plugins)
      #expect(try none.json()["nodes_after"] as? Int == 3)
    }
  }

  @Test func inALibraryTheGraphIsRolledBackAndTheReportSaysWhy() async throws {
    _ = try plugins()
    await #expect(processExitsWith: .success) {
      try loadPlugin(path: try Libraries.faulty.get())
      try loadPlugin(path: try Libraries.checks.get())
      let source = try ONNXText.parseModel(FaultyPassTests.text)
      for (pass, reason) in FaultyPassTests.sentences {
        var options = OptimizationOptions()
        options.enabled = [pass]
        let (model, report) = try Optimizer(options: options).optimize(source)
        #expect(ONNXText.canonicalText(model.graph) == ONNXText.canonicalText(source.graph), "\(pass)")
        #expect(report.failedPasses == [pass])
        #expect(report.failures.count == 1 && report.failures[0].hasPrefix("pass \(pass): "), "\(report.failures)")
        #expect(report.failures.first?.contains(reason) == true, "\(report.failures)")
        #expect(report.verification?.passed == true)
      }
    }
  }
}
