import ArgumentParser
import Data
import Evaluation
import Files
import Foundation
import Reports

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure detections: COCO, LVIS, VOC, Cityscapes, mean IoU.",
    discussion: """
      GROUND_TRUTH is a COCO or LVIS file for coco and lvis; VOC2007:test, another devkit or a COCO file for voc07 \
      (11 recalls) and voc (the area); cityscapes/:val for cityscapes; a folder of PNG pictures of classes for miou. \
      RESULTS is a file of COCO's results format; for miou a folder of pictures with the same names; for cityscapes also a \
      folder of pictures of label ids, whose pixels are measured.

      Images of VOC and Cityscapes have no ids: they are counted from 1 in the order of the list or of their names.
      """)

  enum Program: String, CaseIterable, ExpressibleByArgument { case pycocotools, detectron2 }

  @Argument(help: "The annotations.")
  var groundTruth: String
  @Argument(help: "The detections.")
  var results: String
  @Option(help: "coco, voc07, voc, lvis, cityscapes or miou.")
  var metric: DetectionScore.Metric
  @Option(help: "bbox, segm or keypoints, for coco and lvis.")
  var iou: OverlapKind = .boxes
  @Option(
    name: .customLong("as"),
    help:
      "pycocotools: annotations by their id, where 0 is never matched (coco, lvis). detectron2: its rounding (voc07, voc)."
  )
  var program: Program?
  @Option(
    help: "The classes of miou, the background counted; those of GROUND_TRUTH's classes.txt unless given.")
  var classes: Int?
  @Flag(help: "Print one JSON object.")
  var json = false
  @Option(help: ArgumentHelp("Write precision over recall as an SVG picture.", valueName: "file.svg"))
  var curves: String?

  func validate() throws {
    let isOfCOCO = metric == .coco || metric == .lvis
    if iou != .boxes, !isOfCOCO || (metric == .lvis && iou == .keypoints) {
      throw ValidationError("--iou \(iou.rawValue) does not belong to --metric \(metric.rawValue)")
    }
    if program == .pycocotools, !isOfCOCO {
      throw ValidationError("--as pycocotools is for --metric coco and lvis")
    }
    if program == .detectron2, metric != .voc, metric != .voc07 {
      throw ValidationError("--as detectron2 is for --metric voc07 and voc")
    }
    if let classes, classes < 1 { throw ValidationError("--classes \(classes): at least one class") }
    if curves != nil, metric == .miou || metric == .cityscapes {
      throw ValidationError("--curves is for boxes and masks of --metric coco, lvis, voc07 and voc")
    }
  }

  func run() throws {
    try checkExtension("--curves", curves, content: "an SVG picture", "svg")
    try checkOutputs(("--curves", curves))
    let score = try measured()
    for warning in score.warnings { printWarning(warning) }
    if let curves {
      try replaceFile(curves, with: Chart.precisionOverRecall(score.curves).drawing().svg())
    }
    if json { try printJSON(score) } else { show(score) }
  }

  private func measured() throws -> DetectionScore {
    if metric == .miou {
      return try DetectionScore.semantic(truth: groundTruth, predictions: results, classes: classes)
    }
    if metric == .cityscapes, isFolder(results) {
      return try DetectionScore.cityscapes(groundTruth, labelMaps: results)
    }
    let results = try COCOResults(results)
    let numbering: COCOParameters.Numbering = program == .pycocotools ? .byID : .byPlace
    switch metric {
    case .coco:
      var parameters = COCOParameters(iou)
      parameters.numbering = numbering
      return try DetectionScore.coco(truth: COCOFile(groundTruth), results: results, parameters)
    case .lvis:
      return try DetectionScore.lvis(
        truth: COCOFile(groundTruth), results: results, iou, numbering: numbering)
    case .voc, .voc07:
      let truth =
        try groundTruth.hasSuffix(".json")
        ? VOCTruth(COCOFile(groundTruth))
        : VOCTruth(DetectionDataset.open(groundTruth, DetectionOptions(use: .testing)))
      return try DetectionScore.voc(
        truth, results: results, metric == .voc07 ? .from2007 : .from2010,
        program == .detectron2 ? .detectron2 : .developmentKit)
    case .cityscapes: return try DetectionScore.cityscapes(groundTruth, results: results)
    case .miou: throw UsageError("--metric miou compares folders")
    }
  }

  private func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
  }

  // MARK: - Printing

  private func show(_ score: DetectionScore) {
    for number in score.numbers {
      print(number.name.padded(to: max(12, number.name.count + 2)) + text(number.value))
    }
    guard let first = score.classes.first else { return }
    let width = max(12, (score.classes.map(\.name.count).max() ?? 0) + 2)
    print("")
    let objects = first.objects == nil ? "" : "objects".padded(to: 10)
    print("class".padded(to: width) + objects + first.numbers.map { $0.name.padded(to: 8) }.joined())
    for row in score.classes {
      let objects = row.objects.map { grouped($0).padded(to: 10) } ?? ""
      print(row.name.padded(to: width) + objects + row.numbers.map { text($0.value).padded(to: 8) }.joined())
    }
  }

  /// Percent, as papers print it.
  private func text(_ value: Double?) -> String { value.map { fixed($0 * 100, 2) } ?? "–" }

  private func printWarning(_ text: String) {
    FileHandle.standardError.write(Data("moco: warning: \(text)\n".utf8))
  }
}

extension DetectionScore.Metric: ExpressibleByArgument {}

extension OverlapKind: ExpressibleByArgument {}
