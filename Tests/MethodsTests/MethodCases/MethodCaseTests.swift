import Foundation
import Testing

/// Reference numbers of methods and of their parts, each file by the check of its kind.
///
/// They were made with the published code in float64, from weights and inputs that a formula gives. The files are the
/// committed ones, or those of the folder that the variable METHOD_CASES names.
@Suite struct MethodCases {
  /// A file's kind is the longest of these that its name begins with: `mae-plain` is of the kind `mae`.
  private static let checks: [String: @Sendable (MethodCase) throws -> Void] = [
    "mae": MAECase.check,
    "mae-learning-rate": MAECase.checkLearningRate,
    "moco-mae": MoCoMAECase.check,
    "local-aggregation": LocalAggregationCase.check,
    "local-aggregation-training": LocalAggregationCase.checkTraining,
    "instance-discrimination": InstanceDiscriminationCase.check,
    "kmeans": KMeansCase.check,
    "densecl": DenseCLCase.check,
    "triplet": TripletCase.check,
    "colours": ColoursCase.check,
  ]

  @Test(arguments: files) func theNumbersOfTheFileAreReproduced(file: URL) throws {
    let name = file.deletingPathExtension().lastPathComponent
    let kinds = Self.checks.keys.filter { name == $0 || name.hasPrefix("\($0)-") }
    let kind = try #require(kinds.max { $0.count < $1.count }, "\(file.path): a case of an unknown kind")
    print("case \(name)")
    try Self.checks[kind]?(MethodCase(contentsOf: file))
  }

  @Test func thereAreCases() { #expect(!Self.files.isEmpty, "no case in \(Self.folder.path)") }

  private static let folder =
    ProcessInfo.processInfo.environment["METHOD_CASES"].map { URL(fileURLWithPath: $0) }
    ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures/method-cases")

  private static let files =
    ((try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? [])
    .filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }
}
