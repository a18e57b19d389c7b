import ArgumentParser
import Data
import Files
import Foundation
import Images
import Methods
import Training

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Decode every image of a data set and list those that training could not read.",
    discussion: """
      Verdicts: ok; truncated-ok, where the file ends too early or is damaged behind its header, so that training \
      takes another image in its place; refused. Exit code 0 if every image is ok and no image, class or object is left \
      out, 1 if not. Images of one colour, and \
      samples of more than 8 bits that --depth would spread better, are reported.
      """)

  @Argument(
    help: """
      Images: a folder, a list, tar shards, a zip file, or a set as it is downloaded. Or a detection set: \
      VOC2007:trainval, train.json@images/, cityscapes/:val. Or a segmentation set: images/@masks/, or one of these \
      with --segmentation.
      """)
  var data: String
  @Option(
    help: ArgumentHelp("Write a line for each image: path, verdict, size, mean colour.", valueName: "file"))
  var tsv: String?
  @Option(help: "Which part of a set that has both: train or test.")
  var split = DatasetSplit.train
  @Option(parsing: .unconditional, help: ArgumentHelp("Decoding threads.", valueName: "n"))
  var workers: Int?
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Refuse larger images before decoding them.", valueName: "n"))
  var maxPixels: Int?
  @Option(help: ArgumentHelp(RunKeys.table.depth.help, valueName: "depth"))
  var depth = Depth.automatic
  @Flag(help: "Turn photos upright by their EXIF tag, as pretrain does with it.")
  var exifOrientation = false
  @Flag(help: "Check the masks of a VOC, Cityscapes or COCO set: their numbers, sizes and classes.")
  var segmentation = false
  @OptionGroup var shards: ShardOptions
  @Flag(help: "Print one JSON object, with all bad images.")
  var json = false

  func run() throws {
    var config = RunConfig()
    config.maxPixels = maxPixels ?? config.maxPixels
    config.workers = workers
    config.depth = depth
    config.exifOrientation = exifOrientation
    try config.validate()
    if segmentation || AnnotatedPart.isPair(data) {
      return try runSegmentation(config.decoder, workers: config.workerCount)
    }
    if AnnotatedPart.recognizes(data) {
      return try runDetection(config.decoder, workers: config.workerCount)
    }
    let console = Console(quiet: json)
    let dataset = try Dataset.open(
      data,
      OpeningOptions(
        split: split, decoder: config.decoder, listing: console.listing(), imageKey: try shards.field()),
      allowsOneImage: true)
    let table = try tsv.map { try TableFile($0) }
    try table?.add(DatasetCheck.Entry.columns)

    var report = CheckReport()
    var bad: [DatasetCheck.Entry] = []
    var plain: [String] = []
    let started = ContinuousClock.now
    try DatasetCheck(dataset, workers: config.workerCount).run { entry in
      report.count(entry)
      if entry.verdict != .ok, json || bad.count < 20 { bad.append(entry) }
      if entry.verdict == .ok, entry.isOneColor, json || plain.count < 3 { plain.append(entry.name) }
      try table?.add(entry.tabbed)
      let seconds = (ContinuousClock.now - started) / .seconds(1)
      console.show(Console.Count(done: report.images, total: dataset.count, seconds: seconds))
    }
    console.finish()
    try table?.close()
    if json {
      try printJSON(
        Findings(report: report, bad: bad.map { .init($0) }, oneColor: plain, leftOut: dataset.leftOut))
    } else {
      printResult(report, bad, plain, of: dataset)
    }
    if !report.isGood || dataset.leftOut.isLoss { throw ExitCode(1) }
  }

  private struct Findings: Encodable {
    struct Bad: Encodable {
      var path: String
      var verdict: DecodeVerdict
      var reason: String?

      init(_ entry: DatasetCheck.Entry) {
        (path, verdict, reason) = (entry.name, entry.verdict, entry.reason)
      }
    }

    var report: CheckReport
    var bad: [Bad]
    /// The images that are ok and of one colour.
    var oneColor: [String]
    var leftOut: LeftOut
  }

  private func printResult(
    _ report: CheckReport, _ bad: [DatasetCheck.Entry], _ plain: [String], of dataset: Dataset
  ) {
    print(dataset.summary)
    print("ok            \(report.ok)")
    print("truncated-ok  \(report.truncated)")
    print("refused       \(report.refused)")
    if !dataset.leftOut.isEmpty { print("left out      \(dataset.leftOut.text)") }
    if let problem = dataset.labelProblem { print("no labels     \(problem)") }
    for entry in bad { print("  \(entry.verdict.rawValue)  \(entry.name): \(entry.reason ?? "")") }
    let more = report.images - report.ok - bad.count
    if more > 0 { print("  and \(more) more; --tsv FILE lists them all") }
    if report.oneColor > 0 {
      let rest = report.oneColor - plain.count
      print(
        "one colour    \(report.oneColor), which teach nothing: \(plain.joined(separator: ", "))"
          + (rest > 0 ? " and \(rest) more" : ""))
    }
    if let deep = report.deep { print("over 8 bits   \(deep.text)") }
    print("short side")
    for line in report.shortSides.lines { print("  \(line)") }
    print("width / height")
    for line in report.aspects.lines { print("  \(line)") }
  }
}

extension DatasetSplit: ExpressibleByArgument {}

/// A text file, written line by line.
private final class TableFile {
  private let path: String
  private let file: UnsafeMutablePointer<FILE>

  init(_ path: String) throws {
    guard let file = fopen(path, "w") else { throw TableFile.failure(path) }
    (self.path, self.file) = (path, file)
  }

  func add(_ line: String) throws {
    guard fputs(line + "\n", file) >= 0 else { throw TableFile.failure(path) }
  }

  /// Writes the remaining lines.
  func close() throws {
    guard fclose(file) == 0 else { throw TableFile.failure(path) }
  }

  private static func failure(_ path: String) -> RunError {
    RunError("--tsv \(path): cannot be written: \(String(cString: strerror(errno))).")
  }
}
