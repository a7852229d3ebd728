import ArgumentParser
import Cameo
import PassKit
import Tensors

/// `--plugin LIB`: passes, rules and operators from shared libraries.
struct PluginArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp("Load a compiled plugin: its passes, rules and operators. Repeatable.", valueName: "lib"))
  var plugin: [String] = []

  @Option(
    help: ArgumentHelp(
      "Give up where one pass of a plugin takes longer than so many seconds; 0: never.", valueName: "s"))
  var pluginTimeout = 60.0

  func validate() throws {
    guard pluginTimeout >= 0, pluginTimeout <= 1e6 else { throw ValidationError("--plugin-timeout is 0 to 1000000") }
  }

  /// Loads them, for the rest of the process. Throws with the plugin's path.
  func load() throws {
    for path in plugin { try loadPlugin(path: path) }
    PluginWatch.seconds = pluginTimeout
  }

  /// Throws where a pass of a plugin failed; it has been rolled back.
  static func check(_ report: OptimizationReport) throws {
    for plugin in Plugin.loaded {
      for name in plugin.passes.map(\.pass.name) where report.failedPasses.contains(name) {
        let failure = report.failures.first { $0.hasPrefix("pass \(name):") } ?? "pass \(name) failed"
        throw CameoError.badInput(failure).within("plugin \(plugin.path)")
      }
    }
  }

  /// The passes of all that was loaded, with their places.
  static var passes: [PlacedPass] { Plugin.loaded.flatMap(\.passes) }
}
