import Foundation
import GraphIR
import ONNXFormat
import Testing

/// What scripts rely on: exit codes, the error line, the keys of JSON documents.
@Suite struct ProcessTests {
  private let transformer = Cameo.model("digits_transformer.onnx")

  @Test func helpAndVersion() throws {
    #expect(try Cameo.run("--version").output == "0.1.0\n")
    for command in ["inspect", "optimize", "quantize", "run", "bench", "compare", "passes", "providers", "conformance"]
    {
      let help = try Cameo.run(command, "--help")
      #expect(help.status == 0)
      #expect(help.output.contains("EXAMPLE"), "\(command)")
      #expect(help.output.contains("--json"), "\(command)")
      #expect(help.output.contains("--quiet"), "\(command)")
    }
  }

  @Test func exitCodes() throws {
    #expect(try Cameo.run("passes").status == 0)
    #expect(try Cameo.run().status == 0)
    for wrong in [["inspect"], ["frobnicate"], ["optimize", transformer], ["inspect", transformer, "--frobnicate"]] {
      let result = try Cameo.run(wrong)
      #expect(result.status == 64, "\(wrong)")
      #expect(result.output.isEmpty)
    }
    let differs = try Cameo.run("compare", transformer, Cameo.model("digits_cnn.onnx"), "--dim", "batch=2", "--json")
    #expect(differs.status == 1)
    #expect(try differs.json()["equal"] as? Bool == false)
  }

  @Test func providersSayWhatStandsInTheWayOfCUDA() throws {
    let document = try Cameo.run("providers", "--json").json()
    let providers = try #require(document["providers"] as? [[String: Any]])
    let cuda = try #require(providers.first { $0["name"] as? String == "cuda" })
    let reason = try #require(cuda["reason"] as? String)
    #expect(cuda["usable"] as? Bool == false)
    let findings = try #require(cuda["findings"] as? [[String: Any]])
    #expect(Set(findings.compactMap { $0["what"] as? String }).isSuperset(of: ["CUDA driver", "NVRTC"]))
    let text = try Cameo.run("providers").output.split(separator: "\n")
    #expect(text.filter { $0.hasPrefix("CUDA: ") } == ["CUDA: no: \(reason)"])
    let run = try Cameo.run("run", transformer, "--provider", "cuda")
    #expect(run.status == 2)
    #expect(run.error.split(separator: "\n").map(String.init) == ["cameo: error: provider cuda: \(reason)"])
  }

  @Test func errorsAreOneLine() throws {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let broken = "\(folder)/broken.onnx"
    try Data((0..<500).map { UInt8(truncatingIfNeeded: $0 &* 37) }).write(to: URL(fileURLWithPath: broken))
    let cases: [(Cameo.Result, String)] = [
      (try Cameo.run("inspect", "\(folder)/none.onnx"), "none.onnx"),
      (try Cameo.run("inspect", broken), "broken.onnx"),
      (try Cameo.run("optimize", broken, "-o", "\(folder)/out.onnx"), "broken.onnx"),
      (try Cameo.run("run", transformer), "input image"),
      (try Cameo.run("bench", transformer), "--dim batch=N"),
      (try Cameo.run("run", transformer, "--input", "image=random:2x1x8x9"), "[2, 1, 8, 9]"),
      (try Cameo.run("run", transformer, "--input", "other=random"), "no input other"),
      (try Cameo.run("inspect", transformer, "--dim", "rows=3"), "rows"),
      (try Cameo.run("passes", "NoSuchPass"), "NoSuchPass"),
    ]
    for (result, part) in cases {
      #expect(result.status == 2)
      #expect(result.output.isEmpty)
      #expect(result.error.hasPrefix("cameo: error: "), "\(result.error)")
      #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
      #expect(result.error.contains(part), "\(result.error)")
    }
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/out.onnx"))
  }

  @Test func inspectKeys() throws {
    let document = try Cameo.run("inspect", transformer, "--dim", "batch=2", "--memory", "--json").json()
    for key in [
      "inputs", "outputs", "opsets", "operators", "parameters", "multiply_adds", "weights_bytes", "functions",
      "unknown_operators", "memory",
    ] {
      #expect(document[key] != nil, "\(key)")
    }
    #expect(document["multiply_adds"] as? Int == 2 * 1_786_880)
    #expect((document["unknown_operators"] as? [Any])?.isEmpty == true)
  }

  @Test func optimizeRunCompareBench() throws {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let out = "\(folder)/out.onnx"
    let optimized = try Cameo.run(
      "optimize", transformer, "-o", out, "--report", "\(folder)/r.html", "--report", "\(folder)/r.json", "--report",
      "\(folder)/r.md",
      "--assert-count", "Attention>=3", "--json")
    #expect(optimized.status == 0, "\(optimized.error)")
    let report = try optimized.json()
    for key in [
      "nodes_before", "nodes_after", "bytes_before", "bytes_after", "passes", "fusions", "near_misses", "verified",
      "max_abs", "max_rel",
    ] {
      #expect(report[key] != nil, "\(key)")
    }
    #expect(report["verified"] as? Bool == true)
    let fusion = try #require((report["fusions"] as? [[String: Any]])?.first)
    for key in ["pass", "rule", "operator", "node", "origins"] { #expect(fusion[key] != nil, "\(key)") }
    let pass = try #require((report["passes"] as? [[String: Any]])?.first)
    for key in ["name", "applied", "ms"] { #expect(pass[key] != nil, "\(key)") }
    for file in ["r.html", "r.json", "r.md"] { #expect(FileManager.default.fileExists(atPath: "\(folder)/\(file)")) }

    let compared = try Cameo.run("compare", transformer, out, "--dim", "batch=3", "--json")
    #expect(compared.status == 0)
    let output = try #require((try compared.json()["outputs"] as? [[String: Any]])?.first)
    for key in ["name", "max_abs", "max_rel", "rmse", "sqnr_db", "cosine"] { #expect(output[key] != nil, "\(key)") }

    let ran = try Cameo.run("run", out, "--inputs", Cameo.model("digits_heldout.npz"), "--output", "\(folder)/o.npz")
    #expect(ran.status == 0, "\(ran.error)")
    #expect(FileManager.default.fileExists(atPath: "\(folder)/o.npz"))

    let bench = try Cameo.run(
      "bench", out, "--dim", "batch=1", "--iterations", "3", "--warmup", "0", "--operators", "--json"
    ).json()
    for key in [
      "model", "provider", "threads", "precision", "level", "load_ms", "prepare_ms", "first_ms", "p50_ms", "p90_ms",
      "p99_ms", "min_ms",
      "iterations", "peak_rss_bytes", "arena_bytes", "nodes", "operators", "original_nodes",
      "base_rss_bytes", "kernels", "steps", "total", "ceilings",
    ] { #expect(bench[key] != nil, "\(key)") }
    #expect(bench["iterations"] as? Int == 3)

    let failed = try Cameo.run("optimize", transformer, "-o", out, "--assert-count", "Attention>=99", "-q")
    #expect(failed.status == 1)
    #expect(failed.output.isEmpty)
  }

  @Test func traceAndDump() throws {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let result = try Cameo.run(
      "run", transformer, "--input", "image=random", "--dim", "batch=1", "--profile", "\(folder)/t.json", "--dump",
      "/norm/Add_1", "--json")
    #expect(result.status == 0, "\(result.error)")
    #expect((try result.json()["outputs"] as? [Any])?.count == 2)
    let trace =
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: "\(folder)/t.json")))
      as? [String: Any]
    #expect((trace?["traceEvents"] as? [Any])?.isEmpty == false)
  }

  @Test func compareHoldsALowerPrecisionOfTheOptimizedModelAgainstA() throws {
    let model = Cameo.model("digits_cnn.onnx")
    func difference(_ more: String...) throws -> Double {
      let result = try Cameo.run(
        ["compare", model, model, "--dim", "batch=2", "--precision-b", "bf16", "--tolerance", "0.1", "--json"] + more)
      #expect(result.status == 0, "\(result.error)")
      return try #require((try result.json()["outputs"] as? [[String: Any]])?.first?["max_abs"] as? Double)
    }
    let found = try difference()
    #expect(try found > 0 && found == difference("--level-b", "3"))
    #expect(try found != difference("--level-b", "0"))
  }

  /// A limit of a tenth of what the whole costs, which the comparison finds again, and says what it took.
  @Test func aPrecisionIsHeldToAnAccuracy() throws {
    let model = Cameo.model("digits_cnn.onnx")
    func compared(_ more: String...) throws -> ([String: Any], Double) {
      let result = try Cameo.run(
        [
          "compare", model, model, "--dim", "batch=2", "--precision-b", "bf16", "--level-a", "3", "--tolerance", "0.1",
          "--json",
        ]
          + more)
      #expect(result.status == 0, "\(result.error)")
      let document = try result.json()
      return (document, try #require((document["outputs"] as? [[String: Any]])?.first?["max_rel"] as? Double))
    }
    let (_, whole) = try compared()
    let (document, found) = try compared("--accuracy-drop-b", "\(whole / 10)")
    let narrow = try #require(document["narrow"] as? [String: Any])
    #expect(narrow["before"] as? Double == whole && narrow["after"] as? Double == found && found <= whole / 10)
    let (products, part) = (narrow["products"] as? Int ?? 0, narrow["narrow"] as? Int ?? 99)
    #expect(products > part && (narrow["kept"] as? [Any])?.isEmpty == false)
    let ran = try Cameo.run(
      "run", model, "--input", "image=random", "--dim", "batch=2", "--precision", "bf16", "--accuracy-drop",
      "\(whole / 10)")
    #expect(ran.status == 0 && ran.error.contains("products") && ran.error.contains("the rest float32"), "\(ran.error)")
    for wrong in [["--accuracy-drop", "0.1"], ["--precision", "bf16", "--accuracy-drop", "0"]] {
      #expect(try Cameo.run(["bench", model, "--dim", "batch=1"] + wrong).status == 64)
    }
  }

  @Test func bisectFindsTheFirstDifference() throws {
    let result = try Cameo.run(
      "compare", transformer, transformer, "--dim", "batch=2", "--level-b", "2", "--tolerance", "0", "--bisect",
      "--json")
    #expect(result.status == 1)
    let first = try #require(try result.json()["first_difference"] as? [String: Any])
    #expect((first["origins"] as? [String])?.isEmpty == false)
  }

  @Test func extractKeepsAPart() throws {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let out = "\(folder)/part.onnx"
    let result = try Cameo.run(
      "optimize", transformer, "-o", out, "--extract", "image:/patch/Conv_output_0", "--level", "0")
    #expect(result.status == 0, "\(result.error)")
    let part = try Cameo.run("inspect", out, "--json").json()
    #expect(part["nodes"] as? Int == 1)
    #expect(try Cameo.run("optimize", transformer, "-o", out, "--extract", "nothing:logits").status == 2)
  }

  /// The source may be the destination, and stays as it was where nothing can be written.
  @Test func overItself() throws {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let file = "\(folder)/m.onnx"
    try FileManager.default.copyItem(atPath: transformer, toPath: file)
    #expect(try Cameo.run("optimize", file, "-o", file, "-q").status == 0)
    #expect(try Cameo.run("compare", transformer, file, "--dim", "batch=2", "-q").status == 0)
    #expect(try Cameo.run("optimize", file, "-o", "\(folder)/no/such/folder.onnx").status == 2)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["m.onnx"])
  }

  /// The text of a built-in pass, read again in its place, gives the same file; beside it, its name is taken.
  @Test func aBuiltInRuleReadAgainGivesTheSameFile() throws {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (a, b, rules) = ("\(folder)/a.onnx", "\(folder)/b.onnx", "\(folder)/gelu.rules")
    let text = try Cameo.run("passes", "FuseGelu", "--text")
    #expect(text.status == 0)
    try Data(text.output.utf8).write(to: URL(fileURLWithPath: rules))
    #expect(try Cameo.run("optimize", transformer, "-o", a, "-q").status == 0)
    let again = ["optimize", transformer, "-o", b, "-q", "--rules", rules]
    #expect(try Cameo.run(again + ["--disable", "fusegelu"]).status == 0)
    #expect(try Data(contentsOf: URL(fileURLWithPath: a)) == Data(contentsOf: URL(fileURLWithPath: b)))
    let taken = try Cameo.run(again)
    #expect(taken.status == 2)
    #expect(taken.error.contains("there is a pass FuseGelu already; --disable FuseGelu puts this one in its place"))
    #expect(try Cameo.run("passes", "FuseAttention", "--text").status == 2)
  }

  /// A rule that changes results is found, left out and named; the file that is written computes the same.
  @Test func wrongRuleIsLeftOut() throws {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (out, rules, report) = ("\(folder)/m.onnx", "\(folder)/wrong.rules", "\(folder)/r.json")
    let text = "rule Wrong {\n  match { y = Erf(x) }\n  rewrite { y = Tanh(x) }\n}\n"
    try Data(text.utf8).write(to: URL(fileURLWithPath: rules))
    let common = ["optimize", transformer, "-o", out, "--disable", "FuseGelu", "--rules", rules, "-q"]
    let found = try Cameo.run(common + ["--report", report])
    #expect(found.status == 1)
    let document =
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: report))) as? [String: Any]
    #expect((document?["verification"] as? [String: Any])?["culprit"] as? String == "Wrong")
    #expect(try Cameo.run("compare", transformer, out, "--dim", "batch=2", "-q").status == 0)
    #expect(try Cameo.run(common + ["--keep-going"]).status == 0)
    #expect(try Cameo.run(common + ["--no-verify"]).status == 0)
    #expect(try Cameo.run("compare", transformer, out, "--dim", "batch=2", "-q").status == 1)
    try Data("rule X {\n  match { y = Erf(".utf8).write(to: URL(fileURLWithPath: rules))
    let broken = try Cameo.run("passes", "--rules", rules)
    #expect(broken.status == 2)
    #expect(broken.error.contains("wrong.rules:2:"))
  }

  /// Each allocation is small; their sum is what the limit holds back.
  @Test(arguments: ["reference", "cpu"]) func aLoopThatCollectsForeverMeetsTheMemoryLimit(_ provider: String) throws {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let model = try ONNXText.parseModel(
      """
      g (float[4096] x) => (float[K, 4096] y) <bool go = {1}> {
        y = Loop (, go) <body = b (int64 i, bool c) => (bool d, float[4096] s) { d = Identity (c) s = Sqrt (x) }>
      }
      """)
    let path = "\(folder)/endless.onnx"
    try Data(ONNXExporter.serialize(model)).write(to: URL(fileURLWithPath: path))
    let result = try Cameo.run(
      "run", path, "--input", "x=random", "--provider", provider, "--memory-limit", "64MiB", "--level", "0")
    #expect(result.status == 2)
    #expect(result.error.contains("the memory budget is 67108864"), "\(result.error)")
    #expect(result.error.contains("(Loop)"), "\(result.error)")
  }
}
