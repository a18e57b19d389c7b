import ArgumentParser
import Data
import Files
import Training

struct BenchLoader: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loader", abstract: "Time reading, decoding, cropping and colouring images on one core.",
    discussion: """
      Two views of each image are made as training makes them, and the stages are timed one by one. The bare \
      decode limit is what any program needs that decodes whole pictures and does nothing else.
      """)

  @Argument(help: "Images: a folder, a list, tar shards, a zip file, or a set as it is downloaded.")
  var data: String
  @Option(help: "Augmentations.")
  var views = AugmentationPreset.v2
  @Option(parsing: .unconditional, help: ArgumentHelp("Pixels of a view's side.", valueName: "pixels"))
  var imageSize = 224
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Maximum number of images, evenly spaced.", valueName: "n"))
  var images = 500
  @Option(parsing: .unconditional, help: ArgumentHelp("Number of passes over them.", valueName: "n"))
  var passes = 3
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Also time loaders with 1 and with n threads.", valueName: "n"))
  var workers: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Instead, load this number of images and report memory, threads and files.", valueName: "n"))
  var soak: Int?
  @Flag(help: "Print one JSON object: images/s per core.")
  var json = false

  /// Images per second on one core.
  struct Report: Codable {
    /// Decoding whole pictures only.
    var decode: Double
    /// Two crops as bytes.
    var crops: Double
    /// Two views as input to the network.
    var full: Double
    var images: Int
    /// The mean size of a file.
    var bytesPerImage: Double?
    /// Crops per second with one and with several threads.
    var oneWorker: Double?
    var workers: Int?
    var allWorkers: Double?
    var speedup: Double?
  }

  func run() throws {
    try checkWorkers(workers)
    guard images > 0, passes > 0, imageSize > 0, workers ?? 1 > 0, soak ?? 1 > 0 else {
      throw UsageError("--images, --passes, --image-size, --workers and --soak are at least 1.")
    }
    let dataset = try Dataset.open(data, allowsOneImage: true)
    guard dataset.shards?.isRandomAccess ?? true else {
      throw UsageError(
        "\(data): single images of packed shards and commands cannot be timed. Give a folder or plain tar files."
      )
    }
    let transform = views.transform(imageSize: imageSize)
    let bench = LoaderBenchmark(dataset, views: transform.views, images: images)
    if let soak { return try printResult(bench.soak(images: soak, workers: workers ?? 1)) }
    let (stages, count) = try bench.stages(passes: passes)
    var report = Report(
      decode: 1 / stages.bareDecode, crops: 1 / stages.crops, full: 1 / stages.full, images: count,
      bytesPerImage: try bench.bytesPerImage())
    if let workers {
      report.workers = workers
      let rates = try bench.throughput(workers: workers, turns: 5 * passes)
      (report.oneWorker, report.allWorkers, report.speedup) = (rates.one, rates.all, rates.ratio)
    }
    if json { return try printJSON(report) }
    print("\(dataset.summary); \(count) images, two \(views.rawValue) views of \(imageSize) pixels, one core")
    row("read", stages.read)
    row("decode", stages.decode)
    row("resize", stages.resize)
    row("crops", stages.crops, rate: report.crops)
    row("colour", stages.color)
    row("full", stages.full, rate: report.full)
    row("bare decode", stages.bareDecode, rate: report.decode)
    print("crops come at \(fixed(report.crops / report.decode, 2)) of the bare decode limit")
    if let workers, let one = report.oneWorker, let all = report.allWorkers, let speedup = report.speedup {
      print(
        "loader: 1 thread \(fixed(one, 1)) images/s, \(workers) threads \(fixed(all, 1)) images/s, "
          + "\(fixed(speedup, 2)) x")
    }
  }

  private func printResult(_ soak: LoaderBenchmark.Soak?) throws {
    guard let soak else {
      throw RunError("--soak: this system does not report the memory of a process; use Linux.")
    }
    if json {
      return try printJSON([
        "images": Double(soak.images), "bytes_per_image": soak.bytesPerImage,
        "threads_half": Double(soak.half.threads), "threads_end": Double(soak.end.threads),
        "files_half": Double(soak.half.openFiles), "files_end": Double(soak.end.openFiles),
      ])
    }
    print("\(soak.images) images; after half of them and at the end")
    print(
      "memory   \(soak.half.memory / 1024) KB, \(soak.end.memory / 1024) KB: \(fixed(soak.bytesPerImage, 1)) bytes an image"
    )
    print("threads  \(soak.half.threads), \(soak.end.threads)")
    print("files    \(soak.half.openFiles), \(soak.end.openFiles)")
  }

  private func row(_ stage: String, _ seconds: Double, rate: Double? = nil) {
    let time = fixed(seconds * 1000, 3)
    let padded = String(repeating: " ", count: max(0, 8 - time.count)) + time
    print("\(stage.padded(to: 12))\(padded) ms" + (rate.map { "  \(fixed($0, 1)) images/s" } ?? ""))
  }
}
