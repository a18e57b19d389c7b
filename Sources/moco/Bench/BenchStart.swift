import ArgumentParser
import Data
import Files
import Foundation
import Torch
import Training

struct BenchStart: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "start", abstract: "Time from the opening of a data set to a rank's first batch.",
    discussion: """
      The batch is made as pretrain makes it, at the beginning of a run or in the middle of an epoch, as one of any \
      number of ranks. Beside the time the process's largest memory so far is reported.
      """)

  @Argument(help: "Images: all that pretrain takes.")
  var data: String
  @Option(parsing: .unconditional, help: ArgumentHelp("Images of a step, of all ranks.", valueName: "n"))
  var batchSize = 256
  @Option(parsing: .unconditional, help: ArgumentHelp("Number of ranks.", valueName: "n"))
  var ranks = 1
  @Option(parsing: .unconditional, help: ArgumentHelp("Which of them, from 0.", valueName: "n"))
  var rank = 0
  @Option(help: ArgumentHelp("Where in the epoch, from 0 to 1.", valueName: "fraction"))
  var at = 0.0
  @Option(parsing: .unconditional, help: ArgumentHelp("Batches to make.", valueName: "n"))
  var batches = 1
  @Option(parsing: .unconditional, help: ArgumentHelp("Pixels of a view's side.", valueName: "pixels"))
  var imageSize = 224
  @Option(parsing: .unconditional, help: ArgumentHelp("Decoding threads.", valueName: "n"))
  var workers = 1
  @Flag(help: "Print one JSON object.")
  var json = false

  struct Report: Codable {
    var images: Int
    /// Of all ranks, before this one in the epoch.
    var position: Int
    /// To the data set's opening.
    var opened: Double
    /// To the first batch.
    var seconds: Double
    /// The largest resident memory, bytes; nil where the system does not report it.
    var memory: Int?
  }

  func run() throws {
    try checkWorkers(workers)
    guard ranks > 0, (0..<ranks).contains(rank), batchSize > 0, batchSize.isMultiple(of: ranks),
      (0..<1).contains(at), batches > 0, imageSize >= 8
    else {
      throw UsageError("--rank is below --ranks, which divides --batch-size; --at lies in [0, 1).")
    }
    let start = ContinuousClock.now
    let dataset = try Dataset.open(data, OpeningOptions(needsCountsOnly: true))
    guard dataset.count >= batchSize else {
      throw UsageError("--batch-size \(batchSize): there are \(dataset.count) images.")
    }
    _ = dataset.fingerprint
    let opened = (ContinuousClock.now - start) / .seconds(1)
    let sampler = EpochSampler(dataset, batchSize: batchSize, seed: 1, rank: Rank(rank, of: ranks))
    let batch = Int(Double(sampler.batchesPerEpoch) * at)
    let loader = DataLoader(
      dataset, views: AugmentationPreset.v2.transform(imageSize: imageSize).views, sampler: sampler,
      workers: workers,
      batch: batch)
    _ = try loader.next()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    for _ in 0..<batches - 1 { _ = try loader.next() }
    let report = Report(
      images: dataset.count, position: batch * batchSize, opened: opened, seconds: seconds,
      memory: ProcessUse()?.peakMemory)
    if json { return try printJSON(report) }
    print("\(dataset.summary); rank \(rank) of \(ranks), from image \(grouped(report.position)) of the epoch")
    print("opened after       \(fixed(opened, 2)) s")
    print("first batch after  \(fixed(seconds, 2)) s")
    if let memory = report.memory { print("largest memory     \(fixed(Double(memory) / 1e6, 1)) MB") }
  }
}
