import Data
import Files

/// The numbers of a test of semantic segmentation.
package struct SegmentationScores: Codable, Sendable, Equatable {
  package typealias Value = DetectionScores.Value

  package struct ClassValue: Codable, Sendable, Equatable {
    package var name: String
    /// Pixels of the class in the masks.
    package var pixels: Int
    /// Percent; nil where the class occurs neither in the masks nor in the predictions.
    package var iou: Double?
    /// The share of its pixels that are right, in percent; nil where it does not occur.
    package var accuracy: Double?
    /// Cityscapes' IoU in which every instance counts alike, in percent; nil for classes without instances.
    package var instanceIoU: Double?

    package init(_ name: String, pixels: Int, iou: Double?, accuracy: Double?, instanceIoU: Double? = nil) {
      (self.name, self.pixels, self.iou) = (name, pixels, iou)
      (self.accuracy, self.instanceIoU) = (accuracy, instanceIoU)
    }
  }

  /// The names that numbers have: detectron2's, then those of Cityscapes alone.
  package static let names = ["mIoU", "fwIoU", "mACC", "pACC", "iIoU", "IoU category", "iIoU category"]

  /// By ``names``, mIoU first.
  package var values: [Value]
  package var classes: [ClassValue]

  package init(_ values: [Value], classes: [ClassValue]) { (self.values, self.classes) = (values, classes) }

  package subscript(name: String) -> Double? { values.first { $0.name == name }?.percent }

  /// - Parameter cityscapes: Where it is known, its rules give mIoU and IoU; else classes that no mask has do not count.
  package init(
    _ matrix: ConfusionMatrix, classNames: [String], cityscapes: CityscapesSemanticEvaluation? = nil
  ) {
    func percent(_ value: Double?) -> Double? { value.flatMap { $0.isFinite ? 100 * $0 : nil } }
    values = [
      Value("mIoU", percent(cityscapes?.meanIoU ?? matrix.meanIntersectionOverUnion(.present))),
      Value("fwIoU", percent(matrix.frequencyWeighted)), Value("mACC", percent(matrix.meanAccuracy)),
      Value("pACC", percent(matrix.pixelAccuracy)),
    ]
    if let cityscapes {
      values += [
        Value("iIoU", percent(cityscapes.meanInstanceIoU)),
        Value("IoU category", percent(cityscapes.meanCategoryIoU)),
        Value("iIoU category", percent(cityscapes.meanCategoryInstanceIoU)),
      ]
    }
    classes = classNames.indices.map { index in
      ClassValue(
        classNames[index], pixels: matrix.truePixels(index),
        iou: percent(matrix.intersectionOverUnion(index)), accuracy: percent(matrix.accuracy(index)),
        instanceIoU: cityscapes.flatMap { percent($0.labelInstanceIoU(CityscapesLabel.evaluated[index].id)) })
    }
  }

  /// Lines for people: the numbers, then those of each class; of many classes only the hardest.
  package func table(classLimit: Int = 40) -> [String] {
    func text(_ value: Double?) -> String { value.map { fixed($0, 2) } ?? "–" }
    func column(_ value: String, _ size: Int = 9) -> String { value.padded(to: size) }
    let widths = values.map { max(9, $0.name.count + 2) }
    var lines = [
      zip(values, widths).map { column($0.name, $1) }.joined(),
      zip(values, widths).map { column(text($0.percent), $1) }.joined(),
    ]
    let known = classes.filter { $0.iou != nil }
    let hardest = known.sorted { ($0.iou ?? 0) < ($1.iou ?? 0) }.prefix(classLimit)
    let shown = classes.count <= classLimit ? classes : Array(hardest)
    let width = max(12, (shown.map(\.name.count).max() ?? 0) + 2)
    let hasInstances = classes.contains { $0.instanceIoU != nil }
    lines.append(
      column("class", width) + column("IoU") + column("ACC") + (hasInstances ? column("iIoU") : ""))
    lines += shown.map { one in
      column(one.name, width) + column(text(one.iou)) + column(text(one.accuracy))
        + (hasInstances ? column(text(one.instanceIoU)) : "")
    }
    if shown.count < classes.count { lines.append("the \(shown.count) hardest of \(classes.count)") }
    return lines
  }
}
