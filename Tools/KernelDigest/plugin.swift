import Foundation
import PackagePlugin

/// Writes a checksum over the sources of CKernels and CPUProvider into CPUProvider: packed weights that a file keeps belong to the
/// code that packed them, and a version number is not raised with every change of it.
@main
struct KernelDigest: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
    let root = context.package.directoryURL
    var sources: [URL] = []
    for folder in ["Sources/CKernels", "Sources/CPUProvider"] {
      let folder = root.appending(path: folder)
      for case let name as String in FileManager.default.enumerator(atPath: folder.path) ?? .init()
      where [".c", ".h", ".swift"].contains(where: { name.hasSuffix($0) }) {
        sources.append(folder.appending(path: name))
      }
    }
    sources.sort { $0.path < $1.path }
    let output = context.pluginWorkDirectoryURL.appending(path: "KernelSources.generated.swift")
    return [
      .buildCommand(
        displayName: "Digest of the kernels", executable: URL(filePath: "/bin/sh"),
        arguments: ["-c", KernelDigest.script, "sh", output.path] + sources.map(\.path), inputFiles: sources,
        outputFiles: [output])
    ]
  }

  /// POSIX only: `cksum` gives a CRC and the number of bytes.
  static let script = #"""
    output=$1; shift
    digest=$(LC_ALL=C cat "$@" | cksum | tr ' ' '-')
    cat >"$output" <<END
    enum KernelSources { static let digest = "$digest" }
    END
    """#
}
