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

  /// How many times longer than usual a test may take: `Tools/sanitize` sets it.
  public static let patience = ProcessInfo.processInfo.environment["CAMEO_PATIENCE"].flatMap(Int.init) ?? 1

  private struct NotBuilt: Error { let name: String }

  /// Where this build puts its products: beside the test bundle, whose path `swift test` hands to the helper that loads it.
  public static let products: URL = {
    let arguments = CommandLine.arguments
    let bundle = arguments.firstIndex(of: "--test-bundle-path").flatMap { $0 + 1 < arguments.count ? $0 + 1 : nil }
    let own = URL(fileURLWithPath: bundle.map { arguments[$0] } ?? "/proc/self/exe").resolvingSymlinksInPath()
    let builds = ["debug", "release"].map { root.appending(path: ".build/\($0)") }
    return ([own.deletingLastPathComponent()] + builds).first { holds("cameo", $0) } ?? builds[0]
  }()

  /// An executable product of this build. Throws where it is not built.
  public static func product(_ name: String) throws -> URL {
    guard holds(name, products) else { throw NotBuilt(name: name) }
    return products.appending(path: name)
  }

  private static func holds(_ name: String, _ folder: URL) -> Bool {
    FileManager.default.isExecutableFile(atPath: folder.appending(path: name).path)
  }
}
