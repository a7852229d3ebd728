import CUDAProvider
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct LibraryTests {
  private func reason<T>(_ result: Result<T, CameoError>) -> String {
    switch result {
    case .success: "it is there"
    case .failure(let error): "\(error.kind): \(error)"
    }
  }

  @Test func aMissingLibraryIsNamed() {
    let libraries = CUDALibraries(
      folders: "/nowhere::/", driver: "libcuda-none.so.1", compiler: "libnvrtc-none.so.2:libnvrtc-none.so.1",
      products: "libcublasLt-none.so", dnn: "libcudnn-none.so.1")
    #expect(reason(libraries.driver) == "system: libcuda-none.so.1 is not there")
    #expect(reason(libraries.compiler) == "system: neither libnvrtc-none.so.2 nor libnvrtc-none.so.1 is there")
    let probe = CUDAProbe(libraries)
    #expect(probe.devices.isEmpty)
    #expect(probe.findings.map(\.what) == ["CUDA driver", "NVRTC", "cuBLASLt", "cuDNN"])
    #expect(probe.findings.allSatisfy { !$0.isFound })
    #expect(
      probe.obstacle
        == "libcuda-none.so.1 is not there; neither libnvrtc-none.so.2 nor libnvrtc-none.so.1 is there")
  }

  @Test func aMissingFunctionIsNamed() {
    let libraries = CUDALibraries(driver: "libc.so.6", compiler: "libnvrtc-none.so.1:libc.so.6")
    #expect(reason(libraries.driver) == "system: libc.so.6 has no cuInit")
    #expect(reason(libraries.compiler) == "system: libc.so.6 has no nvrtcVersion")
  }

  @Test func whatIsNoLibraryIsNotTakenForAMissingOne() throws {
    try withFolder { folder in
      try Array("not a library".utf8).withUnsafeBytes { bytes in
        let file = try FileOutput(path: folder + "/libbroken.so")
        try file.write(bytes)
        try file.commit()
      }
      let text = reason(CUDALibraries(folders: folder, driver: "libbroken.so").driver)
      #expect(text.hasPrefix("system: libbroken.so cannot be loaded: "), "\(text)")
    }
  }

  @Test func sourcesAreCarriedWithin() throws {
    let names = KernelSource.embeddedNames
    let folder = Repository.root.appending(path: "Sources/CCUDA/Kernels")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.contains(".cu") }
    #expect(names.sorted() == files.sorted())
    for name in names {
      let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
      #expect(try KernelSource.embedded(name).text == text, "\(name)")
    }
    #expect(throws: CameoError.self) { try KernelSource.embedded("none.cu") }
  }

  /// Kernels are launched while those in front still run.
  @Test func everyKernelWaitsForTheWorkInFront() throws {
    var count = 0
    for name in KernelSource.embeddedNames where name.hasSuffix(".cu") {
      for text in try KernelSource.embedded(name).text.components(separatedBy: "__global__").dropFirst() {
        let body = text.components(separatedBy: "\n}")[0]
        #expect(body.contains("wait_for_others()"), "\(name): \(text.prefix(100))")
        count += 1
      }
    }
    #expect(count > 60)
  }

  @Test func continuousIntegrationHasNVRTC() {
    #expect(
      Toolkit.isThere || !Repository.isCI, "\(reason(Toolkit.libraries.compiler)): Tools/setup models installs it")
  }
}
