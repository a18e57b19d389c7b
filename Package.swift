// swift-tools-version: 6.1
import PackageDescription

// LibTorch is one folder with `include` and `lib`. `scripts/setup` links it here; LIBTORCH overrides it.
let libtorch = Context.environment["LIBTORCH"] ?? Context.packageDirectory + "/.libtorch"

// Only libtorch_cpu: naming libtorch would make every machine need all of CUDA's libraries.
let linkLibTorch: [LinkerSetting] = [
  .unsafeFlags(["-L\(libtorch)/lib", "-Xlinker", "-rpath", "-Xlinker", "\(libtorch)/lib"]),
  .linkedLibrary("torch_cpu"),
  .linkedLibrary("c10"),
  .linkedLibrary("stdc++"),
]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// Every import is declared here, lower layers last; `.ci/run` builds with a check that none is missing.
func module(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
  .target(name: name, dependencies: dependencies, resources: resources)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], fixtures: Bool = false) -> Target {
  .testTarget(
    name: name, dependencies: dependencies + ["TestSupport"], exclude: fixtures ? ["Fixtures"] : [])
}

let package = Package(
  name: "swift-moco",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "moco", targets: ["moco"]),
    .library(name: "MomentumContrast", targets: ["Torch", "Models", "Methods", "Weights", "Data"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
  ],
  targets: [
    // Bytes and pixels: no Torch here.
    .target(
      name: "CArchives",
      linkerSettings: [.linkedLibrary("archive"), .linkedLibrary("z"), .linkedLibrary("deflate")]),
    .target(
      name: "CCodecs",
      linkerSettings: [
        .linkedLibrary("jpeg"), .linkedLibrary("png"), .linkedLibrary("webp"), .linkedLibrary("webpdemux"),
        .linkedLibrary("tiff"), .linkedLibrary("avif"), .linkedLibrary("deflate"),
      ]),
    .target(name: "CJSON", linkerSettings: [.linkedLibrary("yajl")]),
    .target(name: "CXML", linkerSettings: [.linkedLibrary("expat")]),
    module("Files", ["CArchives", "CXML"]),
    module("Images", ["Files", "CCodecs"]),

    // Tensors.
    .target(
      name: "CTorch",
      cxxSettings: [
        .headerSearchPath("."),
        .headerSearchPath("gloo_declarations"),  // the wheel has Gloo, but not its headers
        .define("AT_PER_OPERATOR_HEADERS"),  // a file includes the operations that it calls: less to compile
        .define("NDEBUG"),  // as LibTorch was built: its headers refer to more symbols without
        .unsafeFlags([
          "-O2",  // kernels of ours are in here: debug builds run the tests' training steps too
          "-isystem", "\(libtorch)/include",
          "-isystem", "\(libtorch)/include/torch/csrc/api/include",
        ]),
      ],
      linkerSettings: linkLibTorch),
    module("Torch", ["CTorch"]),

    // The system, from its parts up.
    module("Models", ["Torch"]),
    module("Data", ["Images", "Files", "Torch", "CArchives", "CJSON"]),
    module("Methods", ["Models", "Torch"]),
    .target(
      name: "Weights", dependencies: ["Models", "Files", "Torch", protobuf], exclude: ["ONNX/onnx.proto"]),
    module("Distributed", ["Files", "Torch"]),
    module("Evaluation", ["Weights", "Data", "Distributed", "Models", "Images", "Files", "Torch"]),
    .target(name: "TensorBoard", dependencies: ["Images", protobuf], exclude: ["event.proto"]),
    module(
      "Training",
      [
        "Methods", "Evaluation", "TensorBoard", "Weights", "Data", "Distributed", "Models", "Images", "Files",
        "Torch", yams,
      ],
      resources: [
        .embedInCode("Configuration/Recipes"), .embedInCode("Configuration/DetectionRecipes"),
        .embedInCode("Configuration/SegmentationRecipes"), .embedInCode("Configuration/FineTuneRecipes"),
      ]),
    module(
      "Reports",
      [
        "Training", "Methods", "Evaluation", "Weights", "Data", "Distributed", "Images", "Files", "Torch",
        yams,
      ],
      resources: [.embedInCode("Ablation/Specs"), .embedInCode("Transfer/Specs")]),
    .executableTarget(
      name: "moco",
      dependencies: [
        "Reports", "Training", "Methods", "Evaluation", "Weights", "Data", "Distributed", "Models", "Images",
        "Files", "Torch", argumentParser,
      ]),

    .executableTarget(
      name: "mutate-readers", dependencies: ["Data", "Files", "Torch"], path: "Tests/Mutations/Readers"),
    .target(
      name: "TestSupport", dependencies: ["Distributed", "Images", "Torch"], path: "Tests/TestSupport"),
    tests("FilesTests", ["Files", "CArchives"], fixtures: true),
    tests("ImagesTests", ["Images", "Files", "CCodecs"], fixtures: true),
    tests("TorchTests", ["Torch"], fixtures: true),
    tests("ModelsTests", ["Models", "Torch"], fixtures: true),
    tests("DataTests", ["Data", "Images", "Files", "Torch"], fixtures: true),
    tests("MethodsTests", ["Methods", "Models", "Torch"], fixtures: true),
    tests("WeightsTests", ["Weights", "Models", "Files", "Torch", "CArchives"], fixtures: true),
    tests("DistributedTests", ["Distributed", "Files", "Torch"]),
    tests(
      "EvaluationTests",
      ["Evaluation", "Weights", "Data", "Distributed", "Models", "Images", "Files", "Torch"],
      fixtures: true),
    tests("TensorBoardTests", ["TensorBoard", "Images"]),
    tests(
      "TrainingTests",
      [
        "Training", "Methods", "Evaluation", "TensorBoard", "Weights", "Data", "Distributed", "Models",
        "Images", "Files",
        "Torch",
      ]),
    tests(
      "ReportsTests", ["Reports", "Training", "Methods", "Evaluation", "Data", "Images", "Files", "Torch"]),
    tests(
      "mocoTests", ["moco", "Training", "Methods", "TensorBoard", "Weights", "Models", "Images", "Torch"]),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx20
)
