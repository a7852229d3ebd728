import CUDAProvider
import Tensors
import TestSupport
import Testing

/// The driver's side, held against a library that stands in for it: no device is needed.
@Suite struct DriverTests {
  /// `start`: what cuInit returns.
  private func withDriver<R>(start: Int = 0, _ body: (CUDALibraries) throws -> R) throws -> R {
    try withFolder { folder in
      let source = Repository.root.appending(path: "Tests/CUDAProviderTests/Fixtures/driver.c").path
      let built = try Command.run(
        "/usr/bin/env", "clang", "-shared", "-fPIC", "-DSTART=\(start)", source, "-o", folder + "/libcuda-paper.so")
      #expect(built.status == 0, "\(built.error)")
      return try body(
        CUDALibraries(
          folders: folder, driver: "libcuda-paper.so", compiler: "libnvrtc-none.so", products: "libcublasLt-none.so",
          dnn: "libcudnn-none.so"))
    }
  }

  @Test func devicesAreDescribed() throws {
    try withDriver { libraries in
      let driver = try libraries.driver.get()
      #expect(driver.version == CUDAVersion(13, 1))
      #expect(driver.path.hasSuffix("/libcuda-paper.so"))
      let devices = try CUDADevice.all(driver)
      #expect(devices.map(\.ordinal) == [0, 1])
      #expect(devices.map(\.name) == ["Device of paper", String(repeating: "x", count: 256)])
      #expect(devices.map(\.architecture) == ["sm_90", "sm_91"])
      #expect(devices.map(\.multiprocessors) == [132, 132])
      #expect(devices.map(\.memory) == [16 << 30, 32 << 30])
      for _ in 0..<2 { #expect(try devices[0].availableMemory(driver) == 12 << 30) }
      let error = try #require(throws: CameoError.self) { try devices[1].availableMemory(driver) }
      #expect(
        "\(error)" == "CUDA device 1: cuDevicePrimaryCtxRetain: CUDA_ERROR_OUT_OF_MEMORY: out of memory")
    }
  }

  @Test func theProbeNamesWhatIsThereAndWhatIsNot() throws {
    try withDriver { libraries in
      let probe = CUDAProbe(libraries)
      #expect(
        probe.findings.map(\.what) == ["CUDA driver", "CUDA device 0", "CUDA device 1", "NVRTC", "cuBLASLt", "cuDNN"])
      #expect(probe.findings.map(\.isFound) == [true, true, true, false, false, false])
      #expect(
        probe.findings[1].detail
          == "Device of paper, compute capability 9.0, 132 multiprocessors, 16.0 GiB, 12.0 GiB free")
      #expect(probe.findings[2].detail.contains("free memory not known: CUDA device 1: cuDevicePrimaryCtxRetain: "))
      #expect(probe.obstacle == "libnvrtc-none.so is not there")
    }
  }

  @Test func aDriverThatDoesNotStartSaysWhy() throws {
    for (start, words) in [
      (100, "cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected"), (77, "cuInit: error 77"),
    ] {
      try withDriver(start: start) { libraries in
        let probe = CUDAProbe(libraries)
        #expect(probe.devices.isEmpty)
        #expect(
          probe.findings.map(\.detail) == [
            words, "libnvrtc-none.so is not there", "libcublasLt-none.so is not there; own kernels compute products",
            "libcudnn-none.so is not there; own kernels compute convolutions",
          ])
      }
    }
  }
}
