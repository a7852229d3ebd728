import Foundation

/// Places that tests read from.
public enum Repository {
  /// The package's top folder.
  public static let root: URL = {
    var url = URL(fileURLWithPath: #filePath)
    for _ in 0..<3 { url.deleteLastPathComponent() }
    return url
  }()

  /// Where fetched models are: `$CAMEO_CACHE`, else `.cache` in the repository.
  public static let cache: URL =
    ProcessInfo.processInfo.environment["CAMEO_CACHE"].map { URL(fileURLWithPath: $0) }
    ?? root.appending(path: ".cache")

  public static let models = root.appending(path: "Models")

  /// On a CI machine nothing may be missing.
  public static let isCI = ProcessInfo.processInfo.environment["CI"] == "true"
  /// The whole cross product rather than the quick choice.
  public static let isFull = ProcessInfo.processInfo.environment["CAMEO_FULL"] == "1"

  private struct NotBuilt: Error { let name: String }

  /// An executable product of this build. Throws where it is not built.
  public static func product(_ name: String) throws -> URL {
    let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    // swift test runs a helper that loads the bundle; the products lie in the build folder.
    let builds = ["debug", "release"].map { root.appending(path: ".build/\($0)/\(name)") }
    let candidates = [own.deletingLastPathComponent().appending(path: name)] + builds
    guard let found = candidates.first(where: { FileManager.default.isExecutableFile(atPath: $0.path) }) else {
      throw NotBuilt(name: name)
    }
    return found
  }
}
