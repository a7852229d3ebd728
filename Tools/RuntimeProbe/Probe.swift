import GraphIR
import PassKit
import Passes

enum Probe {
  static func optimize(_ model: inout Model, level: Int) throws {
    var options = OptimizationOptions()
    options.level = level
    options.target = .cameo
    model = try PassManager(stages: Pipelines.stages, options: options).run(model).model
  }
}
