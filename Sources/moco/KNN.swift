import ArgumentParser
import Data
import Distributed
import Evaluation
import Files
import Foundation
import Training

struct KNN: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "knn",
    abstract: "Measure an encoder by its nearest neighbours.",
    discussion: """
      Every test image gets the class that its k nearest training images vote for, by cosine similarity of the \
      encoder's pooled features, with weights exp(similarity / temperature). Several k and temperatures share one \
      search. Images are resized and centre-cropped; \
      one that has the network's size already is taken as it is, unless --resize is given. A set that has both parts, such as \
      a folder of IDX files, may be named twice: its training part is searched, its test part classified. With --nproc, or \
      under torchrun, srun or mpirun, ranks share the images out; the result is the same.
      """)

  @Argument(help: "A run folder, a checkpoint folder or a .safetensors file.")
  var checkpoint: String
  @Option(help: ArgumentHelp("Labelled images to search.", valueName: "data"))
  var train: String
  @Option(help: ArgumentHelp("Labelled images to classify.", valueName: "data"))
  var test: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Neighbours that vote; several with commas.", valueName: "n"))
  var k = Values(200)
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Temperature of the votes; several with commas.", valueName: "t"))
  var temperature = Values(0.1)
  @Option(help: "Features: layer1 to layer4, pooled (the backbone's output) or head.")
  var layer = FeatureLayer.pooled
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("At most so many images of each set, evenly spaced.", valueName: "n"))
  var limit: Int?
  @Flag(help: "Measure raw pixels and the untrained encoder too.")
  var baselines = false
  @Option(
    help: ArgumentHelp(
      "Write a picture of ten test images, in its second column where the encoder looks, and their nearest neighbours.",
      valueName: "file.png"))
  var neighbours: String?
  @OptionGroup var options: EncoderOptions
  @OptionGroup var ranks: RankOptions
  @Flag(help: "Print one JSON object.")
  var json = false

  struct Report: Codable {
    struct Row: Codable {
      var encoder: String
      var k: Int
      var temperature: Double
      var top1: Double
      var top5: Double
    }
    /// Nil if there are several.
    var k: Int?
    var temperature: Double?
    var layer: FeatureLayer
    var trainImages: Int
    var testImages: Int
    /// The numbers of classes that have an image in the sets.
    var trainClasses: Int
    var testClasses: Int
    var results: [Row]
  }

  func run() throws {
    for k in k.all where k < 1 { throw UsageError("--k \(k): at least one neighbour votes.") }
    for t in temperature.all where !(t > 0 && t.isFinite) {
      throw UsageError("--temperature \(t): must be positive.")
    }
    if let limit, limit < 1 { throw UsageError("--limit \(limit): at least one image.") }
    try checkExtension("--neighbours", neighbours, content: "a PNG picture", "png")
    try checkOutputs(("--neighbours", neighbours))
    try ranks.evaluate(
      [
        ("checkpoint", checkpoint), ("--k", k.defaultValueDescription),
        ("--temperature", temperature.defaultValueDescription), ("--layer", layer.rawValue),
        ("--limit", limit.map(String.init) ?? "unset"), ("--baselines", "\(baselines)"),
      ] + options.images.claims, measure)
  }

  private func measure(_ context: RankContext) throws {
    let console = Console(silent: !context.isFirst)
    let prints = context.isFirst && !json
    let opened = try options.open(checkpoint, console, context: context)
    try layer.validate(for: opened.encoder)
    let votings = WeightedKNN.KNNSettings.all(k: k.all, temperature: temperature.all)
    let searched = try EvaluationData(train, split: .train, input: opened.input, limit: limit)
    let testSet = try EvaluationData(test, split: .test, input: opened.input, limit: limit)
    console.report(leftOutOf: searched, testSet)
    let comparison = try KNNEvaluation(
      train: searched, test: testSet, votings: votings, layer: layer, context: context, device: opened.device)

    if let warning = comparison.warning { console.warn(warning) }
    var rows: [Report.Row] = []
    func add(_ name: String, _ results: [WeightedKNN.Result]) {
      for (voting, result) in zip(votings, results) {
        rows.append(
          .init(
            encoder: name, k: voting.k, temperature: voting.temperature, top1: result.top1, top5: result.top5)
        )
        let which = votings.count == 1 ? "" : "k = \(voting.k), τ = \(voting.temperature)".padded(to: 20)
        if prints { print("\(name.padded(to: 18))\(which)\(fixed(result.top1, 2)) %") }
      }
    }
    if prints {
      let one = votings.count == 1 ? "k = \(votings[0].k), " : ""
      let which = layer == .pooled ? "" : "\(layer.rawValue), "
      print("kNN top-1, \(which)\(one)\(comparison.summary)")
    }
    if baselines {
      add("raw pixels", try comparison.accuracyOfPixels())
      add(
        "untrained encoder",
        try comparison.accuracy(of: try opened.config.makeUntrainedEncoder(on: opened.device)).results)
    }
    let (results, bank, queries) = try comparison.accuracy(of: opened.encoder.network)
    add("trained encoder", results)
    guard context.isFirst else { return }
    console.warn(unreadable: bank.unreadable + (comparison.isSame ? [] : queries.unreadable))
    if baselines, votings.count == 1, prints { print(verdict(rows)) }
    if json {
      try printJSON(
        Report(
          k: k.all.count == 1 ? k.all[0] : nil,
          temperature: temperature.all.count == 1 ? temperature.all[0] : nil, layer: layer,
          trainImages: bank.labels.count, testImages: queries.labels.count,
          trainClasses: searched.dataset.classCount, testClasses: testSet.dataset.classCount, results: rows))
    }
    if let neighbours {
      let second = try comparison.writeSheet(
        to: neighbours, bank: bank, queries: queries, of: opened.encoder.network)
      if prints {
        print("nearest neighbours of ten test images: \(neighbours)\nits second column: \(second)")
      }
    }
  }

  /// Compares trained with untrained.
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

/// Prints one object with sorted keys, in one line of standard output.
func printJSON(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  print(String(decoding: try encoder.encode(value), as: UTF8.self))
}
