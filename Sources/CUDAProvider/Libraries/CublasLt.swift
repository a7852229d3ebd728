internal import CCUDA
import Tensors

/// NVIDIA's library of matrix products, where it is installed. Its functions may be called from any thread, several at once.
public struct CublasLt: @unchecked Sendable {
  let table: UnsafePointer<cameo_cublaslt>
  public let version: String
  public let path: String

  init(_ table: UnsafePointer<cameo_cublaslt>) throws {
    self.table = table
    path = String(cString: table.pointee.path)
    let number = table.pointee.get_version()
    // 130100: 13.1.0; up to 12.x the same with 10000 for the major version.
    version = "\(number / 10000).\(number % 10000 / 100).\(number % 100)"
  }

  /// Throws `.system` with the function and the library's words where `status` is an error.
  func check(_ status: Int32, _ function: String) throws {
    guard status != 0 else { return }
    let text = table.pointee.get_status_string(status).map { String(cString: $0) } ?? "status \(status)"
    throw CameoError.system("cublasLt\(function): \(text)")
  }
}

/// Where libraries lie that come in packages of their own: beside the folders that are known.
enum LibraryFolders {
  /// `known`, then what such packages have beside each of them ("nvidia/cu13/lib", "nvidia/cublas/lib"), then where toolkits are installed.
  /// All lists are separated by ":".
  static func beside(_ known: [String], packages: [String]) -> String {
    var all: [String] = []
    func add(_ folder: String) { if !folder.isEmpty, !all.contains(folder) { all.append(folder) } }
    let folders = known.flatMap { $0.split(separator: ":").map(String.init) }
    folders.forEach(add)
    for folder in folders {
      for package in packages + ["cu13"] { add("\(folder)/../../\(package)/lib") }
    }
    ["/usr/local/cuda/lib64", "/usr/local/cuda/targets/x86_64-linux/lib"].forEach(add)
    return all.joined(separator: ":")
  }

  /// The folder that a file lies in.
  static func of(_ path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
  }
}

/// A library that is loaded when it is first asked for.
final class LazyLibrary<Library: Sendable>: Sendable {
  private let load: @Sendable () -> Result<Library, CameoError>
  private let loaded = Mutex<Result<Library, CameoError>?>(nil)

  init(_ load: @escaping @Sendable () -> Result<Library, CameoError>) { self.load = load }

  var value: Result<Library, CameoError> {
    loaded.withLock { known in
      if let known { return known }
      let result = load()
      known = result
      return result
    }
  }
}
