import ArgumentParser
import Files
import Models

struct BenchSegment: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segment",
    abstract: "Time training steps of a segmentation network on random images and labels.",
    discussion: "Benchmarks/segmentation/step.py compares it with plain PyTorch.", shouldDisplay: false)

  @Option(help: ArgumentHelp("A ResNet of four stages.", valueName: "name"))
  var arch = Architecture.resnet50
  @Option(parsing: .unconditional, help: ArgumentHelp("Classes.", valueName: "n"))
  var classes = 21
  @Option(parsing: .unconditional, help: ArgumentHelp("Pixels of a crop's side.", valueName: "n"))
  var cropSize = 321
  @Option(parsing: .unconditional, help: ArgumentHelp("Crops of a step.", valueName: "n"))
  var batchSize = 4
  @Option(parsing: .unconditional, help: ArgumentHelp("Steps before those that are timed.", valueName: "n"))
  var warmup = 2
  @Option(parsing: .unconditional, help: ArgumentHelp("Steps that are timed.", valueName: "n"))
  var steps = 5
  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    guard (1...4096).contains(cropSize), (1...1024).contains(batchSize) else {
      throw UsageError("--crop-size \(cropSize), --batch-size \(batchSize): 1 to 4096 and 1 to 1024.")
    }
    if let problem = SegmenterSpec(arch: arch, classes: classes).problem { throw UsageError("--\(problem)") }
    try SegmentBenchmark(
      arch: arch, classes: classes, cropSize: cropSize, batchSize: batchSize, warmup: warmup, steps: steps
    ).run().show(arch.rawValue, json: json)
  }
}
