import Foundation
import TestSupport
import Testing

/// `cameo optimize --prepacked`, and what run, bench and compare make of it.
@Suite struct PreparedCommandTests {
  private let transformer = Repository.models.appending(path: "digits_transformer.onnx").path

  @Test func preparedModelsAreMapped() throws {
    try withFolder { folder in
      let out = "\(folder)/t.onnx"
      let made = try Command.cameo("optimize", transformer, "-o", out, "--prepacked")
      #expect(made.status == 0, "\(made.error)")
      #expect(made.output.contains("t.onnx.packed (level 3, target cameo)"), "\(made.output)")
      let bench = try Command.cameo("bench", out, "--dim", "batch=2", "--iterations", "1", "--json")
      #expect(bench.status == 0 && bench.error.isEmpty, "\(bench.error)")
      let figures = try bench.json()
      #expect(figures["mapped_packed_bytes"] as? Int ?? 0 > 0)
      #expect(figures["mapped_packed_bytes"] as? Int == figures["packed_bytes"] as? Int)
      let same = try Command.cameo("compare", transformer, out, "--dim", "batch=3", "--tolerance", "1e-5")
      #expect(same.status == 0, "\(same.output)\(same.error)")
      // Other passes than the default ones run as asked for; the weights that stay are mapped all the same.
      let other = try Command.cameo(
        "bench", out, "--dim", "batch=2", "--iterations", "1", "--json", "--disable", "FuseElementwise")
      #expect(other.status == 0 && other.error.isEmpty, "\(other.error)")
      #expect(try other.json()["mapped_packed_bytes"] as? Int ?? 0 > 0)
    }
  }

  @Test func aStaleFileIsOneLineOnStandardError() throws {
    try withFolder { folder in
      let out = "\(folder)/t.onnx"
      #expect(
        try Command.cameo("optimize", transformer, "-o", out, "--prepacked", "--json").json()["packed_bytes"] is Int)
      try FileManager.default.removeItem(atPath: out + ".packed")
      let run = try Command.cameo("run", out, "--input", "image=random", "--dim", "batch=2")
      #expect(run.status == 0)
      #expect(run.error.split(separator: "\n").count == 1, "\(run.error)")
      #expect(run.error.hasPrefix("cameo: file \(out): ") && run.error.contains("prepared anew"), "\(run.error)")
      #expect(try Command.cameo("run", out, "--input", "image=random", "--dim", "batch=2", "--quiet").error.isEmpty)
    }
  }

  @Test func anotherInstructionSetIsTold() throws {
    try withFolder { folder in
      let out = "\(folder)/t.onnx"
      let cameo = try Repository.product("cameo").path
      let made = try Command.run(
        "/usr/bin/env", "CAMEO_ISA=generic", cameo, "optimize", transformer, "-o", out, "--prepacked")
      #expect(made.status == 0, "\(made.error)")
      let generic = try Command.run(
        "/usr/bin/env", "CAMEO_ISA=generic", cameo, "compare", transformer, out, "--dim", "batch=2")
      #expect(generic.status == 0 && generic.error.isEmpty, "\(generic.error)")
      let best = try Command.cameo("compare", transformer, out, "--dim", "batch=2")
      #expect(best.status == 0, "\(best.output)")
      let isTold = best.error.contains("it was made for x86_64 generic")
      let hasTiers = try Command.cameo("providers").output.contains("tier avx")
      #expect(isTold == hasTiers, "\(best.error)")
    }
  }

  @Test func contradictionsAreWrongUsage() throws {
    for wrong in [["--level", "2"], ["-O3"], ["--target", "onnx"], ["--target", "ort"]] {
      let result = try Command.cameo(["optimize", transformer, "-o", "/nowhere/o.onnx", "--prepacked"] + wrong)
      #expect(result.status == 64, "\(wrong)")
      #expect(result.error.contains("--prepacked means --level 3 --target cameo"))
    }
  }

  @Test func nothingIsLeftWhereThePlaceCannotBeWritten() throws {
    try withFolder { folder in
      try FileManager.default.createDirectory(atPath: "\(folder)/o.onnx.packed", withIntermediateDirectories: false)
      let result = try Command.cameo("optimize", transformer, "-o", "\(folder)/o.onnx", "--prepacked")
      #expect(result.status == 2)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["o.onnx.packed"])
    }
  }
}
