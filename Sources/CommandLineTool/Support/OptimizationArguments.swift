import ArgumentParser
import Cameo
import GraphIR
import ONNXFormat
import PassKit
import Passes
import Tensors

extension OptimizationOptions.Target: ExpressibleByArgument {}

/// What the user gives his word for.
enum Assumption: String, ExpressibleByArgument, CaseIterable {
  case noEmptyRows = "no-empty-rows"
}

/// How a model is optimized: shared by `optimize` and by the commands that run a model.
struct OptimizationArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "onnx: standard operators only (default); ort: also com.microsoft; cameo: also ai.cameo.", valueName: "target"))
  var target: OptimizationOptions.Target?

  @Option(
    help: ArgumentHelp(
      "The opset of the result (default: the source's, raised only where a rewrite needs it, at most to 24)."))
  var opset: Int?

  @Flag(help: "Also use operators that known runtimes expand again.")
  var preferStandard = false

  @Option(
    help: ArgumentHelp("Something you know of the inputs: no-empty-rows (each attention row has an allowed key)."))
  var assume: [Assumption] = []

  @Option(help: ArgumentHelp("Run this pass whatever its level. Repeatable.", valueName: "pass"))
  var enable: [String] = []

  @Option(help: ArgumentHelp("Do not run this pass. Repeatable.", valueName: "pass"))
  var disable: [String] = []

  @OptionGroup var ruleFiles: RuleArguments

  /// True where nothing but level and target was asked for.
  var isDefault: Bool {
    opset == nil && !preferStandard && assume.isEmpty && enable.isEmpty && disable.isEmpty && ruleFiles.rules.isEmpty
  }

  /// `extra`: passes beyond the built-in ones, which may be enabled and disabled, too.
  func options(level: Int, bindings: [String: Dim], extra: [any Pass] = []) throws -> OptimizationOptions {
    var options = OptimizationOptions()
    options.level = level
    options.target = target ?? .onnx
    options.maximumOpset = opset
    options.prefersStandard = preferStandard
    options.assumesNoEmptyRows = assume.contains(.noEmptyRows)
    options.enabled = try names(enable, extra)
    options.disabled = try names(disable, extra)
    options.bindings = bindings
    return options
  }

  func validate() throws {
    if let opset, !(1...ONNXImporter.newestOpset).contains(opset) {
      throw ValidationError("--opset is 1 to \(ONNXImporter.newestOpset)")
    }
  }

  /// The passes' own spelling. Throws where one does not exist.
  private func names(_ given: [String], _ extra: [any Pass]) throws -> Set<String> {
    if given.isEmpty { return [] }
    let all = (Pipelines.all(with: PluginArguments.passes) + extra).map(\.name)
    return Set(
      try given.map { name in
        guard let found = all.first(where: { $0.lowercased() == name.lowercased() }) else {
          throw CameoError.badInput("there is no pass \(name); cameo passes lists them")
        }
        return found
      })
  }
}

/// `--rules FILE`: passes written as text.
struct RuleArguments: ParsableArguments {
  @Option(help: ArgumentHelp("Also run the rewrite rules of this file. Repeatable.", valueName: "file")) var rules:
    [String] = []

  /// The passes of the files, in order. Throws with file, line and column; `.badInput` where a name is taken by a pass that is not
  /// among the `disabled`.
  func passes(disabled: [String] = []) throws -> [any Pass] {
    let off = Set(disabled.map { $0.lowercased() })
    let taken = Set(
      Pipelines.all(with: PluginArguments.passes).map(\.name).filter { !off.contains($0.lowercased()) })
    var result: [any Pass] = []
    for path in rules {
      let file = try MappedFile(path: path)
      for pass in try RuleFile.parse(String(decoding: file.bytes, as: UTF8.self), file: path) {
        if taken.contains(pass.name) || result.contains(where: { $0.name == pass.name }) {
          throw CameoError.badInput(
            "there is a pass \(pass.name) already; --disable \(pass.name) puts this one in its place"
          )
          .within("file \(path)")
        }
        result.append(pass)
      }
    }
    return result
  }
}

/// `Attention>=6`: how many nodes of an operator the result must have.
struct CountAssertion: ExpressibleByArgument, Sendable {
  enum Relation: String, CaseIterable {
    case atLeast = ">=", atMost = "<=", notEqual = "!=", equal2 = "==", equal = "=", more = ">", less = "<"
  }

  let name: String
  let relation: Relation
  let count: Int
  let text: String

  init?(argument: String) {
    guard let relation = Relation.allCases.first(where: { argument.contains($0.rawValue) }) else { return nil }
    let parts = argument.split(separator: relation.rawValue, maxSplits: 1).map { $0.filter { $0 != " " } }
    guard parts.count == 2, !parts[0].isEmpty, let count = Int(parts[1]) else { return nil }
    name = String(parts[0])
    self.relation = relation
    self.count = count
    text = argument
  }

  func holds(in counts: [String: Int]) -> Bool {
    let found = counts[name] ?? 0
    return switch relation {
    case .atLeast: found >= count
    case .atMost: found <= count
    case .equal, .equal2: found == count
    case .notEqual: found != count
    case .more: found > count
    case .less: found < count
    }
  }
}

/// `NAME=1x3x224x224`: a shape for an input.
struct InputShape: ExpressibleByArgument, Sendable {
  let name: String
  let shape: [Dim]

  init?(argument: String) {
    guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else { return nil }
    guard let shape = InputShape.parse(argument[argument.index(after: equals)...]) else { return nil }
    name = String(argument[..<equals])
    self.shape = shape
  }

  /// `1x3x224x224`, `batchx128` (a symbol stays one), `scalar` for no dimensions. Also with commas.
  static func parse(_ text: Substring) -> [Dim]? {
    if text == "scalar" { return [] }
    if text.contains(",") || Int(text) != nil {
      return dims(text.split(separator: ",", omittingEmptySubsequences: false))
    }
    return dims(text.split(separator: "x", omittingEmptySubsequences: false))
  }

  private static func dims(_ parts: [Substring]) -> [Dim]? {
    var result: [Dim] = []
    for part in parts {
      if let value = Int(part) {
        guard value >= 0 else { return nil }
        result.append(Dim(value))
      } else {
        guard let first = part.unicodeScalars.first, first.properties.isAlphabetic || first == "_" else { return nil }
        result.append(.symbol(String(part)))
      }
    }
    return result
  }
}
