import Foundation
import Images
import TestSupport
import Testing

/// `moco report` as a user runs it, and its page as a user sees it.
@Suite(.serialized) struct ReportCommandTests {
  private let data: String
  private let run = temporaryFolder() + "/run"
  private var page: String { run + "/report.html" }

  init() throws {
    data = try makeImageFolder(images: 40)
    let made = try Program.run(
      "pretrain", data, "--out", run, "--recipe", "cifar", "--arch", "resnet8", "--image-size", "16",
      "--batch-size", "8", "--bn-splits", "2", "--moco-k", "12", "--device", "cpu", "--workers", "1",
      "--epochs", "2", "--log-every", "1", "--knn-train", data, "--knn-test", data)
    try #require(made.code == 0, "\(made.errors)")
  }

  @Test func thePageAndTheCurvesAreWritten() throws {
    let svg = run + "/curves.svg"
    let result = try Program.run("report", run, "--svg", svg)
    #expect(result.code == 0 && result.errors.isEmpty, "\(result.errors)")
    #expect(result.output == "page: \(page)\ncurves: \(svg)\n")
    #expect(try String(contentsOfFile: page, encoding: .utf8).hasPrefix("<!doctype html>"))
    #expect(try String(contentsOfFile: svg, encoding: .utf8).hasPrefix("<svg "))
    let elsewhere = run + "/other.html"
    #expect(try Program.run("report", run + "/", "--out", elsewhere, "--limit", "10").code == 0)
    #expect(try String(contentsOfFile: elsewhere, encoding: .utf8).contains("Among 10 images of"))
  }

  @Test func whatIsMissingIsSaidAndThePageWrittenAllTheSame() throws {
    try FileManager.default.removeItem(atPath: run + "/checkpoints")
    let result = try Program.run("report", run)
    #expect(result.code == 0)
    let lines = result.errors.split(separator: "\n")
    #expect(
      lines.count == 3 && lines[0] == "warning: Nearest neighbours: the run has saved no checkpoint yet")
    #expect(FileManager.default.fileExists(atPath: page))
  }

  @Test func wrongUseExitsWith2AndOneLine() throws {
    let none = try Program.run("report", data)
    #expect(
      none.code == 2
        && none.errors
          == "moco: \(data): there is no run: neither log.jsonl nor config.yaml. "
          + "Give the folder that --out of `moco pretrain`, `detect` or `segment` named; a test by --eval-only and `finetune` "
          + "have no page.\n"
    )
    let limit = try Program.run("report", run, "--limit", "1")
    #expect(limit.code == 2 && limit.errors == "moco: --limit 1: neighbours need at least 2 images.\n")
  }

  // MARK: - In a browser

  /// Screenshots stay here; git ignores the folder.
  private static let artifacts = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: ".build/artifacts-report").path

  @Test(.enabled(if: Browser.found != nil, "no chromium on the PATH; set CHROMIUM to one"))
  func aBrowserShowsEveryPictureAndNoErrorAtAnyWidth() throws {
    let browser = try #require(Browser.found)
    #expect(try Program.run("report", run).code == 0)
    try FileManager.default.createDirectory(
      atPath: ReportCommandTests.artifacts, withIntermediateDirectories: true)
    for width in [1200, 390, 320] {
      let look = try browser.look(at: page, width: width)
      #expect(look.console == [] && look.broken == [] && look.fetched == [])
      // The sheet of views, ten rows of an image and its eight neighbours, and eight images with a map beside each.
      #expect(look.images == 1 + 10 * 9 + 8 * 2)
      #expect(look.width == width && look.content <= width, "\(look.content) pixels in a window of \(width)")
      for dark in [false, true] where width != 320 {
        let picture = "\(ReportCommandTests.artifacts)/\(width)-\(dark ? "dark" : "light").png"
        try browser.photograph(page, width: width, height: look.height, dark: dark, to: picture)
        let seen = try ImageDecoder().decode(contentsOf: picture)
        #expect(seen.height == look.height)
        let ground = seen[2, 2]
        #expect(dark ? ground.red < 60 : ground.red > 200, "the ground of \(picture) is \(ground)")
      }
    }
    print("Screenshots of the report: \(ReportCommandTests.artifacts)")
  }

  /// The look itself can see what is wrong.
  @Test(.enabled(if: Browser.found != nil, "no chromium on the PATH; set CHROMIUM to one"))
  func aBrowserTellsOfBrokenPicturesErrorsAndWideContent() throws {
    let browser = try #require(Browser.found)
    let bad = run + "/bad.html"
    let html = """
      <!doctype html><meta charset="utf-8"><div style="width: 900px">wide</div>
      <img alt="gone" src="data:image/png;base64,AAAA"><img alt="file" src="http://127.0.0.1:9/gone.png">
      <script>console.error("an error")</script>
      """
    try Data(html.utf8).write(to: URL(fileURLWithPath: bad))
    let look = try browser.look(at: bad, width: 390)
    #expect(look.images == 2 && look.broken == ["gone", "file"] && look.fetched.count == 1)
    #expect(look.content >= 900 && look.console.contains { $0.contains("an error") })
  }
}
