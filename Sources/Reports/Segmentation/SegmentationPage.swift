import Data
import Evaluation
import Files
import Foundation

/// The page of a segmenter: its scores, the test images with the most wrong pixels, which classes it takes for which, its
/// loss. It is one HTML file without scripts or links, made of plain values.
package struct SegmentationPage {
  /// What the page is about.
  package struct Content: Sendable {
    /// Of the run.
    package var name: String
    /// Sentences: what was trained on, how long.
    package var lead: String
    /// Whether and how the run has ended.
    package var state: String
    package var classNames: [String]
    /// A colour for each class.
    package var palette: [SIMD3<UInt8>]
    /// Those with the most wrong pixels, the worst first.
    package var pictures: [SegmentationPicture]
    /// Of the latest test; nil before the first.
    package var test: (images: Int, scores: SegmentationScores)?
    /// Nil where there is none that can be read.
    package var confusion: ConfusionTable?
    package var steps: [LoggedLosses]
    /// Keys and values.
    package var settings: [(key: String, value: String)]

    package init(
      name: String, lead: String, state: String, classNames: [String], palette: [SIMD3<UInt8>],
      pictures: [SegmentationPicture], test: (images: Int, scores: SegmentationScores)?,
      confusion: ConfusionTable?, steps: [LoggedLosses], settings: [(key: String, value: String)]
    ) {
      (self.name, self.lead, self.state, self.classNames) = (name, lead, state, classNames)
      (self.palette, self.pictures, self.test) = (palette, pictures, test)
      (self.confusion, self.steps, self.settings) = (confusion, steps, settings)
    }
  }

  /// The most pictures in the page.
  package static let shown = 12
  /// More bars than this are too many to read; then the best and the worst are shown.
  private static let shownClasses = 24

  package let html: String

  package init(_ content: Content) throws {
    let body: [HTML] = [
      Self.header(content),
      .section("The worst images", "misses", try Self.misses(content)),
      .section("Scores", "scores", Self.scores(content)),
      .section(
        "Learning", "learning",
        TaskPage.learning(
          LossCharts(content.steps, titles: [("loss_sem_seg", "Cross-entropy of the pixels")]).charts,
          lead:
            "The loss is the mean cross-entropy over the pixels that have a class. A guess has \(Self.guess(content))."
        )),
      .section("Configuration", "configuration", [TaskPage.settings(content.settings)]),
    ]
    html = Page(title: "\(content.name) – Momentum Contrast", body: body).text
  }

  private static func guess(_ content: Content) -> String {
    fixed(log(Double(max(1, content.classNames.count))), 2)
  }

  // MARK: - Sections

  private static func header(_ content: Content) -> HTML {
    func percent(_ value: Double?) -> String { value.map { fixed($0, 1) } ?? "–" }
    let scores = content.test?.scores
    var tiles: [HTML] = [
      TaskPage.tile("mIoU", percent(scores?["mIoU"]), "the mean over the classes"),
      TaskPage.tile("pixels right", percent(scores?["pACC"]), "% of those with a class"),
      TaskPage.tile("mean accuracy", percent(scores?["mACC"]), "each class alike"),
    ]
    if let scores, let instances = scores["iIoU"] {
      tiles.append(TaskPage.tile("iIoU", percent(instances), "each instance alike"))
    }
    let classes = counted(content.classNames.count, "class", "classes")
    tiles.append(
      TaskPage.tile("test images", content.test.map { grouped($0.images) } ?? "–", classes))
    return TaskPage.header(
      "segmentation run", name: content.name, lead: content.lead, state: content.state, tiles: tiles)
  }

  private static func misses(_ content: Content) throws -> [HTML] {
    guard !content.pictures.isEmpty else {
      return [
        .missing(
          content.test == nil
            ? "The run has no predictions of its test images yet."
            : "No test image can be shown, or no pixel of them is wrong.")
      ]
    }
    let figures = try content.pictures.prefix(shown).map {
      try SegmentationFigure(picture: $0, classNames: content.classNames, palette: content.palette).html()
    }
    return [
      .paragraph(
        "The images with the largest share of wrong pixels: the image, its classes, the predicted ones, and the errors, "
          + "in which wrong pixels are orange and pixels without a class white."),
      legend(content), "<div class=\"misses\">\n\(figures)\n</div>",
    ]
  }

  /// The colours of the classes that the pictures show.
  private static func legend(_ content: Content) -> HTML {
    var seen = Set<UInt8>()
    for picture in content.pictures.prefix(shown) {
      seen.formUnion(picture.truth.labels)
      seen.formUnion(picture.prediction.labels)
    }
    let items: [HTML] = content.classNames.indices.filter { seen.contains(UInt8(truncatingIfNeeded: $0)) }.map
    {
      let color = content.palette.indices.contains($0) ? content.palette[$0] : [255, 255, 255]
      let mark = HTML(
        markup: "<svg viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect width=\"12\" height=\"12\" rx=\"2\" "
          + "fill=\"rgb(\(color.x),\(color.y),\(color.z))\" stroke=\"#888\"/></svg>")
      return "<li>\(mark)\(content.classNames[$0])</li>"
    }
    return "<ul class=\"classes\">\n\(items)\n</ul>"
  }

  private static func scores(_ content: Content) -> [HTML] {
    guard let scores = content.test?.scores else { return [.missing("No test has been made yet.")] }
    var parts: [HTML] = [
      .paragraph(
        "IoU of a class is the pixels that are it and are taken for it, over the pixels that are it or are taken for it. "
          + "ACC is the share of its pixels that are right.")
    ]
    let figures = [
      classes(scores).map { TaskPage.figure($0) },
      // Its size follows from the number of classes.
      content.confusion.map { TaskPage.figure(ConfusionPicture($0).drawing(), isEnlarged: false) },
    ]
    for figure in figures.compactMap(\.self) {
      parts.append("<div class=\"charts wide\">\n\(figure)\n</div>")
    }
    return parts + [table(scores)]
  }

  private static func classes(_ scores: SegmentationScores) -> Chart? {
    let falling = scores.classes.filter { $0.iou != nil }.sorted { ($0.iou ?? 0) > ($1.iou ?? 0) }
    guard !falling.isEmpty else { return nil }
    let half = shownClasses / 2
    let isCut = falling.count > shownClasses
    let shown = isCut ? Array(falling.prefix(half) + falling.suffix(half)) : falling
    return Chart(
      title: isCut
        ? "IoU by class: the \(half) best and the \(half) worst of \(falling.count)" : "IoU by class",
      x: .init("", scale: .categories(shown.map(\.name))), y: .init("IoU, %", range: 0...100),
      series: [.init("", style: .bars, values: shown.map(\.iou))], width: 832, height: 300)
  }

  /// All classes with their numbers.
  private static func table(_ scores: SegmentationScores) -> HTML {
    func cell(_ value: Double?) -> HTML { "<td>\(value.map { fixed($0, 1) } ?? "–")</td>" }
    let hasInstances = scores.classes.contains { $0.instanceIoU != nil }
    let rows: [HTML] = scores.classes.map { one in
      let cells = cell(one.iou) + cell(one.accuracy) + (hasInstances ? cell(one.instanceIoU) : "")
      return "<tr><th>\(one.name)</th><td>\(grouped(one.pixels))</td>\(cells)</tr>"
    }
    let more: HTML = hasInstances ? "<th>iIoU</th>" : ""
    return """
      <details><summary>All \(grouped(scores.classes.count)) classes</summary>
      <div class="scroll"><table class="numbers"><thead><tr><th>class</th><th>pixels</th><th>IoU</th><th>ACC</th>\(more)</tr></thead>
      <tbody>
      \(rows)
      </tbody></table></div></details>
      """
  }

  /// Writes the page.
  package func write(to path: String) throws { try replaceFile(path, with: html) }
}
