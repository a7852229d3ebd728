import Foundation
import PackagePlugin

/// Writes what a compiled plugin must agree with its host on into PassKit: the compiler, and a checksum over the sources of
/// PassKit and of the modules below it. Types there have no stable layout, so that every change of them counts.
@main
struct InterfaceDigest: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
    guard let module = target as? SwiftSourceModuleTarget else { return [] }
    let sources = ([module] + module.recursiveTargetDependencies.compactMap { $0 as? SwiftSourceModuleTarget })
      .flatMap { $0.sourceFiles(withSuffix: "swift").map(\.url) }
      .sorted { $0.path < $1.path }
    let output = context.pluginWorkDirectoryURL.appending(path: "PluginInterface.generated.swift")
    return [
      .buildCommand(
        displayName: "Digest of the plugin interface", executable: URL(filePath: "/bin/sh"),
        arguments: ["-c", InterfaceDigest.script, "sh", output.path] + sources.map(\.path), inputFiles: sources,
        outputFiles: [output])
    ]
  }

  /// POSIX only: `cksum` gives a CRC and the number of bytes.
  static let script = #"""
    output=$1; shift
    compiler=$(swiftc --version 2>/dev/null | head -n 1 | tr -d '"\\|}')
    digest=$(LC_ALL=C cat "$@" | cksum | tr ' ' '-')
    cat >"$output" <<END
    extension PluginInterface {
      /// Compiled into every client, so that a plugin carries what it was built against.
      @_alwaysEmitIntoClient public static var text: StaticString {
        "cameo-plugin-interface{${compiler:-unknown compiler}|$digest}"
      }
    }
    END
    """#
}
