import ArgumentParser
import Data
import Evaluation
import Files
import Foundation
import Methods
import Torch
import Training

struct Search: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find the images most like a given one.",
    discussion: """
      By cosine similarity of the encoder's features. These are kept in a file, for the next question to the same \
      encoder and images: in ~/.cache/swift-moco/indexes unless --index-file is given. Paths are those in the \
      data set. Another encoder, or images that were added, removed or renamed, make a new index; after images were \
      changed under their old names, remove the file.

        moco search runs/photos --index photos --query holiday.jpg --sheet alike.png
      """)

  @Argument(help: "A run folder, a checkpoint folder or a .safetensors file.")
  var checkpoint: String
  @Option(help: ArgumentHelp("Images to search.", valueName: "data"))
  var index: String
  @Option(parsing: .upToNextOption, help: ArgumentHelp("Query images.", valueName: "image"))
  var query: [String]
  @Option(parsing: .unconditional, help: ArgumentHelp("Images to find for each.", valueName: "n"))
  var count = 10
  @Option(help: ArgumentHelp("Write a picture of each query and what was found.", valueName: "file.png"))
  var sheet: String?
  @Option(help: ArgumentHelp("Where the features are kept.", valueName: "file"))
  var indexFile: String?
  @Option(help: "Features: layer1 to layer4, pooled (the backbone's output) or head.")
  var layer = FeatureLayer.pooled
  @Option(help: "Which part of a set that has both: train or test.")
  var split = DatasetSplit.train
  @OptionGroup var options: EncoderOptions
  @Flag(help: "Print one JSON object.")
  var json = false

  struct Report: Encodable {
    struct Row: Encodable {
      var query: String
      var matches: [ImageIndex.Match]
    }
    var index: String
    var images: Int
    /// Whether the index existed already.
    var reused: Bool
    var queries: [Row]
  }

  func run() throws {
    guard count > 0 else { throw UsageError("--count \(count): at least one image.") }
    for path in query where !FileManager.default.fileExists(atPath: path) {
      throw UsageError("--query \(path): there is no such image. Check the path.")
    }
    try checkExtension("--sheet", sheet, content: "a PNG picture", "png")
    try checkOutputs(("--sheet", sheet))
    try checkOutputs(("--index-file", indexFile), makesFolders: true)
    let console = Console(quiet: json)
    let opened = try options.open(checkpoint, console)
    let images = try query.map { try opened.input.decoder.decode(contentsOf: $0) }
    let set = try EvaluationData(index, split: split, input: opened.input)
    let features = Tensor.concatenated(
      try images.map {
        try opened.encoder.features(of: $0, layer: layer, input: opened.input, on: opened.device)
      })
    let (found, path, isReused) = try openIndex(opened, set, width: features.shape[1], console)
    let matches = try found.matches(features, count: count, on: opened.device)
    if json {
      let rows = zip(query, matches).map { Report.Row(query: $0, matches: $1) }
      try printJSON(Report(index: path, images: found.count, reused: isReused, queries: rows))
    } else {
      for (query, matches) in zip(query, matches) {
        print(query)
        for match in matches { print("  \(fixed(match.score, 4))  \(match.path)") }
      }
    }
    guard let sheet else { return }
    try ImageIndex.writeSheet(queries: images, matches: matches, of: set, to: sheet)
    if !json { print("picture: \(sheet)") }
  }

  private func openIndex(
    _ opened: EncoderOptions.Opened, _ set: EvaluationData, width: Int, _ console: Console
  ) throws -> (index: ImageIndex, path: String, isReused: Bool) {
    let key = try ImageIndex.Key(opened.encoder, set, layer: layer)
    let path = indexFile ?? key.cachePath
    if let kept = try ImageIndex(contentsOf: path, key: key, width: width) { return (kept, path, true) }
    let made = try ImageIndex(
      opened.encoder, set, key: key, on: opened.device, to: path, progress: console.pass())
    console.finish()
    console.warn(unreadable: made.unreadable)
    console.say("the features of \(made.count) images are kept in \(path)")
    return (made, path, false)
  }
}
