import ArgumentParser
import Data
import Files
import Images
import Training

/// `moco check` of a segmentation set: pixels by class, what is left out, and every image and mask decoded.
extension Check {
  func runSegmentation(_ decoder: ImageDecoder, workers: Int) throws {
    guard tsv == nil else {
      throw UsageError("--tsv lists plain images; a segmentation set's findings come with --json.")
    }
    var decoder = decoder
    decoder.appliesOrientation = true  // as training does
    let dataset = try SegmentationCheck.open(data, decoder: decoder, workers: workers)
    var totals = SegmentationCheck.Totals(dataset)
    try counting(dataset.count) { count in
      try SegmentationCheck(dataset, workers: workers).run { entry in
        totals.add(entry)
        count()
      }
    }
    if json {
      try printJSON(SegmentationFindings(dataset, totals))
    } else {
      printSegmentation(dataset, totals)
      if let refusal = refusal(of: dataset, totals) { print("training      refuses it: \(refusal)") }
    }
    // One class of several may be rare; of masks with one class alone nothing can be learned.
    let isOneClass = totals.warning != nil && totals.absent.count >= totals.classes.count - 1
    if !totals.faults.isEmpty || dataset.leftOut.isLoss || isOneClass { throw ExitCode(1) }
  }

  private struct SegmentationFindings: Encodable {
    var images: Int
    var classes: [SegmentationCheck.Totals.Class]
    /// Pixels.
    var ignored: Int
    /// Numbers by kind.
    var leftOut: [String: Int]
    var bad: [BadFile]
    /// Nil where there is none.
    var warning: String?

    init(_ dataset: SegmentationDataset, _ totals: SegmentationCheck.Totals) {
      warning = totals.warning
      (images, classes, ignored, bad) = (dataset.count, totals.classes, totals.ignored, totals.faults)
      leftOut = Dictionary(uniqueKeysWithValues: dataset.leftOut.counts.map { ($0.key.rawValue, $0.value) })
    }
  }

  private func printSegmentation(_ dataset: SegmentationDataset, _ totals: SegmentationCheck.Totals) {
    print(dataset.summary)
    printFindings(totals.faults, of: dataset.count, dataset.leftOut)
    let width = max(7, dataset.classNames.map(\.count).max() ?? 0) + 2
    print("class".padded(to: width) + "pixels".padded(to: 10) + "images")
    func share(_ pixels: Int) -> String {
      totals.pixels == 0 ? "–" : fixed(100 * Double(pixels) / Double(totals.pixels), 2) + "%"
    }
    for row in totals.classes {
      print(row.name.padded(to: width) + share(row.pixels).padded(to: 10) + "\(row.images)")
    }
    print("ignored".padded(to: width) + share(totals.ignored))
    if !totals.absent.isEmpty { print("no pixel of \(totals.absent.joined(separator: ", "))") }
    if let warning = totals.warning { print("warning       \(warning).") }
  }

  /// Why training would not begin or not end with the set, by its limits unless they are given; nil where it would.
  private func refusal(of dataset: SegmentationDataset, _ totals: SegmentationCheck.Totals) -> String? {
    do {
      if dataset.leftOut.isLoss {
        _ = try SegmentationDataset.open(
          data, SegmentationOptions(decoder: dataset.decoder, workers: Cores.usable))
      }
      try BadFileRecord.judge(totals.faults, of: dataset.count, ranks: 1, allowed: .fivePercent)
      return nil
    } catch {
      return "\(error)"
    }
  }

  /// How many images are good, the first that are not, and what the annotations leave out.
  func printFindings(_ bad: [BadFile], of count: Int, _ all: AnnotationsLeftOut) {
    print("decoded       \(count - bad.count) of \(count)")
    for file in bad.prefix(20) { print("  \(file)") }
    if bad.count > 20 { print("  and \(bad.count - 20) more; --json lists them all") }
    let leftOut = all.lines { $0.role != .remark }
    let noted = all.lines { $0.role == .remark }
    for (title, lines) in [("left out", leftOut), ("noted", noted)] where !lines.isEmpty {
      print(title)
      for line in lines { print("  \(line)") }
    }
  }
}
