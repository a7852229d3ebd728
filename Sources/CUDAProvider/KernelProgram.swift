internal import CCUDA
import Tensors

/// A piece of CUDA C++ with the name that messages give it.
public struct KernelSource: Sendable, Hashable {
  public let name: String
  public let text: String

  public init(name: String, text: String) {
    self.name = name
    self.text = text
  }

  /// A file of Sources/CCUDA/Kernels, which Cameo carries within. Throws `.system` where there is none of that name.
  public static func embedded(_ name: String) throws -> KernelSource {
    var size = 0
    guard let text = cameo_cuda_source(name, &size) else {
      throw CameoError.system("there is no kernel source \(name)")
    }
    let bytes = UnsafeRawBufferPointer(start: text, count: size)
    return KernelSource(name: name, text: String(decoding: bytes, as: UTF8.self))
  }

  /// The names that `embedded` knows.
  public static var embeddedNames: [String] {
    var names: [String] = []
    while let name = cameo_cuda_source_name(names.count) { names.append(String(cString: name)) }
    return names
  }
}

/// What is compiled at once: sources one behind the other, macros, and the architecture that it is for.
public struct KernelProgram: Sendable, Hashable {
  public var sources: [KernelSource]
  public var macros: [String: Int]
  /// "sm_80", "sm_90a": the CUBIN runs on that one.
  public var architecture: String

  public init(_ sources: [KernelSource], macros: [String: Int], architecture: String) {
    self.sources = sources
    self.macros = macros
    self.architecture = architecture
  }

  /// The last source's name, which is the one with the kernels.
  public var name: String { sources.last?.name ?? "empty" }

  /// queue_order.cuh, which all programs begin with, and the sources. Messages count lines within each.
  func text() throws -> String {
    try ([KernelSource.embedded("queue_order.cuh")] + sources).map { "#line 1 \"\($0.name)\"\n\($0.text)\n" }.joined()
  }

  /// The same for the same program, whatever the order in which macros were set.
  var options: [String] {
    ["--gpu-architecture=\(architecture)", "-std=c++17", "-default-device"]
      + macros.sorted { $0.key < $1.key }.map { "-D\($0.key)=\($0.value)" }
  }
}

/// The attention kernels; Sources/CCUDA/Kernels/README.md has macros, launches, and which one is for what.
public enum AttentionKernels: String, CaseIterable, Sendable {
  case sm90 = "attention_sm90"
  case portable = "attention_portable"
  /// With attention_combine.
  case decode = "attention_decode"

  public func program(macros: [String: Int], architecture: String) throws -> KernelProgram {
    let parts =
      switch self {
      case .sm90: ["bulk_copy.cuh", "wgmma.cuh"]
      case .portable, .decode: ["matrix_sync.cuh"]
      }
    let names = ["attention_common.cuh", "online_softmax.cuh"] + parts + [rawValue + ".cu"]
    return KernelProgram(
      try names.map { try KernelSource.embedded($0) }, macros: macros, architecture: architecture)
  }
}
