import ArgumentParser
import Data
import Files
import Images
import Training

/// `moco check` of a detection set: objects by class, what is left out, and every image decoded.
extension Check {
  func runDetection(_ decoder: ImageDecoder, workers: Int) throws {
    guard tsv == nil else {
      throw UsageError("--tsv lists plain images; a detection set's findings come with --json.")
    }
    var decoder = decoder
    decoder.appliesOrientation = true  // as training does
    let dataset = try DetectionCheck.open(data, decoder: decoder, workers: workers)
    var bad: [BadFile] = []
    try counting(dataset.count) { count in
      try DetectionCheck(dataset, workers: workers).run { fault in
        if let fault { bad.append(fault) }
        count()
      }
    }
    if json {
      try printJSON(DetectionFindings(dataset, bad))
    } else {
      printDetection(dataset, bad)
    }
    if !bad.isEmpty || dataset.leftOut.isLoss { throw ExitCode(1) }
  }

  /// Shows how many of the images are done, while `body` calls its argument after each.
  func counting(_ total: Int, _ body: (_ count: () -> Void) throws -> Void) rethrows {
    let console = Console(quiet: json)
    let started = ContinuousClock.now
    var done = 0
    try body {
      done += 1
      let seconds = (ContinuousClock.now - started) / .seconds(1)
      console.show(Console.Count(done: done, total: total, seconds: seconds))
    }
    console.finish()
  }

  private struct DetectionFindings: Encodable {
    struct Class: Encodable { var name: String, id: Int, objects: Int, images: Int }

    var images: Int
    var objects: Int
    var classes: [Class]
    /// Numbers by kind.
    var leftOut: [String: Int]
    var bad: [BadFile]

    init(_ dataset: DetectionDataset, _ bad: [BadFile]) {
      (images, objects, self.bad) = (dataset.count, dataset.objectCount, bad)
      classes = dataset.classCounts.enumerated().map { place, counts in
        Class(
          name: dataset.classNames[place], id: dataset.categoryIDs[place], objects: counts.objects,
          images: counts.images)
      }
      leftOut = Dictionary(uniqueKeysWithValues: dataset.leftOut.counts.map { ($0.key.rawValue, $0.value) })
    }
  }

  private func printDetection(_ dataset: DetectionDataset, _ bad: [BadFile]) {
    print(dataset.summary + (dataset.hasMasks ? ", with masks" : ""))
    printFindings(bad, of: dataset.count, dataset.leftOut)
    let width = max(5, dataset.classNames.map(\.count).max() ?? 0) + 2
    print("class".padded(to: width) + "objects".padded(to: 10) + "images")
    for (name, counts) in zip(dataset.classNames, dataset.classCounts) {
      print(name.padded(to: width) + "\(counts.objects)".padded(to: 10) + "\(counts.images)")
    }
  }
}
