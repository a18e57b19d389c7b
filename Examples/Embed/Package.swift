// swift-tools-version: 6.1
import PackageDescription

let package = Package(
  name: "Embed",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "swift-moco", path: "../..")],
  targets: [
    .executableTarget(
      name: "Embed", dependencies: [.product(name: "MomentumContrast", package: "swift-moco")])
  ],
  swiftLanguageModes: [.v6]
)
