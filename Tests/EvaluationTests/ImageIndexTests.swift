import Files
import Foundation
import Images
import TestSupport
import Testing
import Torch
import Weights
@testable import Evaluation

@Suite(.serialized) struct ImageIndexTests {
  private let encoder: TrainedEncoder
  private let data: String
  private let set: EvaluationData
  private let path = temporaryFolder() + "/made/index.safetensors"

  init() throws {
    encoder = try makeTrainedEncoder()
    data = try makeColourFolder(imagesPerClass: 6)
    set = try EvaluationData(data, split: .train, input: .small)
  }

  private func key(_ encoder: TrainedEncoder? = nil, layer: FeatureLayer = .pooled) throws -> ImageIndex.Key {
    try ImageIndex.Key(encoder ?? self.encoder, set, layer: layer)
  }

  private func made() throws -> ImageIndex {
    try ImageIndex(encoder, set, key: key(), on: .cpu, to: path)
  }

  private func query(_ name: String) throws -> Tensor {
    let image = try ImageDecoder().decode(contentsOf: "\(data)/\(name)")
    return try encoder.features(of: image, layer: .pooled, input: .small, on: .cpu)
  }

  @Test func anImageOfTheIndexFindsItselfFirst() throws {
    let index = try made()
    #expect(index.count == 18)
    for name in ["blue/000.png", "green/003.png", "red/005.png"] {
      let matches = try index.matches(query(name), count: 5, on: .cpu)
      #expect(matches.count == 1 && matches[0].count == 5)
      #expect(matches[0][0].path == name)
      // A batch of 18 and one of 1 may be summed in other orders: a few ulps of 6e-8.
      #expect(abs(matches[0][0].score - 1) < 1e-5)
      #expect(matches[0].map(\.score) == matches[0].map(\.score).sorted(by: >))
    }
  }

  @Test func scoresAreTheCosinesThatBruteForceFinds() throws {
    let asked = try query("red/001.png")
    let a: [Double] = asked.array()
    let rows = try set.features(of: encoder.network, on: .cpu).features
    let cosines = (0..<18).map { row in
      let b: [Double] = rows.selected(row).array()
      func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
      return dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
    }
    let matches = try made().matches(asked, count: 100, on: .cpu)[0]
    #expect(matches.count == 18 && Set(matches.map(\.path)).count == 18)
    let sorted = cosines.sorted(by: >)
    // Products of unit vectors in float32 carry errors of a few 2^-24.
    #expect(zip(matches, sorted).allSatisfy { abs($0.score - $1) < 1e-6 })
  }

  @Test func theIndexOnTheDiskIsTheOneThatWasMade() throws {
    let made = try made()
    let kept = try #require(try ImageIndex(contentsOf: path, key: key(), width: 64))
    #expect(kept.names == made.names && kept.names.count == 18 && kept.samples == made.samples)
    let asked = try query("blue/002.png")
    #expect(
      try kept.matches(asked, count: 4, on: .cpu) == made.matches(asked, count: 4, on: .cpu))
  }

  @Test func anotherEncoderLayerOrSetIsAnotherIndex() throws {
    _ = try made()
    #expect(try ImageIndex(contentsOf: path, key: key(makeTrainedEncoder(seed: 2)), width: 64) == nil)
    #expect(try ImageIndex(contentsOf: path, key: key(layer: .layer1), width: 16) == nil)
    try FileManager.default.removeItem(atPath: data + "/red/005.png")
    let fewer = try EvaluationData(data, split: .train, input: .small)
    #expect(
      try ImageIndex(contentsOf: path, key: ImageIndex.Key(encoder, fewer, layer: .pooled), width: 64) == nil)
    #expect(try ImageIndex(contentsOf: path, key: key(), width: 64) != nil)
    #expect(try ImageIndex(contentsOf: path + "-none", key: key(), width: 64) == nil)
    #expect(try key().cachePath != key(layer: .layer1).cachePath)
  }

  /// Each would otherwise end in a trap, of a search or of its sheet.
  @Test func anIndexThatWasChangedIsMadeAnew() throws {
    _ = try made()
    let file = try SafetensorsFile(path)
    let tensors = try file.tensors()
    for (name, tensor) in [
      ("samples", Tensor([18] + Array(1..<18))), ("samples", Tensor([-1] + Array(1..<18))),
      ("samples", Tensor(Array(0..<17))), ("features", .zeros([18, 63])), ("features", .zeros([17, 64])),
    ] {
      var changed = tensors
      changed[name] = tensor
      try Safetensors.write(
        changed.map { (name: $0.key, tensor: $0.value) }, metadata: file.metadata, to: path + "-x")
      #expect(try ImageIndex(contentsOf: path + "-x", key: key(), width: 64) == nil, "\(name)")
    }
  }

  @Test func aFileThatIsNoIndexIsLeftAlone() throws {
    let notes = temporaryFolder() + "/notes.txt"
    try Data("mine".utf8).write(to: URL(fileURLWithPath: notes))
    let error = #expect(throws: UsageError.self) { try ImageIndex(contentsOf: notes, key: key(), width: 64) }
    #expect(
      error?.description
        == "--index-file \(notes): this file is no index. Choose another place for it.")
    #expect(try String(contentsOfFile: notes, encoding: .utf8) == "mine")
  }

  @Test func theSheetHasARowForEachQuery() throws {
    let index = try made()
    let names = ["blue/000.png", "red/000.png"]
    let images = try names.map { try ImageDecoder().decode(contentsOf: "\(data)/\($0)") }
    let queries = Tensor.concatenated(try names.map(query))
    let sheet = temporaryFolder() + "/sheet.png"
    try ImageIndex.writeSheet(
      queries: images, matches: index.matches(queries, count: 3, on: .cpu), of: set, to: sheet)
    let picture = try ImageDecoder().decode(contentsOf: sheet)
    // Cells of 16 pixels with a frame of 2, twice as large, and borders of 3: 4 columns, 2 rows.
    #expect(picture.width == 4 * 43 + 3 && picture.height == 2 * 43 + 3)
  }
}
