import Cameo
import Foundation
import TestSupport
import Testing

/// `--plugin` on the command line.
@Suite struct PluginCommandTests {
  private let model = Libraries.examples + "/soft_threshold.onnx"

  @Test func everyCommandThatNeedsOneTakesPlugins() throws {
    let op = try Libraries.softThreshold.get()
    let pass = try Libraries.fuseClip.get()
    let plugins = ["--plugin", op, "--plugin", pass]
    try withFolder { folder in
      let out = "\(folder)/out.onnx"
      // The built-in pass that would do the same.
      let off = ["--disable", "MergeClips"]
      let optimized = try Command.cameo(["optimize", model, "-o", out, "--json"] + off + plugins)
      #expect(optimized.status == 0, "\(optimized.error)")
      #expect(try optimized.json()["verified"] as? Bool == true)
      #expect(
        try optimized.json()["operators_after"] as? [String: Int] == ["Clip": 1, "example.shrink.SoftThreshold": 1])
      let disabled = try Command.cameo(
        ["optimize", model, "-o", out, "--json", "--disable", "fuseclip"] + off + plugins)
      #expect(try disabled.json()["nodes_after"] as? Int == 3)

      let run = try Command.cameo(["run", model, "--input", "x=value:-0.75", "--dim", "rows=1", "--json"] + plugins)
      let outputs = try run.json()["outputs"] as? [[String: Any]]
      #expect(outputs?.first?["values"] as? [Double] == [-0.5, -0.5, -0.5, -0.5], "\(run.error)")

      let bench = try Command.cameo(
        ["bench", model, "--dim", "rows=1", "--iterations", "2", "--warmup", "0", "--json"] + plugins)
      #expect(try bench.json()["nodes"] as? Int == 2, "\(bench.error)")

      let compare = try Command.cameo(["compare", model, out, "--dim", "rows=3", "--json"] + plugins)
      #expect(try compare.json()["equal"] as? Bool == true, "\(compare.error)")

      let inspect = try Command.cameo(["inspect", model, "--graph", "--level", "2"] + plugins)
      #expect(inspect.output.contains("Clip"), "\(inspect.error)")
      #expect(try Command.cameo(["inspect", model, "--schema"] + plugins).output.contains("threshold"))

      let passes = try Command.cameo(["passes", "--json"] + plugins).json()["passes"] as? [[String: Any]]
      let names = passes?.compactMap { $0["name"] as? String } ?? []
      let place = try #require(names.firstIndex(of: "FuseClip"))
      #expect(place > names.firstIndex(of: "FuseGelu") ?? 999 && place < names.firstIndex(of: "FuseEpilogue") ?? 0)
    }
  }

  @Test func anInstalledTreeIsEnoughToBuildAPlugin() throws {
    try withFolder { folder in
      let tool = Repository.root.path + "/Tools/build-plugin"
      let sdk = try Command.run(tool, "--sdk", "\(folder)/usr", "--build", Libraries.products)
      #expect(sdk.status == 0, "\(sdk.error)")
      let built = try Command.run(
        tool, Libraries.examples + "/SoftThreshold.swift", "--build", "\(folder)/usr", "-o", "\(folder)/lib.so",
        "--debug")
      #expect(built.status == 0, "\(built.error)")
      #expect(
        try Command.cameo("inspect", model, "--schema", "--plugin", "\(folder)/lib.so").output.contains("threshold"))
      #expect(try Command.run(tool, "\(folder)/none.swift").status == 2)
      #expect(try Command.run(tool).status == 64)
      let broken = try Command.run(tool, Libraries.fixtures + "/checks.c", Libraries.examples + "/FuseClip.swift")
      #expect(broken.status == 2 && broken.error.contains("several languages"))
    }
  }

  @Test func conformanceRunsOperatorsOfPlugins() throws {
    let plugin = try Libraries.hypot.get()
    try withFolder { folder in
      let test = "\(folder)/test_hypot"
      try FileManager.default.createDirectory(atPath: test + "/test_data_set_0", withIntermediateDirectories: true)
      try FileManager.default.copyItem(atPath: Libraries.examples + "/hypot.onnx", toPath: test + "/model.onnx")
      /// A TensorProto float[2]: dims, data_type, raw_data.
      func write(_ values: [Float], _ name: String) throws {
        var bytes: [UInt8] = [0x08, 2, 0x10, 1, 0x4a, 8]
        for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 } }
        try Data(bytes).write(to: URL(fileURLWithPath: "\(test)/test_data_set_0/\(name).pb"))
      }
      try write([3, 5], "input_0")
      try write([4, 12], "input_1")
      try write([4.5, 12.5], "output_0")
      let with = try Command.cameo("conformance", folder, "--json", "--plugin", plugin)
      #expect(with.status == 0, "\(with.error)")
      #expect(try with.json()["passed"] as? Int == 1)
      let without = try Command.cameo("conformance", folder, "--json").json()
      #expect(without["unsupported"] as? Int == 1)
    }
  }

  @Test func whatALibraryLacksIsOneLine() throws {
    try withFolder { folder in
      let text = "\(folder)/text.so"
      try "no library".write(toFile: text, atomically: true, encoding: .utf8)
      let broken = "\(folder)/broken.so"
      try (Data([0x7f, 0x45, 0x4c, 0x46]) + Data(repeating: 7, count: 200)).write(to: URL(fileURLWithPath: broken))
      let header = Repository.root.path + "/Sources/CPlugin/include/cameo_plugin.h"
      #expect(FileManager.default.fileExists(atPath: header))
      var cases: [(path: String, parts: [String])] = [
        ("\(folder)/none.so", ["cannot open it: No such file or directory"]),
        (folder, ["is not a regular file"]), (text, ["it is no shared library"]), (broken, ["it cannot be loaded: "]),
      ]
      let entries: [(String, [String])] = [
        ("NO_ENTRY", ["it has no entry point cameo_plugin_register"]), ("FAILS", ["the licence has run out"]),
        ("TOO_OLD", ["it needs a newer Cameo: version 1 of cameo_plugin.h is here"]),
        ("SILENT", ["it returned the status 77 without a reason"]), ("BUILT_IN_PASS", ["pass FuseGelu is built in"]),
        ("BUILT_IN_OPERATOR", ["operator Relu is built in"]), ("NO_SIZE", ["does not start with its size"]),
        ("NO_FUNCTION", ["has no name or no function"]), ("BAD_SIGNATURE", ["its signature is malformed"]),
        ("BAD_RULES", ["inside.rules:1:"]), ("TWICE", ["it registers two passes named EntryPass"]),
        ("BAD_TEXT", ["a text that is no UTF-8"]), ("LEVEL_ZERO", ["pass EntryPass has the level 0"]),
        ("READS_GRAPH", ["this is no call of a pass"]),
      ]
      for (variant, parts) in entries { cases.append((try Libraries.entry(variant, in: folder), parts)) }
      for (path, parts) in cases {
        let result = try Command.cameo("passes", "--plugin", path)
        #expect(result.status == 2, "\(path): \(result.error)")
        #expect(result.output.isEmpty)
        #expect(result.error.hasPrefix("cameo: error: plugin \(path): "), "\(result.error)")
        #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
        for part in parts { #expect(result.error.contains(part), "\(result.error)") }
      }
    }
  }

  @Test func anotherInterfaceOrCompilerIsRefusedBeforeTheLibraryIsLoaded() throws {
    let library = try Data(contentsOf: URL(fileURLWithPath: try Libraries.fuseClip.get()))
    let mark = try #require(library.range(of: Data("cameo-plugin-interface{".utf8)))
    let end = try #require(library[mark.upperBound...].firstIndex(of: UInt8(ascii: "}")))
    let text = String(decoding: library[mark.upperBound..<end], as: UTF8.self)
    let parts = text.split(separator: "|").map(String.init)
    #expect(parts.count == 2 && parts[0].contains("Swift version"))
    try withFolder { folder in
      for change in [
        "0123456789".first { !parts[1].hasPrefix(String($0)) }.map { String($0) + parts[1].dropFirst() } ?? ""
      ] {
        for (compiler, digest) in [(parts[0], change), (parts[0].replacing("Swift", with: "Swoft"), parts[1])] {
          var patched = library
          patched.replaceSubrange(mark.upperBound..<end, with: Data("\(compiler)|\(digest)".utf8))
          // Unreadable to the dynamic loader from here on: the refusal comes first.
          patched.replaceSubrange(64..<96, with: Data(repeating: 0xff, count: 32))
          let path = "\(folder)/other.so"
          try patched.write(to: URL(fileURLWithPath: path))
          let result = try Command.cameo("passes", "--plugin", path)
          #expect(result.status == 2)
          #expect(
            result.error
              == "cameo: error: plugin \(path): it was built against another Cameo (\(compiler), interface \(digest)); "
              + "this one is \(parts[0]), interface \(parts[1]): build it again with Tools/build-plugin\n")
        }
      }
    }
  }

  @Test func aPluginLoadsOnceAndItsNamesAreTaken() throws {
    let library = try Libraries.fuseClip.get()
    let op = try Libraries.hypot.get()
    try withFolder { folder in
      // The same file by another path is the same plugin; a copy is another one.
      let link = "\(folder)/link.so"
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: library)
      #expect(try Command.cameo("passes", "--plugin", library, "--plugin", library, "--plugin", link).status == 0)
      for (original, what) in [(library, "pass FuseClip"), (op, "operator example.c.Hypot")] {
        let copy = "\(folder)/copy.so"
        try? FileManager.default.removeItem(atPath: copy)
        try FileManager.default.copyItem(atPath: original, toPath: copy)
        let result = try Command.cameo("passes", "--plugin", original, "--plugin", copy)
        #expect(result.status == 2)
        #expect(
          result.error.hasPrefix("cameo: error: plugin \(copy): \(what) is already registered"), "\(result.error)")
      }
    }
  }

  @Test func aFailedLoadRegistersNothing() async throws {
    await #expect(processExitsWith: .success) {
      try withFolder { folder in
        let path = try Libraries.entry("BUILT_IN_PASS", in: folder)
        #expect(throws: CameoError.self) { try loadPlugin(path: path) }
        #expect(OperatorRegistry[OperatorName("Nothing", domain: "test.entries")] == nil)
        #expect(Plugin.loaded.isEmpty)
      }
    }
  }
}
