import ArgumentParser
import Data
import Evaluation
import Files
import Foundation
import Reports
import Training

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a page of a run: curves, views, neighbours, attention, a map of the features.",
    discussion: """
      One HTML file that needs nothing else, for a phone as for a desk, also of a run that is still going or was killed. \
      Neighbours and map show the run's kNN test images where it has any, else some of its training images. Over eight of \
      them lies where the encoder looks: a class token's attention in the last block, or the norm of the last feature map. \
      A run of mae or moco-mae has hidden patches and their reconstruction too. The page of a run of detect shows its test \
      set, which --images names where it has moved: the worst misses, AP by class and size; that of a run of segment the \
      worst images, IoU by class, and which classes are taken for which.

        moco report runs/photos
        moco report runs/photos --images labelled/test --svg curves.svg
      """)

  @Argument(help: ArgumentHelp("A run folder.", valueName: "run"))
  var folder: String
  @Option(help: ArgumentHelp("The page; report.html in the run folder unless given.", valueName: "file.html"))
  var out: String?
  @Option(help: ArgumentHelp("Write the curves as one drawing too.", valueName: "file.svg"))
  var svg: String?
  @Option(help: ArgumentHelp("Images for neighbours, attention and map.", valueName: "data"))
  var images: String?
  @Option(help: "Which part of --images, where a set has both: train or test.")
  var split = DatasetSplit.test
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "At most so many images, evenly spaced; 2000 unless given, 400 of more than 64 pixels.", valueName: "n")
  )
  var limit: Int?
  @Option(help: "auto, cpu, cuda, cuda:1 or mps.")
  var device = DeviceChoice.auto
  @Option(parsing: .unconditional, help: ArgumentHelp("Decoding threads.", valueName: "n"))
  var workers: Int?

  func run() throws {
    if let limit, limit < 2 { throw UsageError("--limit \(limit): neighbours need at least 2 images.") }
    try checkWorkers(workers)
    try checkExtension("--out", out, content: "a page of HTML", "html", "htm")
    try checkExtension("--svg", svg, content: "a drawing in SVG", "svg")
    try checkOutputs(("--out", out), ("--svg", svg))
    if DetectionReport.isDetection(folder) { return try reportDetection() }
    if SegmentationReport.isSegmentation(folder) { return try reportSegmentation() }
    var options = HTMLReport.Options()
    (options.images, options.split, options.limit) = (images, split, limit)
    (options.device, options.workers) = (device, workers)
    let console = Console()
    let report = try HTMLReport(run: folder, options, progress: console.pass())
    console.finish()
    report.missing.forEach(console.warn)
    let path = out ?? (folder.hasSuffix("/") ? folder : folder + "/") + "report.html"
    try report.write(to: path)
    print("page: \(path)")
    if let svg {
      try report.writeCurves(to: svg)
      print("curves: \(svg)")
    }
  }

  /// The page of a run of `moco detect`: its test images in place of neighbours and map.
  private func reportDetection() throws {
    guard svg == nil else {
      throw UsageError("--svg: a detector's curves are in its page only. Leave --svg out.")
    }
    let report = try DetectionReport(run: folder.withoutSlash, test: images)
    try write(report.page.write, report.missing)
  }

  /// The same of a run of `moco segment`.
  private func reportSegmentation() throws {
    guard svg == nil else {
      throw UsageError(
        "--svg: a segmenter's curves are in its page only, and its confusion in confusion.svg. Leave --svg out."
      )
    }
    let report = try SegmentationReport(run: folder.withoutSlash, test: images)
    try write(report.page.write, report.missing)
  }

  private func write(_ page: (_ path: String) throws -> Void, _ missing: [String]) throws {
    missing.forEach(Console().warn)
    let path = out ?? joined(folder.withoutSlash, "report.html")
    try page(path)
    print("page: \(path)")
  }
}
