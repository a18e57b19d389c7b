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

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], fixtures: Bool = false) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, exclude: fixtures ? ["Fixtures"] : [])
}

let package = Package(
  name: "swift-moco",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "moco", targets: ["moco"]),
    .library(name: "MomentumContrast", targets: ["MomentumContrast", "Backbones", "Torch"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
  ],
  targets: [
    // Pixels: no Torch below this line.
    .target(
      name: "CCodecs",
      linkerSettings: [
        .linkedLibrary("jpeg"), .linkedLibrary("png"), .linkedLibrary("webp"), .linkedLibrary("webpdemux"),
        .linkedLibrary("z"),
      ]),
    module("Images", ["CCodecs"]),
    module("Figures", ["Images"]),
    .target(name: "CArchive", linkerSettings: [.linkedLibrary("archive")]),

    // Tensors.
    .target(
      name: "CTorch",
      cxxSettings: [
        .headerSearchPath("gloo_declarations"),  // the wheel has Gloo, but not its headers
        .unsafeFlags([
          "-O2",  // kernels of ours are in here: debug builds run the tests' training steps too
          "-isystem", "\(libtorch)/include",
          "-isystem", "\(libtorch)/include/torch/csrc/api/include",
        ]),
      ],
      linkerSettings: linkLibTorch),
    module("Torch", ["CTorch"]),

    // The system, from its parts up.
    module("Views", ["Images", "Torch", "CArchive"]),
    module("Backbones", ["Torch"]),
    module("Checkpoints", ["Torch", "CCodecs"]),
    module("Evaluation", ["Torch"]),
    module("MomentumContrast", ["Torch", "Backbones"]),
    .target(
      name: "TensorBoard",
      dependencies: ["Images", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
      exclude: ["event.proto"]),
    .target(
      name: "Training",
      dependencies: [
        "MomentumContrast", "Evaluation", "Checkpoints", "TensorBoard", "Backbones", "Views", "Figures",
        "Images", "Torch",
        .product(name: "Yams", package: "Yams"),
      ],
      resources: [
        .embedInCode("Recipes/v1.yaml"), .embedInCode("Recipes/v2.yaml"),
        .embedInCode("Recipes/v3-resnet50.yaml"), .embedInCode("Recipes/v3-vit-small.yaml"),
        .embedInCode("Recipes/v3-vit-base.yaml"),
        .embedInCode("Recipes/simclr.yaml"), .embedInCode("Recipes/byol.yaml"),
        .embedInCode("Recipes/simsiam.yaml"), .embedInCode("Recipes/instdisc.yaml"),
        .embedInCode("Recipes/cpc.yaml"), .embedInCode("Recipes/rotation.yaml"),
        .embedInCode("Recipes/jigsaw.yaml"), .embedInCode("Recipes/relative-position.yaml"),
        .embedInCode("Recipes/cifar.yaml"), .embedInCode("Recipes/demo.yaml"),
        .embedInCode("Ablation/Specs/mechanisms.yaml"), .embedInCode("Ablation/Specs/momentum.yaml"),
        .embedInCode("Ablation/Specs/temperature.yaml"), .embedInCode("Ablation/Specs/shuffle-bn.yaml"),
        .embedInCode("Ablation/Specs/v2-steps.yaml"), .embedInCode("Ablation/Specs/methods.yaml"),
      ]),
    .executableTarget(
      name: "moco",
      dependencies: [
        "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    .target(name: "TestSupport", dependencies: ["Torch"], path: "Tests/TestSupport"),
    tests("ImagesTests", ["Images", "CCodecs"], fixtures: true),
    tests("FiguresTests", ["Figures", "Images"]),
    tests("TorchTests", ["Torch", "TestSupport"], fixtures: true),
    tests("ViewsTests", ["Views"], fixtures: true),
    tests("BackbonesTests", ["Backbones"], fixtures: true),
    tests("CheckpointsTests", ["Checkpoints"], fixtures: true),
    tests("EvaluationTests", ["Evaluation"], fixtures: true),
    tests("MomentumContrastTests", ["MomentumContrast", "TestSupport"], fixtures: true),
    tests("TensorBoardTests", ["TensorBoard", "Images"]),
    tests("TrainingTests", ["Training", "TensorBoard", "TestSupport"], fixtures: true),
    tests("CommandLineTests", ["Images", "Training", "TensorBoard", "moco"]),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx20
)
