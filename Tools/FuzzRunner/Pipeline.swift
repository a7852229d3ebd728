import CPUProvider
import Cameo
import GraphIR
import InferenceRuntime
import ONNXFormat
import Operators
import PassKit
import Tensors

/// What a hostile file goes through: load, infer, optimize, evaluate, run, export, load again.
enum Pipeline {
  /// Where the file was refused, or "done".
  static func run(_ bytes: [UInt8], folder: String, index: Int, stage: (String) -> Void) -> String {
    var place = "load"
    func at(_ name: String) {
      place = name
      stage(name)
    }
    do {
      at("load")
      var model = try ONNXImporter.load(bytes: bytes, folder: folder)
      at("sort")
      try model.graph.sortTopologically()
      at("infer")
      var options = ShapeInference.Options()
      options.isLenient = true
      let inference = ShapeInference(model.graph, functions: model.functions, options: options)
      try inference.run()
      at("evaluate")
      let inputs = try self.inputs(of: model.graph)
      let deadline = ContinuousClock.now.advanced(by: .seconds(2))
      var isRunnable = true
      do {
        let evaluator = GraphEvaluator(model.graph, functions: model.functions)
        evaluator.checkpoint = { if ContinuousClock.now > deadline { throw CameoError(.cancelled, "out of time") } }
        _ = try evaluator.run(inputs)
      } catch let error as CameoError {
        isRunnable = error.kind != .cancelled
      }
      at("optimize")
      var settings = OptimizationOptions()
      settings.level = 1 + index % 3
      settings.target = OptimizationOptions.Target.allCases[index / 3 % 3]
      model = (try? Optimizer(options: settings, verification: nil).optimize(model).model) ?? model
      if isRunnable {
        at("session")
        var session = SessionOptions()
        session.threads = 1
        do {
          let prepared = try Session(model, providers: [CPUProvider()], options: session)
          var named: [String: Value] = [:]
          for (id, value) in zip(model.graph.inputs, inputs) { named[model.graph[id].name] = value }
          _ = try prepared.run(values: named)
        } catch is CameoError {}
      }
      at("export")
      var export = ExportOptions()
      export.discardSourceForms = index % 2 == 0
      let written = try ONNXExporter.serialize(model, options: export)
      at("reload")
      _ = try ONNXImporter.load(bytes: written, folder: folder)
      return "done"
    } catch {
      let text = "\(error)"
      if text.isEmpty || text.contains("\n") { return "\(place): not one line" }
      return place
    }
  }

  /// Small inputs of the declared types; open dimensions are 2.
  private static func inputs(of graph: Graph) throws -> [Value?] {
    try graph.inputs.map { id in
      guard case .tensor(let type, let shape)? = graph[id].type, let type else { return nil }
      let dims = (shape ?? [2]).map { $0.value ?? 2 }
      guard try Tensor.elementCount(dims) <= 1 << 16 else { throw CameoError.limit("a large input") }
      if type == .string {
        return .tensor(try Tensor(strings: [String](repeating: "a", count: Tensor.elementCount(dims)), shape: dims))
      }
      return .tensor(
        try Tensor.make(type, dims, as: Float.self) { out in
          for index in 0..<((try? Tensor.elementCount(dims)) ?? 0) { out[index] = Float(index % 3) }
        })
    }
  }
}
