import CUDAProvider
import Foundation
import TestSupport

/// NVRTC for the tests: as `$CAMEO_CUDA_LIBRARIES` says, of the environment that `Tools/setup models` makes, or the system's.
enum Toolkit {
  static let libraries: CUDALibraries = {
    let manager = FileManager.default
    func entries(_ folder: URL) -> [URL] {
      let found = try? manager.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      return (found ?? []).sorted { $0.path < $1.path }
    }
    let pythons = entries(Repository.cache.appending(path: "venv/lib")).filter {
      $0.lastPathComponent.hasPrefix("python3")
    }
    let folders = pythons.flatMap { entries($0.appending(path: "site-packages/nvidia")) }.map {
      $0.appending(path: "lib").path
    }
    let asked = ProcessInfo.processInfo.environment["CAMEO_CUDA_LIBRARIES"].map { [$0] } ?? []
    return CUDALibraries(folders: (asked + folders).joined(separator: ":"))
  }()

  static let nvrtc = try? libraries.compiler.get()
  static var isThere: Bool { nvrtc != nil }
}
