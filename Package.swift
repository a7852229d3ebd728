// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "Cameo",
  products: [
    .library(name: "Cameo", targets: ["Cameo"]),
    .executable(name: "cameo", targets: ["CommandLineTool"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // L7: the public library joins passes and providers; the command line stands on it.
    .executableTarget(
      name: "CommandLineTool",
      dependencies: ["Cameo", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      linkerSettings: [.unsafeFlags(["-Xlinker", "--export-dynamic"])]),
    .target(
      name: "Cameo",
      dependencies: [
        "Quantization", "Passes", "CPUProvider", "CUDAProvider", "InferenceRuntime", "PassKit", "ONNXFormat",
        "Operators", "GraphIR", "Tensors",
      ]),
    // Prints plans, times and differences of one model: the runtime's own workbench.
    .executableTarget(
      name: "runtime-probe",
      dependencies: [
        "Passes", "CPUProvider", "InferenceRuntime", "PassKit", "ONNXFormat", "Operators", "GraphIR", "Tensors",
        "MallocCounter",
      ],
      path: "Tools/RuntimeProbe"),
    // L6
    .target(
      name: "Quantization",
      dependencies: [
        "InferenceRuntime", "Passes", "PassKit", "ONNXFormat", "Operators", "GraphIR", "Tensors", "CKernels",
      ]),
    .target(
      name: "CPUProvider",
      dependencies: ["InferenceRuntime", "PassKit", "Operators", "GraphIR", "Tensors", "CKernels", "CBLAS"],
      plugins: [.plugin(name: "KernelDigest")]),
    .target(
      name: "CUDAProvider",
      dependencies: ["InferenceRuntime", "PassKit", "Operators", "GraphIR", "Tensors", "CCUDA"]),
    .plugin(name: "KernelDigest", capability: .buildTool(), path: "Tools/KernelDigest"),
    // L5
    .target(name: "InferenceRuntime", dependencies: ["PassKit", "Operators", "GraphIR", "Tensors"]),
    .target(
      name: "Passes", dependencies: ["PassKit", "Operators", "GraphIR", "Tensors"], path: "Passes",
      exclude: ["Examples"]),
    // L4
    .target(
      name: "PassKit", dependencies: ["Operators", "GraphIR", "Tensors", "CPlugin"],
      plugins: [.plugin(name: "InterfaceDigest")]),
    .plugin(name: "InterfaceDigest", capability: .buildTool(), path: "Tools/InterfaceDigest"),
    .target(name: "ONNXFormat", dependencies: ["Operators", "GraphIR", "Tensors"]),
    // L3
    .target(name: "Operators", dependencies: ["GraphIR", "Tensors", "CRegistry", "CKernels", "CImage"]),
    // L2
    .target(name: "GraphIR", dependencies: ["Tensors"]),
    // L1
    .target(name: "Tensors"),
    // L0
    .target(name: "CRegistry"),
    .target(name: "CPlugin"),
    .target(name: "CKernels"),
    .target(name: "CBLAS"),
    .target(name: "CImage"),
    // The kernels are text within the program: sources.c embeds them.
    .target(name: "CCUDA", exclude: ["Kernels"]),
    .target(
      name: "CONNX",
      cxxSettings: [.define("ONNX_NAMESPACE", to: "onnx"), .define("ONNX_ML", to: "1")],
      linkerSettings: [.linkedLibrary("onnx"), .linkedLibrary("onnx_proto"), .linkedLibrary("protobuf")]),
    // Examples/ClassifyDigits is a package of its own; its source is built and run here, too.
    .executableTarget(
      name: "classify-digits", dependencies: ["Cameo"], path: "Examples/ClassifyDigits/Sources/ClassifyDigits"),
    // Tests
    .target(name: "MallocCounter", path: "Tests/MallocCounter"),
    // Exact element-wise functions, for the tests and Tools/measure.
    .target(name: "KernelReference", dependencies: ["CKernels"], path: "Tests/KernelReference"),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors"]),
    .testTarget(
      name: "InferenceRuntimeTests",
      dependencies: ["InferenceRuntime", "CPUProvider", "Operators", "GraphIR", "Tensors"]),
    .testTarget(
      name: "CPUProviderTests",
      dependencies: [
        "CPUProvider", "InferenceRuntime", "Operators", "GraphIR", "Tensors", "MallocCounter", "CKernels",
        "KernelReference", "TestSupport", "ONNXFormat",
      ]),
    .testTarget(
      name: "CUDAProviderTests",
      dependencies: ["TestSupport", "CUDAProvider", "InferenceRuntime", "GraphIR", "Tensors"],
      exclude: ["Fixtures"]),
    .testTarget(
      name: "OperatorsTests", dependencies: ["Operators", "GraphIR", "Tensors"], exclude: ["Fixtures"]),
    .testTarget(
      name: "ONNXFormatTests", dependencies: ["ONNXFormat", "Operators", "GraphIR", "Tensors"], exclude: ["Cases"]),
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "TestSupport", "CommandLineTool", "Cameo", "PassKit", "ONNXFormat", "GraphIR", "Tensors",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .testTarget(name: "GraphIRTests", dependencies: ["GraphIR", "Tensors", "CONNX"]),
    .testTarget(name: "PassKitTests", dependencies: ["TestSupport", "PassKit", "Operators", "GraphIR", "Tensors"]),
    .testTarget(
      name: "PassesTests",
      dependencies: ["TestSupport", "Cameo", "Passes", "PassKit", "ONNXFormat", "Operators", "GraphIR", "Tensors"],
      exclude: ["Cases"]),
    // What several test targets share: fixtures, golden files, the models in the cache.
    .target(
      name: "TestSupport",
      dependencies: [
        "Cameo", "Passes", "CPUProvider", "InferenceRuntime", "PassKit", "ONNXFormat", "Operators", "GraphIR",
        "Tensors",
      ],
      path: "Tests/TestSupport"),
    .testTarget(
      name: "PluginTests", dependencies: ["TestSupport", "Cameo", "PassKit", "Operators", "GraphIR", "Tensors"],
      exclude: ["Fixtures"]),
    .testTarget(name: "ZooTests", dependencies: ["TestSupport"]),
    .testTarget(
      name: "QuantizationTests",
      dependencies: [
        "TestSupport", "Cameo", "Quantization", "CPUProvider", "InferenceRuntime", "Passes", "PassKit", "ONNXFormat",
        "Operators", "GraphIR", "Tensors",
      ]),
    .testTarget(
      name: "PreparedModelTests",
      dependencies: [
        "TestSupport", "CommandLineTool", "Cameo", "InferenceRuntime", "PassKit", "ONNXFormat", "Operators", "GraphIR",
        "Tensors",
      ]),
    .testTarget(name: "EmbeddedModelTests", dependencies: ["TestSupport"]),
    .testTarget(name: "HostileInputTests", dependencies: ["TestSupport", "fuzz-runner", "CommandLineTool"]),
    // Every operator on the ONNX backend's node tests: inferred shapes, and mutations in child processes.
    .target(
      name: "AuditSupport",
      dependencies: ["CPUProvider", "InferenceRuntime", "ONNXFormat", "Operators", "GraphIR", "Tensors"],
      path: "Tests/AuditSupport"),
    .executableTarget(
      name: "audit-runner", dependencies: ["AuditSupport", "ONNXFormat", "GraphIR", "Tensors"],
      path: "Tools/AuditRunner"),
    .testTarget(name: "AuditTests", dependencies: ["AuditSupport", "TestSupport", "Tensors", "audit-runner"]),
    // Mutated models through the whole pipeline, in child processes: Tools/fuzz.
    .executableTarget(
      name: "fuzz-runner",
      dependencies: [
        "Cameo", "CPUProvider", "InferenceRuntime", "PassKit", "ONNXFormat", "Operators", "GraphIR", "Tensors",
      ],
      path: "Tools/FuzzRunner"),
    // Seeded spellings of what the fusions recognise, as exporters write them: Tools/check-spellings.
    .target(
      name: "SpellingSupport",
      dependencies: ["TestSupport", "Cameo", "PassKit", "ONNXFormat", "Operators", "GraphIR", "Tensors"],
      path: "Tests/SpellingSupport"),
    .executableTarget(
      name: "spelling-runner", dependencies: ["SpellingSupport", "PassKit", "Tensors"], path: "Tools/SpellingRunner"),
    .testTarget(name: "SpellingTests", dependencies: ["SpellingSupport", "TestSupport"]),
    .testTarget(
      name: "InvariantTests",
      dependencies: [
        "SpellingSupport", "TestSupport", "Cameo", "Passes", "PassKit", "ONNXFormat", "GraphIR", "Tensors",
      ]),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx17
)

// A debug build whose libraries are optimized, assertions kept: Tools/test sets it, since the portable evaluation takes most of the
// tests' time. Tests and programs are compiled as ever.
if Context.environment["CAMEO_OPTIMIZED"] != nil {
  let flags = ["-O", "-whole-module-optimization", "-num-threads", "2", "-assert-config", "Debug"]
  for target in package.targets where target.type == .regular {
    target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags(flags)]
  }
}
