import ArgumentParser
import Data
import Distributed
import Evaluation
import Files
import Training

struct Features: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write an encoder's features of images for other programs.",
    discussion: """
      One row an image, in the data set's order, which for folders is that of the sorted paths; the paths stand in \
      FILE.paths.txt, a line a row. The extension decides the format: .safetensors (tensors features and, of \
      labelled images, labels), .npy (float32) or .csv (a header; columns path, of labelled images label and class, \
      then feature0 and so on). Images are seen as in every evaluation: resized and \
      centre-cropped; one that has the network's size already is taken as it is. An image that cannot be read has no row. With --nproc, or under torchrun, srun or mpirun, ranks \
      share the images out, and rank 0 writes.
      """)

  @Argument(help: "A run folder, a checkpoint folder or a .safetensors file.")
  var checkpoint: String
  @Argument(help: "Images: a folder, a list, tar shards, a zip file, or a set as it is downloaded.")
  var data: String
  @Option(help: ArgumentHelp("Where to: .safetensors, .npy or .csv.", valueName: "file"))
  var out: String
  @Option(help: "Features: layer1 to layer4, pooled (the backbone's output) or head.")
  var layer = FeatureLayer.pooled
  @Flag(
    name: [.customLong("normalise"), .customLong("normalize")],
    help: "Scale every row to length 1, as in kNN and in the contrastive loss.")
  var normalises = false
  @Option(help: "Which part of a set that has both: train or test.")
  var split = DatasetSplit.train
  @OptionGroup var options: EncoderOptions
  @OptionGroup var ranks: RankOptions
  @Flag(help: "Print one JSON object.")
  var json = false

  struct Report: Codable {
    var path: String
    var paths: String
    var layer: FeatureLayer
    var rows: Int
    var width: Int
    var unreadable: Int
  }

  func run() throws {
    let file = try FeatureFile(out)
    try checkOutputs(("--out", file.path), ("--out", file.pathsPath))
    try ranks.evaluate(
      [
        ("checkpoint", checkpoint), ("--out", absolute(file.path)), ("--layer", layer.rawValue),
        ("--split", split.rawValue), ("--normalise", "\(normalises)"),
      ] + options.images.claims
    ) { try write(file, $0) }
  }

  private func write(_ file: FeatureFile, _ context: RankContext) throws {
    let console = Console(quiet: json, silent: !context.isFirst)
    let opened = try options.open(checkpoint, console, context: context)
    try layer.validate(for: opened.encoder)
    let set = try EvaluationData(data, split: split, input: opened.input)
    console.report(leftOutOf: set)
    try file.check(namesOf: set)
    var encoded = try set.features(
      of: opened.encoder.network, layer: layer, over: context, on: opened.device, progress: console.pass())
    guard context.isFirst else { return }
    if normalises { encoded = try encoded.normalised() }
    console.finish()
    console.warn(unreadable: encoded.unreadable)
    var metadata = ["layer": layer.rawValue, "arch": opened.encoder.spec.arch.rawValue]
    if normalises { metadata["normalised"] = "true" }
    try file.write(encoded, of: set, metadata: metadata)
    let (rows, width) = (encoded.features.shape[0], encoded.features.shape[1])
    if json {
      try printJSON(
        Report(
          path: file.path, paths: file.pathsPath, layer: layer, rows: rows, width: width,
          unreadable: encoded.unreadable.count))
    } else {
      print("\(rows) rows of \(width) numbers (\(layer.rawValue)): \(file.path)")
      print("their paths: \(file.pathsPath)")
    }
  }
}
