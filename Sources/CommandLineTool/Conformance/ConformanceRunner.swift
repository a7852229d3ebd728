import Cameo
import GraphIR
import InferenceRuntime
import ONNXFormat
import Operators
import PassKit
import Tensors

/// One folder of the ONNX backend layout: model.onnx, test_data_set_N beside it.
struct ConformanceTest: Sendable {
  let name: String
  let path: String

  /// Test folders under `folder` up to three levels down, itself included, whose name holds one of `filter` (all, where that
  /// is empty). A folder with a data.json alone is a test, too: of a model that would have to be downloaded.
  static func find(in folder: String, filter: [String]) -> [ConformanceTest] {
    var result: [ConformanceTest] = []
    func walk(_ path: String, _ name: String, _ depth: Int) {
      guard let files = Folder.files(path) else { return }
      if files.contains("model.onnx") || files.contains("data.json") {
        if filter.isEmpty || filter.contains(where: name.contains) {
          result.append(ConformanceTest(name: name, path: path))
        }
        return
      }
      if depth == 3 { return }
      for file in files where Folder.isFolder("\(path)/\(file)") { walk("\(path)/\(file)", file, depth + 1) }
    }
    walk(folder, folder.split(separator: "/").last.map(String.init) ?? folder, 0)
    return result
  }
}

/// What came of a test.
struct ConformanceOutcome: Sendable {
  enum Status: String { case pass, fail, unsupported }

  let name: String
  var status = Status.pass
  var reason = ""
  /// How a test passed whose numbers are not comparable.
  var note = ""
  var operators: [String] = []
  /// Where a device was asked for: what ran on the host instead, and why.
  var onHost: [(node: String, reason: String)]?
}

/// Why a test fails that ran without an error.
struct ConformanceFailure: Error {
  let reason: String
}

/// Runs tests, each on one thread of its own.
struct ConformanceRunner: Sendable {
  let level: Int
  let providers: [ProviderChoice]
  /// Writes each model in its own opset and in the newest, source forms discarded, and tests what is read back.
  let isRoundTrip: Bool
  /// The opsets to write in; empty: the two above.
  let exportOpsets: [Int]
  /// Where the files of a round trip stay, as TEST.opsetN.onnx.
  let exportFolder: String?

  func outcome(_ test: ConformanceTest, _ pool: ThreadPool) -> ConformanceOutcome {
    var outcome = ConformanceOutcome(name: test.name)
    do {
      guard Folder.exists("\(test.path)/model.onnx") else {
        throw CameoError.unsupported("there is no model.onnx, only the data.json that says where it is to be had")
      }
      let sets = TestData.folders(in: test.path)
      let tolerance = try TestTolerance(folder: test.path)
      let model = try ONNXImporter.load(path: "\(test.path)/model.onnx")
      outcome.operators = model.graph.operatorCounts.keys.sorted()
      if sets.isEmpty { throw ConformanceFailure(reason: "there is no test data beside the model") }
      for (label, model) in isRoundTrip ? try roundTrips(model, test.name) : [("", model)] {
        do {
          let checked = try check(model, sets, tolerance, pool)
          outcome.note = checked.note
          if checked.session.device != nil { outcome.onHost = FallbackText.reasons(checked.session) }
        } catch let failure as ConformanceFailure {
          throw ConformanceFailure(reason: label + failure.reason)
        }
      }
    } catch let failure as ConformanceFailure {
      outcome.status = .fail
      outcome.reason = failure.reason
    } catch let error as CameoError {
      outcome.status = error.kind == .unsupported && (!isRoundTrip || !exportOpsets.isEmpty) ? .unsupported : .fail
      outcome.reason = error.description
    } catch {
      outcome.status = .fail
      outcome.reason = "\(error)"
    }
    return outcome
  }

  /// Prepares a model as the command was asked to.
  func session(_ model: Model, _ pool: ThreadPool, seed: UInt64 = 0) throws -> Session {
    var model = model
    let providers = try ProviderChoice.providers(providers)
    if level > 0 {
      var options = OptimizationOptions()
      options.level = level
      if level >= 3 { for provider in providers { options.enabled.formUnion(provider.passes) } }
      model = try Optimizer(options: options, verification: nil).optimize(model).model
    }
    var settings = SessionOptions()
    settings.seed = seed
    settings.pool = pool
    return try Session(model, providers: providers, options: settings)
  }

  /// Compares the model's outputs with those of each data set; the note where random numbers were checked otherwise.
  private func check(
    _ model: Model, _ sets: [String], _ tolerance: TestTolerance, _ pool: ThreadPool
  ) throws -> (note: String, session: Session) {
    let session = try session(model, pool)
    var note = ""
    for set in sets {
      let data = try TestData(folder: set, model: model)
      let results = try session.run(values: data.inputs)
      var differing: [(name: String, expected: Value)] = []
      var reason = ""
      for (index, (port, expected)) in zip(session.outputs, data.outputs).enumerated() {
        guard let expected else { throw ConformanceFailure(reason: "there is no output_\(index).pb in \(set)") }
        guard let found = results[port.name] else {
          throw ConformanceFailure(reason: "output \(port.name) is missing")
        }
        guard let mismatch = tolerance.mismatch(expected, found) else { continue }
        if reason.isEmpty { reason = "output \(port.name): \(mismatch)" }
        differing.append((port.name, expected))
      }
      if differing.isEmpty { continue }
      let random = RandomCheck(model: model, inputs: data.inputs, results: results)
      guard random.applies else { throw ConformanceFailure(reason: reason) }
      note = try random.check(differing) { try self.session($0, pool, seed: $1).run(values: data.inputs) }
    }
    return (note, session)
  }

  // MARK: Round trips

  /// The model as it comes back from files in its own opset and, where that is higher, the newest.
  private func roundTrips(_ model: Model, _ name: String) throws -> [(label: String, model: Model)] {
    let own = model.opsets[""]
    var opsets: [Int?] = [own]
    if let own, own < ONNXImporter.newestOpset { opsets.append(ONNXImporter.newestOpset) }
    if !exportOpsets.isEmpty { opsets = exportOpsets }
    return try opsets.map { opset in
      let place = opset.map { "round trip in opset \($0)" } ?? "round trip"
      let again = try within(place) {
        var options = ExportOptions(opset: opset)
        options.discardSourceForms = true
        guard let exportFolder else {
          return try ONNXImporter.load(bytes: try ONNXExporter.serialize(model, options: options))
        }
        let path = "\(exportFolder)/\(name).opset\(opset ?? 0).onnx"
        try ONNXExporter.save(model, to: path, options: options)
        return try ONNXImporter.load(path: path)
      }
      if let opset, let found = again.opsets[""], found != opset {
        throw ConformanceFailure(reason: "\(place): it came back in opset \(found)")
      }
      return (place + ": ", again)
    }
  }
}
