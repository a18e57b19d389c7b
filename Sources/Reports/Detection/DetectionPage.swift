import Files
import Foundation

/// The page of a detector: its scores, the test images whose objects it missed most, its losses. It is one HTML file
/// without scripts or links, made of plain values.
package struct DetectionPage {
  /// What the page is about.
  package struct Content: Sendable {
    /// Of the run.
    package var name: String
    /// Sentences: what was trained on, how long.
    package var lead: String
    /// Whether and how the run has ended.
    package var state: String
    package var classNames: [String]
    /// The whole test set, or a part of it.
    package var pictures: [DetectionPicture]
    /// Boxes first, then masks or keypoints.
    package var scores: [DetectionSummary]
    package var steps: [LoggedLosses]
    /// Keys and values.
    package var settings: [(key: String, value: String)]

    package init(
      name: String, lead: String, state: String, classNames: [String], pictures: [DetectionPicture],
      scores: [DetectionSummary], steps: [LoggedLosses], settings: [(key: String, value: String)]
    ) {
      (self.name, self.lead, self.state, self.classNames) = (name, lead, state, classNames)
      (self.pictures, self.scores, self.steps, self.settings) = (pictures, scores, steps, settings)
    }
  }

  /// The most pictures in the page.
  package static let shown = 12

  package let html: String
  /// The images that could not be shown, a sentence each.
  package let missing: [String]

  package init(_ content: Content) {
    let charts = DetectionCharts(scores: content.scores, steps: content.steps)
    let worst = Self.worst(content.pictures)
    let figures = worst.enumerated().map { number, pair in
      Result {
        try DetectionFigure(
          picture: pair.picture, matching: pair.matching, classNames: content.classNames, number: number
        ).html()
      }
    }
    missing = zip(worst, figures).compactMap { pair, figure in
      if case .failure(let error) = figure { "\(pair.picture.name): \(error)" } else { nil }
    }
    let body: [HTML] = [
      Self.header(content),
      .section(
        "The worst misses", "misses", Self.misses(figures.compactMap { try? $0.get() }, content, missing)),
      .section("Scores", "scores", Self.scores(charts, content)),
      .section("Learning", "learning", TaskPage.learning(charts.losses, lead: Self.losses)),
      .section("Configuration", "configuration", [TaskPage.settings(content.settings)]),
    ]
    html = Page(title: "\(content.name) – Momentum Contrast", body: body).text
  }

  /// The pictures with the largest gaps, the worst first; of equal gaps the first.
  private static func worst(_ pictures: [DetectionPicture]) -> [(
    picture: DetectionPicture, matching: PictureMatching
  )] {
    let all = pictures.map { ($0, PictureMatching($0)) }.enumerated()
    return all.filter { $0.element.1.gap > 0 }
      .sorted { ($0.element.1.gap, $1.offset) > ($1.element.1.gap, $0.offset) }
      .prefix(shown).map { ($0.element.0, $0.element.1) }
  }

  // MARK: - Sections

  private static func header(_ content: Content) -> HTML {
    let boxes = content.scores.first
    func percent(_ value: Double?) -> String { value.map { fixed(100 * $0, 1) } ?? "–" }
    var tiles: [HTML] = content.scores.map { scores in
      TaskPage.tile("AP, \(scores.compared)", percent(scores.ap), "by the rules of \(scores.metric)")
    }
    if let boxes {
      tiles.append(TaskPage.tile("AP50, \(boxes.compared)", percent(boxes.ap50), "overlap of 0.5 or more"))
      tiles.append(TaskPage.tile("AP75, \(boxes.compared)", percent(boxes.ap75), "overlap of 0.75 or more"))
    }
    let objects = content.pictures.reduce(0) { $0 + $1.truth.count { !$0.isIgnored } }
    tiles.append(TaskPage.tile("test images", grouped(content.pictures.count), "\(grouped(objects)) objects"))
    return TaskPage.header(
      "detection run", name: content.name, lead: content.lead, state: content.state, tiles: tiles)
  }

  private static func misses(_ figures: [HTML], _ content: Content, _ missing: [String]) -> [HTML] {
    guard !content.pictures.isEmpty else {
      return [.missing("The run has no results on its test images yet.")]
    }
    guard !figures.isEmpty else {
      return [
        .missing(
          missing.first.map { "The test images cannot be shown. \($0)" }
            ?? "Every object was found with a score of 1.")
      ]
    }
    let lead: HTML = """
      <p>First the objects, then what was found. An image's gap is the sum over its objects of 1 − the score of the \
      detection that found it (the same class, IoU of the boxes ≥ \(fixed(PictureMatching.threshold, 1))), so a missed \
      object adds 1. <span class="key same">Solid</span>: found; <span class="key other">dashed</span>: missed, or found \
      where there is nothing; gray: crowds and difficult objects, which do not count. Wrong detections with a score below \
      \(fixed(DetectionFigure.threshold, 1)) are not drawn.</p>
      """
    let unread = missing.map { HTML.missing("An image cannot be shown. \($0)") }
    return [lead, "<div class=\"misses\">\n\(figures)\n</div>"] + unread
  }

  private static func scores(_ charts: DetectionCharts, _ content: Content) -> [HTML] {
    guard !content.scores.isEmpty else { return [.missing("No test has been made yet.")] }
    let small = charts.curves + [charts.sizes].compactMap(\.self)
    var parts: [HTML] = [
      .paragraph(
        "AP is the mean precision over recall, and over overlaps from 0.5 to 0.95. Small objects have areas up to 32² pixels, "
          + "large ones from 96².")
    ]
    if !small.isEmpty { parts.append("<div class=\"charts two\">\n\(small.map(TaskPage.figure))\n</div>") }
    parts += [charts.classes].compactMap(\.self).map {
      "<div class=\"charts wide\">\n\(TaskPage.figure($0))\n</div>"
    }
    return parts + [table(content.scores)].compactMap(\.self)
  }

  /// All classes with their numbers.
  private static func table(_ scores: [DetectionSummary]) -> HTML? {
    guard let first = scores.first, !first.classes.isEmpty else { return nil }
    func cell(_ value: Double?) -> HTML { "<td>\(value.map { fixed(100 * $0, 1) } ?? "–")</td>" }
    let heads: [HTML] = scores.map { "<th>AP, \($0.compared)</th><th>AP50, \($0.compared)</th>" }
    let rows: [HTML] = first.classes.indices.map { index in
      let cells: [HTML] = scores.map { scores in
        let own = scores.classes.indices.contains(index) ? scores.classes[index] : nil
        return cell(own?.ap) + cell(own?.ap50)
      }
      let one = first.classes[index]
      return "<tr><th>\(one.name)</th><td>\(grouped(one.objects))</td>\(cells)</tr>"
    }
    return """
      <details><summary>All \(grouped(first.classes.count)) classes</summary>
      <div class="scroll"><table class="numbers"><thead><tr><th>class</th><th>objects</th>\(heads)</tr></thead>
      <tbody>
      \(rows)
      </tbody></table></div></details>
      """
  }

  private static let losses =
    "The losses by the parts of the network: the network of proposals, then the boxes, masks and keypoints made of them. "
    + "Their sum is learned from."

  /// Writes the page.
  package func write(to path: String) throws { try replaceFile(path, with: html) }
}
