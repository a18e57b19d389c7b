import Data
import Files
import Foundation
import Images
import Training

/// The page of a run: one HTML file without scripts or links. It can be made at any time, also while the run is going or
/// after it was killed; the page lists what is missing.
package struct HTMLReport {
  /// Where the pictures' images come from.
  package struct Options: Sendable {
    /// A data set; by default the run's kNN test images, or else its training images.
    package var images: String?
    /// Which part of a set that has both; for ``images`` only.
    package var split = DatasetSplit.train
    /// The largest number of images, evenly spaced; by default 2,000, or 400 if they are larger than 64 pixels.
    package var limit: Int?
    package var device = DeviceChoice.auto
    /// Decoding threads; by default as many as in the run.
    package var workers: Int?

    package init() {}
  }

  /// The page.
  package let html: String
  /// The missing parts, one sentence each.
  package let missing: [String]
  private let name: String
  private let curves: [Chart]

  /// - Parameters:
  ///   - run: a run's folder.
  ///   - options: where the pictures' images come from.
  ///   - progress: called with the number of encoded images and the total.
  /// - Throws: ``UsageError`` where there is no run, or no data set where the options name one.
  package init(
    run: String, _ options: Options = Options(),
    progress: @escaping (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws {
    let record = try RunHistory(run)
    let groups = ReportCharts(record).groups
    let course = ReportSessions(record: record)
    let warnings: [HTML] =
      record.warnings.isEmpty ? [] : [.section("Warnings", "warnings", [course.warnings])]
    let noWarnings: [HTML] = record.warnings.isEmpty ? [course.warnings] : []
    let images = Result { try ReportImages(record, options, progress: progress) }
    if let path = options.images, case .failure(let error as DatasetError) = images {
      throw UsageError("--images \(path): \(error).")
    }
    func part(_ make: (ReportImages) throws -> HTML) -> Result<HTML, any Error> {
      images.flatMap { images in Result { try make(images) } }
    }
    var pictures: [(title: String, id: String, html: Result<HTML, any Error>)] = [
      ("Nearest neighbours", "neighbours", part { try NeighbourRows(images: $0).html() }),
      ("Attention", "attention", part { try AttentionRows(images: $0).html() }),
    ]
    if record.config.kind.masksPatches {
      pictures.append(
        (
          "Reconstruction", "reconstruction",
          part { try ReconstructionRows(images: $0, of: record).html() }
        ))
    }
    pictures.append(("Map of the features", "map", part { try FeatureMap(images: $0).html() }))
    let curvesOfGroups = groups.map(HTMLReport.section)
    let last: [HTML] = [
      .section("Configuration", "configuration", [try SettingsTable(config: record.config).html()]),
      .section("Course", "course", [course.sessions] + noWarnings),
    ]
    let body: [HTML] =
      [ReportHeader(record: record).html] + warnings + curvesOfGroups + [HTMLReport.views(record)]
      + pictures.map { HTMLReport.section($0.title, $0.id, $0.html) } + last
    name = record.name
    curves = groups.flatMap(\.charts)
    missing = pictures.compactMap { title, _, part in
      if case .failure(let error) = part { "\(title): \(error)" } else { nil }
    }
    html = Page(title: "\(record.name) – Momentum Contrast", body: body).text
  }

  /// Writes the page.
  package func write(to path: String) throws {
    try replaceFile(path, with: html)
  }

  /// Writes the curves as one SVG, three in a row.
  package func writeCurves(to path: String) throws {
    guard !curves.isEmpty else {
      throw RunError("--svg \(path): no step has been logged yet; there are no curves.")
    }
    let drawings = curves.map { chart in
      var chart = chart
      (chart.width, chart.height) = (400, 260)
      return chart.drawing()
    }
    try replaceFile(path, with: Drawing(drawings, columns: 3, gap: 12, title: name).svg())
  }

  /// A section, or the reason why it is missing.
  private static func section(_ title: String, _ id: String, _ part: Result<HTML, any Error>) -> HTML {
    switch part {
    case .success(let html): return .section(title, id, [html])
    case .failure(let error):
      let reason = "\(error)"
      return .section(
        title, id, [.missing("There is no such picture: \(reason)\(reason.hasSuffix(".") ? "" : ".")")])
    }
  }

  private static func section(_ group: ReportCharts.Group) -> HTML {
    guard !group.charts.isEmpty else { return .section(group.title, group.id, [.missing(group.missing)]) }
    let charts: [HTML] = group.charts.map { chart in
      "<figure class=\"chart\">\(HTML(markup: chart.drawing().svg(.page)))</figure>"
    }
    // So that no row has a single chart.
    let kind = ["two", "three", "four"][min(max(group.charts.count, 2), 4) - 2]
    return .section(
      group.title, group.id,
      (group.lead.isEmpty ? [] : [.paragraph(group.lead)]) + [
        "<div class=\"charts \(kind)\">\n\(charts)\n</div>"
      ])
  }

  private static func views(_ record: RunHistory) -> HTML {
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
    let isPairs = record.config.transform.views.count > 1
    let description = isPairs ? "Two rows of augmented images" : "A row of augmented images"
    let isHeavy = data.count > 400_000
    let picture =
      (isHeavy ? try? HTML.picture(sheet, description, kind: "sheet") : nil)
      ?? .picture(
        data, type: "image/png", description, kind: "sheet", width: sheet.width, height: sheet.height)
    let text =
      isPairs
      ? "The first \(ViewSheet.pairs) pairs of views: above what made the queries, below it what made their keys. "
        + (record.config.kind.masksPatches
          ? "Queries are shown before their patches were hidden."
          : "Each pair is one image, cropped and coloured twice.")
      : "The first \(ViewSheet.pairs) views, before patches were hidden."
    return .section(
      title, id,
      [
        .paragraph(text),
        picture,
      ])
  }
}
