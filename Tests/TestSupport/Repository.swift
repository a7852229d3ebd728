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
}
