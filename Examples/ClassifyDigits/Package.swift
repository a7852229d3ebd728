// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "ClassifyDigits",
  dependencies: [.package(name: "Cameo", path: "../..")],
  targets: [
    .executableTarget(name: "ClassifyDigits", dependencies: [.product(name: "Cameo", package: "Cameo")])
  ],
  swiftLanguageModes: [.v6]
)
