import Foundation
import GraphIR
import ONNXFormat
import PassKit
import Passes
import SpellingSupport
import Tensors
import TestSupport
import Testing

/// What `PipelineCheck` says of every pass, on everything that is at hand.
@Suite struct InvariantTests {
  private static func options(_ target: OptimizationOptions.Target) -> OptimizationOptions {
    var options = OptimizationOptions()
    options.target = target
    options.level = target == .cameo ? 3 : 2
    return options
  }

  private func check(_ model: Model, _ options: OptimizationOptions, _ place: String) throws {
    for problem in try PipelineCheck(options: options).problems(model) { Issue.record("\(place): \(problem)") }
  }

  @Test(arguments: Pipelines.all.map(\.name))
  func casesOfThePass(_ name: String) throws {
    for item in RewriteCase.of(name) {
      var model = try ONNXText.parseModel(item.before)
      model.number()
      try check(model, item.options, "\(item)")
    }
  }

  static let models: [String] = {
    let files = FileManager.default.enumerator(atPath: Repository.models.path)?.compactMap { $0 as? String } ?? []
    return files.filter { $0.hasSuffix(".onnx") }.sorted()
  }()

  @Test func modelsAreThere() { #expect(Self.models.count >= 10) }

  @Test(arguments: models)
  func modelsOfTheRepository(_ path: String) throws {
    let model = try ONNXImporter.load(path: Repository.models.appending(path: path).path)
    for target in OptimizationOptions.Target.allCases {
      try check(model, Self.options(target), "\(path) for \(target)")
    }
  }

  private static let seeds: UInt64 = Repository.isFull ? 500 : 30

  @Test(
    .timeLimit(.minutes(60 * Repository.patience)),
    arguments: Spellings.families + Spellings.breakers)
  func spellings(_ family: String) throws {
    for seed in 1...Self.seeds {
      guard let spelling = try Spellings.make(family, seed: seed) else { continue }
      let targets = OptimizationOptions.Target.allCases
      let target = targets[Int(seed) % targets.count]
      try check(try ONNXImporter.load(bytes: spelling.bytes), Self.options(target), "\(family) \(seed) for \(target)")
    }
  }

  private static let zoo = Zoo.present.filter { entry in
    let size = try? FileManager.default.attributesOfItem(atPath: Zoo.path(entry.path))[.size] as? Int
    return (size ?? .max) < 20_000_000 || Repository.isFull
  }

  @Test(.timeLimit(.minutes(60 * Repository.patience)), arguments: zoo.map(\.name))
  func modelsOfTheZoo(_ name: String) throws {
    let entry = try #require(Self.zoo.first { $0.name == name })
    let model = try ONNXImporter.load(path: Zoo.path(entry.path))
    for target in Repository.isFull ? OptimizationOptions.Target.allCases : [.onnx, .cameo] {
      try check(model, Self.options(target), "\(name) for \(target)")
    }
  }
}
