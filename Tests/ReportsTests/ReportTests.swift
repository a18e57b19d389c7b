import Files
import Foundation
import Methods
import TestSupport
import Testing
@testable import Reports
@testable import Training

@Suite struct ReportTests {
  private let run = temporaryFolder() + "/a <b>&\"run\""

  init() throws {
    try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
  }

  /// A run of a few steps on `data`.
  private func pretrain(_ data: String, _ change: (inout RunConfig) -> Void = { _ in }) throws {
    var config = try RunConfig.recipe("cifar")
    config.arch = .resnet8
    (config.imageSize, config.batchSize, config.bnSplits, config.mocoK) = (16, 8, 1, 16)
    (config.epochs, config.logEvery, config.workers, config.device) = (2, 1, 1, .named(.cpu))
    change(&config)
    _ = try Pretraining(config, data: data, out: run, console: Console(quiet: true)).run()
  }

  private func write(_ events: [RunEvent]) throws {
    let log = try RunLog(path: run + "/log.jsonl", resumingFrom: 0)
    for event in events { try log.write(event) }
  }

  private func start(_ change: (inout RunEvent.Start) -> Void = { _ in }) throws -> RunEvent {
    var start = RunEvent.Start(
      time: "2026-01-01T00:00:00Z", config: try .recipe("cifar"), data: "10 images", images: 10,
      host: .init(
        system: "s", cores: 2, threads: 2, device: "cpu", libtorch: "2.11.0", cpuCapability: "AVX2"))
    change(&start)
    return .start(start)
  }

  private func step(_ number: Int, of stepsPerEpoch: Int = 10) -> RunEvent {
    .step(
      .init(
        step: number, epoch: Double(number) / Double(stepsPerEpoch), loss: 6, lr: 0.06, momentum: 0.99,
        contrastTop1: 0.25, contrastTop5: 0.5, imagesPerSecond: 512, dataWait: 0.01))
  }

  private func page(_ options: HTMLReport.Options = .init()) throws -> String {
    try HTMLReport(run: run, options).html
  }

  @Test func aWholeRunHasAllParts() throws {
    let data = try makeColourFolder(imagesPerClass: 12)
    try pretrain(data) { ($0.knnTrain, $0.knnTest) = (data, data) }
    let report = try HTMLReport(run: run)
    let page = report.html
    #expect(report.missing.isEmpty)
    let ids = [
      "learning", "features", "dictionary", "pace", "views", "neighbours", "attention", "map",
      "configuration",
      "course",
    ]
    let sections = try ids.map { try section($0, of: page) }
    #expect(sections.count == 10 && !page.contains("class=\"missing\""))
    #expect(sections.map { count("<svg", in: $0) } == [2, 3, 3, 4, 0, 0, 0, 1, 0, 0])
    // A sheet; ten images with eight neighbours each.
    #expect(count("<img", in: sections[4]) == 1 && count("<img", in: sections[5]) == 10 * 9)
    #expect(count("class=\"tile query\"", in: sections[5]) == 10)
    #expect(count("<figcaption><b>red</b>", in: sections[5]) == 3)
    #expect(sections[9].contains("Finished after step 8 and "))
    #expect(page.contains("<title>a &lt;b&gt;&amp;&quot;run&quot; – Momentum Contrast</title>"))
    #expect(page.contains("The run is finished.") && page.contains("8 of 8 steps of 8 images"))
  }

  @Test func thePageAsksTheNetworkForNothing() throws {
    try pretrain(try makeColourFolder(imagesPerClass: 12))
    let page = try page()
    #expect(!page.contains("<script") && !page.contains("@import") && !page.contains("url("))
    // The one address is the name of SVG's vocabulary.
    let addresses = page.components(separatedBy: "://").dropLast().map { $0.suffix(6) }
    #expect(Set(addresses) == ["=\"http"])
    #expect(count("http://", in: page) == count("xmlns=\"http://www.w3.org/2000/svg\"", in: page))
    let sources = page.components(separatedBy: " src=\"").dropFirst()
    #expect(sources.count > 80 && sources.allSatisfy { $0.hasPrefix("data:image/") })
  }

  @Test func hostileNamesStayText() throws {
    let data = temporaryFolder() + "/'><img src=x onerror=alert(1)>"
    let names = ["<script>alert(1)</script>", "\" onload=\"alert(2)", "a&b\n\u{1B}[2J"]
    let source = try makeColourFolder(imagesPerClass: 6)
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    for (name, colour) in zip(names, ["red", "green", "blue"]) {
      let folder = data + "/" + name.replacing("/", with: "∕")
      try FileManager.default.copyItem(atPath: "\(source)/\(colour)", toPath: folder)
      try FileManager.default.moveItem(
        atPath: folder + "/000.png", toPath: folder + "/<svg onload=alert(3)>.png")
    }
    try pretrain(data)
    let page = try page()
    #expect(!page.contains("<script") && !page.contains("<svg onload") && !page.contains("<img src=x"))
    #expect(!page.contains("\" onload=\"") && !page.contains("\u{1B}"))
    #expect(page.contains("&lt;script&gt;alert(1)") && page.contains("&lt;svg onload=alert(3)&gt;.png"))
    #expect(page.contains("&quot; onload=&quot;alert(2)") && page.contains("a&amp;b"))
  }

  @Test func aRunThatWasKilledBeforeItsFirstCheckpointSaysWhatIsMissing() throws {
    try write([start { $0.dataPath = "/nowhere" }, step(1), step(2)])
    let report = try HTMLReport(run: run)
    #expect(report.html.contains("The run has no end: its process was killed, or the machine went down."))
    #expect(report.html.contains("not measured in this run"))
    #expect(count("<svg", in: try section("learning", of: report.html)) == 2)
    for (id, text) in [
      ("features", "This log holds no alignment, uniformity and rank: an older version wrote it."),
      ("dictionary", "This log has nothing on the queue: an older version wrote it."),
      ("views", "This run kept no picture of its views (views.png)"),
      ("neighbours", "There is no such picture: the run has saved no checkpoint yet."),
      ("attention", "There is no such picture: the run has saved no checkpoint yet."),
      ("map", "There is no such picture: the run has saved no checkpoint yet."),
    ] {
      let part = try section(id, of: report.html)
      #expect(part.contains("class=\"missing\"") && part.contains(text), "\(id): \(part)")
    }
    #expect(report.missing.count == 3)
  }

  @Test func aFolderThatHoldsNothingButAConfigurationIsARunToo() throws {
    try Data(RunConfig.recipe("cifar").yaml().utf8).write(to: URL(fileURLWithPath: run + "/config.yaml"))
    let page = try page()
    #expect(page.contains("The run has not begun.") && page.contains("no step has been logged yet"))
    #expect(try section("course", of: page).contains("The log holds no start."))
    let error = #expect(throws: RunError.self) {
      try HTMLReport(run: run).writeCurves(to: run + "/curves.svg")
    }
    #expect(
      error?.description == "--svg \(run)/curves.svg: no step has been logged yet; there are no curves.")
  }

  @Test func whereThereIsNoRunNothingIsWritten() throws {
    let error = #expect(throws: UsageError.self) { try HTMLReport(run: run + "/none") }
    #expect(
      error?.description
        == "\(run)/none: there is no run: neither log.jsonl nor config.yaml. "
        + "Give the folder that --out of `moco pretrain`, `detect` or `segment` named; a test by --eval-only and `finetune` "
        + "have no page.")
    try Data().write(to: URL(fileURLWithPath: run + "/results.html"))
    let table = #expect(throws: UsageError.self) { try HTMLReport(run: run) }
    #expect(
      table?.description
        == "\(run): this is a table of `moco transfer`, and no run. Its page is \(run)/results.html.")
  }

  @Test func aRunIsGoingWhileItsFolderIsLocked() throws {
    let holder = try RunFolder(run)
    try write([start(), step(1)])
    #expect(try page().contains("The run is still going"))
    withExtendedLifetime(holder) {}
  }

  @Test func imagesThatAreGoneAreNamed() throws {
    let data = try makeColourFolder(imagesPerClass: 6)
    try pretrain(data)
    try FileManager.default.removeItem(atPath: data)
    let report = try HTMLReport(run: run)
    #expect(report.missing.count == 3 && report.missing.allSatisfy { $0.contains(data) })
    var options = HTMLReport.Options()
    options.images = try makeColourFolder(imagesPerClass: 6)
    #expect(try HTMLReport(run: run, options).missing.isEmpty)
  }

  /// The log has them absolute: the report may be asked for anywhere. Older logs have only the configuration's path.
  @Test func kNNImagesAreFoundFromWhereTheRunWasStarted() throws {
    try write([start { ($0.config.knnTrain, $0.config.knnTest) = ("train", "test") }])
    #expect(try RunHistory(run).knnTestPath == "test")
    try write([
      start {
        ($0.config.knnTrain, $0.config.knnTest, $0.knnTestPath) = ("train", "test", "/somewhere/test")
      }
    ])
    #expect(try RunHistory(run).knnTestPath == "/somewhere/test" && RunHistory(run).config.knnTest == "test")
  }

  @Test func imagesThatTheUserNamedMustBeThere() throws {
    try pretrain(try makeColourFolder(imagesPerClass: 6))
    var options = HTMLReport.Options()
    options.images = "/nowhere"
    let error = #expect(throws: UsageError.self) { try HTMLReport(run: run, options) }
    #expect(error?.description == "--images /nowhere: /nowhere does not exist; check the path.")
  }

  @Test func imagesWithoutClassesHaveNeighboursToo() throws {
    try pretrain(try makeColourFolder(imagesPerClass: 24) + "/red")
    let report = try HTMLReport(run: run)
    #expect(report.missing.isEmpty)
    let neighbours = try section("neighbours", of: report.html)
    #expect(count("class=\"tile plain\"", in: neighbours) == 80 && !neighbours.contains("same class"))
    #expect(try section("map", of: report.html).contains("The images have no classes"))
  }

  @Test func warningsAndTheReasonOfAFailureAreShown() throws {
    let end = RunEvent.End(status: .failed, step: 0, seconds: 3, reason: "no <disk>")
    try write([start(), step(1), .warning(.init(step: 7, message: "careful & slow")), .end(end)])
    let page = try page()
    #expect(try section("warnings", of: page).contains("step 7</span> careful &amp; slow"))
    #expect(page.contains("The run failed: no &lt;disk&gt;"))
  }

  @Test func whatDiffersFromTheNearestRecipeIsMarked() throws {
    try write([
      start {
        $0.config.batchSize = 128
        $0.config.saveEvery = 50
      }
    ])
    let part = try section("configuration", of: page())
    #expect(
      part.contains("Compared with the recipe <b>cifar</b>") && count("class=\"changed\"", in: part) == 2)
    #expect(part.contains("<dt>batch-size</dt><dd><b>128</b> <small>recipe: 512</small>"))
    #expect(part.contains("<dt>save-every</dt><dd><b>50</b> <small>not in the recipe</small>"))
  }

  @Test func aLongLogIsDrawnThin() throws {
    let last = 20_000
    try write([start { $0.config.epochs = 2000 }] + (1...last).map { step($0) })
    let page = try page()
    #expect(page.utf8.count < 200_000)
    #expect(page.contains("20,000 of 20,000 steps"))
    // 512 images a step at 512 images/s.
    #expect(page.contains("in 05:33:20 on cpu"))
  }

  @Test func curvesAreWrittenAsOneDrawing() throws {
    try write([start(), step(1), step(2)])
    let path = run + "/curves.svg"
    try HTMLReport(run: run).writeCurves(to: path)
    let sheet = try String(contentsOfFile: path, encoding: .utf8)
    // Six charts of 400 x 260 points, three in a row, with gaps of 12.
    #expect(sheet.hasPrefix("<svg ") && sheet.contains("viewBox=\"0 0 1248 556\""))
    #expect(sheet.contains(">Loss</text>"))
  }
}

@Suite struct Markup {
  @Test func textIsEscapedAndMarkupIsNot() {
    let inner: HTML = "<b>\("<&>\"'")</b>"
    let outer: HTML = "<p title=\"\("a\"b")\">\(inner)\([inner, inner])\(3)</p>"
    let bold = "<b>&lt;&amp;&gt;&quot;&#39;</b>"
    #expect(outer.text == "<p title=\"a&quot;b\">\(bold)\(bold)\n\(bold)3</p>")
  }

  @Test func whatHTMLCannotHoldIsReplaced() {
    let html: HTML = "\("a\u{0}b\tc\u{1B}d\u{85}e")"
    #expect(html.text == "a\u{FFFD}b c\u{FFFD}d\u{FFFD}e")
  }
}
