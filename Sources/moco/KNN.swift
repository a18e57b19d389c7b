import ArgumentParser
import Evaluation
import Foundation
import Torch
import Training
import Views

struct KNN: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "knn",
    abstract: "Measure an encoder by its nearest neighbours.",
    discussion: """
      Every test image gets the class that its k nearest training images vote for, by cosine similarity of the \
      encoder's pooled features, with weights exp(similarity / temperature). A set that has both parts, such as \
      a folder of IDX files, may be named twice: its training part is searched, its test part asked.
      """)

  @Argument(help: "A run folder, a checkpoint folder or a .safetensors file.")
  var checkpoint: String
  @Option(help: ArgumentHelp("Labelled images to search.", valueName: "data"))
  var train: String
  @Option(help: ArgumentHelp("Labelled images to ask.", valueName: "data"))
  var test: String
  @Option(parsing: .unconditional, help: ArgumentHelp("Neighbours that vote.", valueName: "n"))
  var k = 200
  @Option(parsing: .unconditional, help: ArgumentHelp("Temperature of the votes.", valueName: "t"))
  var temperature = 0.1
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("At most so many images of each set, evenly spaced.", valueName: "n"))
  var limit: Int?
  @Flag(help: "Measure raw pixels and the untrained encoder too.")
  var baselines = false
  @Option(
    help: ArgumentHelp(
      "Write a picture of ten test images and their nearest neighbours.", valueName: "file.png"))
  var neighbours: String?
  @Option(help: "auto, cpu, cuda, cuda:1 or mps.")
  var device = DeviceChoice.auto
  @Option(parsing: .unconditional, help: ArgumentHelp("Decoding threads.", valueName: "n"))
  var workers: Int?
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Refuse larger images before decoding them.", valueName: "n"))
  var maxPixels: Int?
  @Option(help: ArgumentHelp("Stop when more images than this cannot be read, as 5%.", valueName: "share"))
  var maxBad: BadShare?
  @Flag(help: "Print one JSON object.")
  var json = false

  struct Report: Codable {
    struct Row: Codable {
      var encoder: String
      var top1: Double
      var top5: Double
    }
    var k: Int
    var temperature: Double
    var trainImages: Int
    var testImages: Int
    var results: [Row]
  }

  func run() throws {
    guard k > 0 else { throw UsageError("--k \(k): at least one neighbour votes.") }
    guard temperature > 0 else { throw UsageError("--temperature \(temperature): must be positive.") }
    if let limit, limit < 1 { throw UsageError("--limit \(limit): at least one image.") }
    if let workers, workers < 1 { throw UsageError("--workers \(workers): at least 1.") }
    let device = try device.resolve()
    let trained = try TrainedEncoder(checkpoint, on: device)
    let console = Console()
    trained.warnings.forEach(console.warn)
    var config = trained.config
    config.workers = workers ?? config.workers
    config.maxPixels = maxPixels ?? config.maxPixels
    config.maxBad = maxBad ?? config.maxBad
    try config.validate()
    let comparison = try NeighbourComparison(
      train: EvaluationSet(train, split: .train, config: config, limit: limit),
      test: EvaluationSet(test, split: .test, config: config, limit: limit), k: k, temperature: temperature,
      device: device)

    var rows: [Report.Row] = []
    func add(_ name: String, _ result: WeightedKNN.Result) {
      rows.append(.init(encoder: name, top1: result.top1, top5: result.top5))
      if !json {
        print("\(name.padded(to: 18))\(fixed(result.top1, 2)) %")
      }
    }
    if !json { print("kNN top-1, k = \(k), \(comparison.summary)") }
    if baselines {
      add("raw pixels", try comparison.accuracyOfPixels())
      add(
        "untrained encoder", try comparison.accuracy(of: try config.makeUntrainedEncoder(on: device)).result)
    }
    let (result, bank, queries) = try comparison.accuracy(of: trained.network)
    add("trained encoder", result)
    let unreadable = (bank.unreadable + (comparison.isSame ? [] : queries.unreadable)).map(\.description)
    if let first = unreadable.first {
      console.warn("images left out because they cannot be read: \(unreadable.count), the first: \(first)")
    }
    if baselines, !json { print(verdict(rows)) }
    if let neighbours {
      try comparison.writeSheet(to: neighbours, bank: bank, queries: queries)
      if !json { print("nearest neighbours of ten test images: \(neighbours)") }
    }
    if json {
      try printJSON(
        Report(
          k: k, temperature: temperature, trainImages: bank.labels.count,
          testImages: queries.labels.count, results: rows))
    }
  }

  /// What training brought, honestly.
  private func verdict(_ rows: [Report.Row]) -> String {
    let (pixels, untrained, trained) = (rows[0].top1, rows[1].top1, rows[2].top1)
    func compared(_ other: Double) -> String {
      let points = trained - other
      return points >= 0 ? "\(fixed(points, 2)) points above" : "\(fixed(-points, 2)) points BELOW"
    }
    return
      "The trained encoder is \(compared(untrained)) the untrained one and \(compared(pixels)) raw pixels."
  }
}

/// One object with sorted keys, in one line of standard output.
func printJSON(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  print(String(decoding: try encoder.encode(value), as: UTF8.self))
}
