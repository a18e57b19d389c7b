import Figures
import Foundation
import Images
import Views

/// The page of a run: one HTML file that needs nothing else. It can be made at any time, also of a run that is going or was
/// killed; what is missing is said.
public struct RunReport {
  /// Where the pictures' images come from.
  public struct Options: Sendable {
    /// A data set; unless given the run's kNN test images, or else its training images.
    public var images: String?
    /// Which part of a set that has both; for ``images`` only.
    public var split = DatasetSplit.train
    /// At most so many, evenly spaced; unless given 2,000, or 400 of more than 64 pixels.
    public var limit: Int?
    public var device = DeviceChoice.auto
    /// Decoding threads; the run's own number unless given.
    public var workers: Int?

    public init() {}
  }

  /// The page.
  public let html: String
  /// What is missing, in words.
  public let missing: [String]
  private let curves: [Chart]

  /// - Parameters:
  ///   - run: a run's folder.
  ///   - options: where the pictures' images come from.
  ///   - tell: called with the number of images encoded, of so many.
  /// - Throws: ``UsageError`` where there is no run.
  public init(
    run: String, _ options: Options = Options(),
    tell: @escaping (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws {
    let record = try RunRecord(run)
    var gaps: [String] = []
    let groups = RunCurves(record).groups
    curves = groups.flatMap(\.charts)
    let images = Result { try EncodedImages(record, options, tell: tell) }
    func pictures(_ title: String, _ id: String, _ body: (EncodedImages) throws -> HTML) -> HTML {
      do {
        return try .section(title, id, [body(images.get())])
      } catch {
        let reason = "\(error)"
        gaps.append("\(title): \(reason)")
        return .section(
          title, id, [.missing("There is no such picture: \(reason)\(reason.hasSuffix(".") ? "" : ".")")])
      }
    }
    let course = RunCourse(record: record)
    let body =
      [
        RunSummary(record: record).html,
        record.warnings.isEmpty ? "" : HTML.section("Warnings", "warnings", [course.warnings]),
      ] + groups.map(RunReport.section)
      + [
        RunReport.views(record),
        pictures("Nearest neighbours", "neighbours") { try NeighbourRows(images: $0).html() },
        pictures("Map of the features", "map") { try FeatureMap(images: $0).html() },
        .section("Configuration", "configuration", [try SettingsTable(config: record.config).html()]),
        .section(
          "Course", "course",
          record.warnings.isEmpty ? [course.sessions, course.warnings] : [course.sessions]),
      ]
    missing = gaps
    html = Page(title: "\(record.name) – Momentum Contrast", body: body).text
  }

  /// Writes the page whole or not at all.
  public func write(to path: String) throws {
    try writeOutput(to: path, option: "--out") { try $0.add(html) }
  }

  /// Writes the curves as one picture, three in a row.
  public func writeCurves(to path: String) throws {
    guard !curves.isEmpty else {
      throw RunError("--png \(path): no step has been logged yet; there are no curves.")
    }
    let pictures = curves.map { chart -> RGBImage in
      var chart = chart
      (chart.width, chart.height) = (400, 260)
      return chart.drawing().image(scale: 2)
    }
    let rows = stride(from: 0, to: pictures.count, by: 3).map {
      Array(pictures[$0..<min($0 + 3, pictures.count)])
    }
    let sheet = try ImageGrid(border: 24).draw(rows).pngData()
    try writeOutput(to: path, option: "--png") { file in try sheet.withUnsafeBytes { try file.add($0) } }
  }

  private static func section(_ group: RunCurves.Group) -> HTML {
    guard !group.charts.isEmpty else { return .section(group.title, group.id, [.missing(group.missing)]) }
    let charts: [HTML] = group.charts.map { chart in
      "<figure class=\"chart\">\(HTML(markup: chart.drawing().svg(.page)))</figure>"
    }
    // So many in a row that none is left alone.
    let kind = ["two", "three", "four"][min(max(group.charts.count, 2), 4) - 2]
    return .section(
      group.title, group.id,
      (group.lead.isEmpty ? [] : [.paragraph(group.lead)]) + [
        "<div class=\"charts \(kind)\">\n\(charts)\n</div>"
      ])
  }

  private static func views(_ record: RunRecord) -> HTML {
    let title = "What the network saw", id = "views"
    guard let data = FileManager.default.contents(atPath: record.viewsPath),
      let sheet = try? ImageDecoder().decode(contentsOf: record.viewsPath)
    else {
      return .section(
        title, id,
        [
          .missing(
            "This run kept no picture of its views (views.png): it has not made a step, or an older version made it."
          )
        ])
    }
    let description = "Two rows of augmented images"
    let isHeavy = data.count > 400_000
    let picture =
      (isHeavy ? try? HTML.picture(sheet, description, kind: "sheet") : nil)
      ?? .picture(
        data, type: "image/png", description, kind: "sheet", width: sheet.width, height: sheet.height)
    let text =
      "The first \(ViewSheet.pairs) pairs of views: above what made the queries, below it what made their keys. "
      + "Each pair is one image, cropped and coloured twice."
    return .section(
      title, id,
      [
        .paragraph(text),
        picture,
      ])
  }
}
