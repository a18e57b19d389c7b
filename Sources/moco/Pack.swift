import ArgumentParser
import Data
import Distributed
import Files
import Foundation
import Images
import Methods
import Training

struct Pack: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a data set as tar shards.",
    discussion: """
      Shards are read from end to end: on disks and networks that are slow to seek, and from anywhere that a command \
      can reach, they train faster than single files. They are WebDataset's: each image lies beside a .cls with its \
      label, in a folder of its class. An index beside them counts their images. The same images and options give the same bytes.

        moco pack imagenet/train --out 'train-{000..N}.tar' --resize 256
        moco pretrain train-index.json --recipe v2 --out runs/v2
      """)

  @Argument(help: "Images to pack: all that pretrain takes.")
  var data: String
  @Option(
    help: ArgumentHelp(
      "Names of the shards: x-{000..N}.tar for as many as are needed, x-{000..127}.tar for so many.",
      valueName: "pattern"))
  var out: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Make images smaller, to so many pixels on their short side.", valueName: "pixels"))
  var resize: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Quality of JPEGs that --resize encodes anew, 1 to 100.", valueName: "n"))
  var quality = 90
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Images of a shard at most; about 256 MB unless given.", valueName: "n"))
  var shardImages: Int?
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Refuse larger images before decoding them.", valueName: "n"))
  var maxPixels: Int?
  @Option(
    help: ArgumentHelp(RunKeys.table.depth.help + " Counts where --resize encodes anew.", valueName: "depth"))
  var depth = Depth.automatic
  @Option(help: "The part of a set that has both: train or test.")
  var split = DatasetSplit.train
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Threads; one a core unless given. Changes no byte.", valueName: "n"))
  var workers: Int?
  @Option(help: ArgumentHelp("Stop when more images than this cannot be read, as 5%.", valueName: "share"))
  var maxBad = Fraction.fivePercent
  @OptionGroup var shards: ShardOptions
  @Flag(help: "Write over shards that are there.")
  var overwrite = false
  @Flag(help: "Only warnings and errors.")
  var quiet = false

  func run() throws {
    if let resize, !(8...10_000).contains(resize) {
      throw UsageError("--resize \(resize): a short side of 8 to 10,000 pixels.")
    }
    guard (1...100).contains(quality) else {
      throw UsageError("--quality \(quality): libjpeg's scale is 1 to 100.")
    }
    if let shardImages, shardImages < 1 { throw UsageError("--shard-images \(shardImages): at least 1.") }
    try checkWorkers(workers)
    var config = RunConfig()
    config.maxPixels = maxPixels ?? config.maxPixels
    config.depth = depth
    try config.validate()
    StopRequest.install()
    let console = Console(quiet: quiet)
    try checkOutputs(("--out", out))
    let writer = ShardWriter(
      resize: resize, quality: quality, shardImages: shardImages, overwrites: overwrite,
      threads: workers ?? Cores.usable, maxBad: maxBad, decoder: config.decoder)
    let start = ContinuousClock.now
    let summary = try writer.pack(data, split: split, imageKey: shards.field(), out: out) { done, all in
      if let signal = StopRequest.signal { throw ExitCode(StopRequest.exitCode(signal)) }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      console.show(Console.Count(done: done, total: all, seconds: seconds))
    }
    if summary.leftOut.isLoss {
      console.warn(summary.leftOut.text(of: data))
    } else if !summary.leftOut.isEmpty {
      console.say(summary.leftOut.text(of: data))
    }
    if !summary.passedOver.isEmpty { console.say("members passed over in \(data): \(summary.passedOver)") }
    for file in summary.bad { console.warn("left out: \(file)") }
    if !summary.bad.isEmpty {
      console.warn("\(summary.bad.count) of \(summary.images + summary.bad.count) images cannot be read")
    }
    console.say(
      "\(summary.images) images, \(fixed(Double(summary.bytes) / 1e6, 1)) MB, in \(summary.shards.count) "
        + "shard\(summary.shards.count == 1 ? "" : "s"): \(summary.shards[0])"
        + (summary.shards.count > 1 ? " to \(summary.shards[summary.shards.count - 1])" : "")
        + "; their index is \(summary.index)")
  }
}
