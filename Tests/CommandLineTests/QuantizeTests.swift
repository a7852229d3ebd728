import Foundation
import Testing

/// `cameo quantize` on the embedded models: each form writes a file that runs, says what it did, and refuses what it cannot do.
@Suite struct QuantizeTests {
  private static let calibration = ["--calibration", Cameo.model("digits_calibration.npz")]
  private static let cnn = Cameo.model("digits_cnn.onnx")
  private static let transformer = Cameo.model("digits_transformer.onnx")

  private static func inFolder<T>(_ body: (String) throws -> T) throws -> T {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try body(folder)
  }

  private static func cosine(_ document: [String: Any]) throws -> Double {
    let accuracy = try #require(document["accuracy"] as? [String: Any])
    let outputs = try #require(accuracy["outputs"] as? [[String: Any]])
    return try #require(outputs.first?["cosine"] as? Double)
  }

  @Test(arguments: [
    (cnn, ["--method", "minmax"]), (cnn, ["--method", "percentile", "--percentile", "99.9"]),
    (cnn, ["--format", "qoperator"]), (cnn, ["--bias-correction", "--per-tensor"]), (cnn, ["--equalize"]),
    (cnn, ["--activations", "s8", "--intermediate", "all"]),
    (transformer, ["--method", "entropy", "--symmetric"]), (transformer, ["--method", "mse"]),
    (cnn, ["--gptq"]), (cnn, ["--smooth-quant", "auto"]), (transformer, ["--gptq", "--smooth-quant", "auto"]),
    (transformer, ["--weights", "u8"]), (transformer, ["--smooth-quant", "0.5"]),
  ])
  func aStaticallyQuantizedModelHasIntegerProductsAndTheSameAnswers(_ model: String, _ flags: [String]) throws {
    try Self.inFolder { folder in
      let out = "\(folder)/out.onnx"
      let arguments = ["quantize", model, "-o", out, "--samples", "16", "--no-timing", "--json"]
      let document = try Cameo.run(arguments + Self.calibration + flags).json()
      let coverage = try #require(document["coverage"] as? [String: Any])
      let (all, integer) = (coverage["products"] as? Int ?? 0, coverage["integer"] as? Int ?? 0)
      #expect(all > 0 && integer == all, "\(flags): \(integer) of \(all), \(document["float"] ?? "")")
      #expect(try Self.cosine(document) > 0.99, "\(flags)")
      #expect((document["bytes_after"] as? Int ?? 0) < (document["bytes_before"] as? Int ?? 0))
      #expect(document["speed"] is NSNull)
      let run = try Cameo.run("run", out, "--input", "image=random:2x1x8x8")
      #expect(run.status == 0, "\(flags): \(run.error)")
    }
  }

  @Test(arguments: [
    ["--dynamic"], ["--dynamic", "--convolutions"], ["--weight-only", "int8"],
    ["--weight-only", "int4", "--algorithm", "hqq"],
    ["--weight-only", "nf4", "--double-quantization"],
    ["--weight-only", "uint4", "--algorithm", "gptq"], ["--weight-only", "int4", "--algorithm", "awq"],
    ["--weight-only", "int4", "--target", "ort"],
    ["--precision", "fp16"], ["--precision", "bf16"], ["--prune", "0.3"], ["--prune", "channels:0.1"],
    ["--prune", "whole:0.3", "--weight-only", "int8"],
  ])
  func otherFormsKeepTheAnswers(_ flags: [String]) throws {
    try Self.inFolder { folder in
      let out = "\(folder)/out.onnx"
      let arguments = ["quantize", Self.transformer, "-o", out, "--samples", "16", "--no-timing", "--json"]
      let evaluated =
        flags.contains("gptq") || flags.contains("awq") ? Self.calibration : ["--evaluate"] + Self.calibration[1...]
      let document = try Cameo.run(arguments + evaluated + flags).json()
      #expect(try Self.cosine(document) > 0.97, "\(flags)")
      let settings = try #require(document["settings"] as? [String])
      #expect(!settings.isEmpty)
      if flags.contains("--weight-only") {
        #expect((document["weights"] as? [[String: Any]])?.isEmpty == false)
        #expect(document["coverage"] is NSNull)
      }
      if flags.contains("--precision") { #expect(document["converted_nodes"] as? Int ?? 0 > 50) }
      if flags.contains("--prune") { #expect(document["pruned"] is [String: Any]) }
      let run = try Cameo.run("run", out, "--input", "image=random:2x1x8x8")
      #expect(run.status == 0, "\(flags): \(run.error)")
    }
  }

  @Test func theReportHasValuesLayersAndReasons() throws {
    try Self.inFolder { folder in
      let reports = ["html", "md", "json"].map { "\(folder)/report.\($0)" }
      let result = try Cameo.run(
        ["quantize", Self.transformer, "-o", "\(folder)/out.onnx", "--samples", "8", "--sensitivity", "--no-timing"]
          + Self.calibration
          + ["--exclude", "/layers.1/fc1/MatMul"] + reports.flatMap { ["--report", $0] })
      #expect(result.status == 0, "\(result.error)")
      let data = try Data(contentsOf: URL(fileURLWithPath: reports[2]))
      let document = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      let values = try #require(document["values"] as? [[String: Any]])
      #expect(values.count >= 12 && values.allSatisfy { ($0["sqnr_db"] as? Double ?? 0) > 15 })
      #expect(values.allSatisfy { ($0["readers"] as? [String])?.isEmpty == false })
      let layers = try #require(document["layers"] as? [[String: Any]])
      #expect(layers.count >= 10)
      let losses = layers.compactMap { $0["output_sqnr_db"] as? Double }
      #expect(losses.count == layers.count && losses == losses.sorted())
      for path in reports.prefix(2) {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.contains("Sensitivity") && text.contains("SQNR") && text.contains("Values"))
      }
    }
  }

  @Test(arguments: ["default", "each"])
  func aQuantizedModelIsPreparedForThisMachineAndVerified(_ verify: String) throws {
    try Self.inFolder { folder in
      for model in [Self.cnn, Self.transformer] {
        let (quantized, out) = ("\(folder)/quantized.onnx", "\(folder)/out.onnx")
        let arguments = ["quantize", model, "-o", quantized, "--samples", "8", "--no-timing", "--method", "minmax"]
        try Cameo.run(arguments + Self.calibration)
        let flags = verify == "each" ? ["--verify", "each"] : []
        let result = try Cameo.run(
          ["optimize", quantized, "-o", out, "--level", "3", "--target", "cameo", "--json"] + flags)
        #expect(result.status == 0, "\(result.error)")
        let document = try result.json()
        #expect(document["verified"] as? Bool == true)
        let passes = try #require(document["passes"] as? [[String: Any]])
        let applied = passes.first { $0["name"] as? String == "UseIntegerProducts" }?["applied"] as? Int
        #expect(applied ?? 0 >= 8, "\(model)")
      }
    }
  }

  /// Whatever the clock says here: a model that is slower says so, and names what it left float for that.
  @Test func speedIsSaid() throws {
    try Self.inFolder { folder in
      let arguments = [
        "quantize", Self.transformer, "-o", "\(folder)/out.onnx", "--samples", "4", "--method", "minmax",
      ]
      let result = try Cameo.run(arguments + Self.calibration)
      #expect(result.status == 0, "\(result.error)")
      #expect(result.output.contains("times as fast as the float model") || result.output.contains("SLOWER than"))
      let document = try Cameo.run(arguments + Self.calibration + ["--json"]).json()
      let speed = try #require(document["speed"] as? [String: Any])
      #expect((speed["ms"] as? Double ?? 0) > 0 && (speed["float_ms"] as? Double ?? 0) > 0)
      let float = try #require(document["float"] as? [[String: Any]])
      // One product by its own time, or all of them by the model's.
      let reasons = ["no faster as an integer product", "times the float model's time here"]
      #expect(
        float.allSatisfy { entry in reasons.contains { (entry["reason"] as? String ?? "").contains($0) } }, "\(float)")
    }
  }

  @Test func whatIsExcludedIsNamedWithItsReason() throws {
    try Self.inFolder { folder in
      let arguments = ["quantize", Self.cnn, "-o", "\(folder)/out.onnx", "--no-timing", "--samples", "4", "--json"]
      let document = try Cameo.run(arguments + Self.calibration + ["--exclude", "Gemm", "--exclude", "MatMul"]).json()
      let float = try #require(document["float"] as? [[String: Any]])
      #expect(!float.isEmpty && float.allSatisfy { $0["reason"] as? String == "it is excluded" }, "\(float)")
    }
  }

  @Test func rangesAreSavedEditedAndReadAgain() throws {
    try Self.inFolder { folder in
      let (out, cache) = ("\(folder)/out.onnx", "\(folder)/ranges.json")
      let arguments = ["quantize", Self.cnn, "-o", out, "--no-timing", "--samples", "8", "--json"] + Self.calibration
      let first = try Cameo.run(arguments + ["--save-calibration", cache]).json()
      let again = try Cameo.run(arguments + ["--calibration-cache", cache]).json()
      #expect(try Self.cosine(first) == Self.cosine(again))
      var document = try #require(
        try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: cache))) as? [String: Any])
      var values = try #require(document["values"] as? [String: [String: Any]])
      for name in values.keys { values[name]?["range"] = [-0.01, 0.01] }
      document["values"] = values
      try JSONSerialization.data(withJSONObject: document).write(to: URL(fileURLWithPath: cache))
      let narrow = try Cameo.run(arguments + ["--calibration-cache", cache]).json()
      #expect(try Self.cosine(narrow) < Self.cosine(first) - 0.01)
      let other = try Cameo.run(
        ["quantize", Self.transformer, "-o", out, "--calibration-cache", cache] + Self.calibration)
      #expect(other.status == 2 && other.error.contains("of another model"), "\(other.error)")
    }
  }

  @Test func productsStayFloatUntilTheAccuracyHolds() throws {
    try Self.inFolder { folder in
      let out = "\(folder)/out.onnx"
      let arguments =
        ["quantize", Self.transformer, "-o", out, "--no-timing", "--samples", "8", "--weights", "s4", "--json"]
        + Self.calibration
      let plain = try Cameo.run(arguments).json()
      let lost = 1 - (try Self.cosine(plain))
      #expect(lost > 1e-4)
      let kept = try Cameo.run(arguments + ["--accuracy-drop", "\(lost / 4)"]).json()
      #expect(1 - (try Self.cosine(kept)) <= lost / 4)
      let float = try #require(kept["float"] as? [[String: Any]])
      #expect(float.contains { ($0["reason"] as? String ?? "").contains("for the accuracy asked for") }, "\(float)")
      #expect((kept["layers"] as? [Any])?.isEmpty == false)
    }
  }

  @Test func theAccuracyMayBeCountedInRowsWhoseGreatestNumberMoved() throws {
    try Self.inFolder { folder in
      let arguments =
        ["quantize", Self.transformer, "-o", "\(folder)/out.onnx", "--no-timing", "--samples", "32", "--weights", "s4"]
        + Self.calibration + ["--accuracy-measure", "argmax", "--json"]
      func agreement(_ document: [String: Any]) throws -> Double {
        let accuracy = try #require(document["accuracy"] as? [String: Any])
        let outputs = try #require(accuracy["outputs"] as? [[String: Any]])
        return try #require(outputs.first?["argmax_agreement"] as? Double)
      }
      let plain = try agreement(try Cameo.run(arguments).json())
      #expect(try agreement(try Cameo.run(arguments + ["--accuracy-drop", "0"]).json()) == 1)
      // What is lost anyway asks for nothing.
      let loose = try Cameo.run(arguments + ["--accuracy-drop", "\((1 - plain) * 100 + 0.01)"]).json()
      #expect(try agreement(loose) == plain)
      #expect((loose["float"] as? [Any])?.isEmpty == true)
    }
  }

  @Test(arguments: [["--weights", "s4"], ["--precision", "bf16"]])
  func theAccuracyMayBeTheGreatestDifference(_ flags: [String]) throws {
    try Self.inFolder { folder in
      let out = "\(folder)/out.onnx"
      let arguments =
        [
          "quantize", Self.transformer, "-o", out, "--no-timing", "--samples", "4", "--accuracy-measure", "max",
          "--json",
        ]
        + flags + Self.calibration
      func error(_ document: [String: Any]) throws -> Double {
        let accuracy = try #require(document["accuracy"] as? [String: Any])
        let outputs = try #require(accuracy["outputs"] as? [[String: Any]])
        return try #require(outputs.first?["max_rel"] as? Double)
      }
      let lost = try error(try Cameo.run(arguments).json())
      #expect(lost > 1e-5)
      let kept = try Cameo.run(arguments + ["--accuracy-drop", "\(lost / 2)"]).json()
      #expect(try error(kept) <= lost / 2)
      let float = try #require(kept["float"] as? [[String: Any]])
      #expect(float.contains { ($0["reason"] as? String ?? "").contains("for the accuracy asked for") }, "\(float)")
      guard flags.contains("--precision") else { return }
      let held = try #require(kept["held"] as? [String: Any])
      #expect(held["measure"] as? String == "max")
      #expect((held["before"] as? Double ?? 0) >= lost && (held["after"] as? Double ?? 1) <= lost / 2)
      let narrow = try #require(kept["narrow"] as? [String: Any])
      #expect((narrow["narrow"] as? Int ?? 0) < (narrow["products"] as? Int ?? 0))
      // As anyone would see it who has the two files, on all samples.
      let compared = try Cameo.run(
        "compare", Self.transformer, out, "--inputs", Self.calibration[1], "--tolerance", "\(lost * 2)")
      #expect(compared.status == 0, "\(compared.output)")
    }
  }

  @Test func errorsSayWhatIsMissing() throws {
    try Self.inFolder { folder in
      let out = "\(folder)/out.onnx"
      let wrong: [([String], Int32, String)] = [
        ([], 64, "--calibration"), (["--precision", "bf16", "--accuracy-drop", "0.02"], 64, "needs samples"),
        (["--dynamic", "--precision", "fp16"], 64, "exclude each other"),
        (["--weight-only", "int4", "--algorithm", "gptq"], 64, "needs --calibration"),
        (["--calibration", "\(folder)/none.npz"], 2, "none.npz"), (["--calibration", folder], 2, "no samples"),
        (["--calibration", Self.calibration[1], "--report", "\(folder)/x.txt"], 64, "--report is"),
        (["--weight-only", "int4", "--group-size", "7"], 64, "group-size"),
        (["--calibration", Cameo.model("sentences_calibration.npz")], 2, "image"),
      ]
      for (flags, status, part) in wrong {
        let result = try Cameo.run(["quantize", Self.cnn, "-o", out] + flags)
        #expect(result.status == status, "\(flags): \(result.error)")
        #expect(result.error.contains(part), "\(flags): \(result.error)")
        #expect(!FileManager.default.fileExists(atPath: out))
      }
    }
  }
}
