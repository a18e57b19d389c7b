import Evaluation
import Files
import Foundation
import TestSupport
import Testing
@testable import Reports
@testable import Training

/// Numbers of commands, their means and differences, and the tables and the page of them.
@Suite struct TransferTableResultsTests {
  private let out = temporaryFolder()

  // MARK: - Numbers of a command

  @Test func theLastTestOfALogIsRead() throws {
    let path = out + "/log.jsonl"
    let log = try RunLog(path: path, resumingFrom: 0)
    func test(_ step: Int, _ ap: Double) -> RunEvent {
      .detection(
        .init(
          step: step, metric: .coco, images: 2, detections: 3, seconds: 1,
          scores: [
            .init(.bbox, [.init("AP", ap), .init("AP50", 1), .init("APl", nil)], classes: []),
            .init(.segm, [.init("AP", 7.25)], classes: []),
          ]))
    }
    try log.write(test(1, 3))
    try log.write(test(2, 12.5))
    try log.write(.end(.init(status: .finished, step: 2, seconds: 1)))
    let metrics = TransferTableMetrics(log: path)
    #expect(metrics["AP"] == .some(12.5) && metrics["bbox/AP"] == .some(12.5))
    #expect(metrics["segm/AP"] == .some(7.25))
    // 1 is a number, and not true.
    #expect(metrics["AP50"] == .some(1))
    // No object is large: there is such a number, and it is not defined.
    #expect(metrics["APl"] == .some(nil) && metrics["AP75"] == nil)
    #expect(TransferTableMetrics(log: out + "/none") == TransferTableMetrics())
  }

  @Test func aTestOfSegmentationIsReadByItsNames() throws {
    let path = out + "/log.jsonl"
    let text = """
      {"event":"segmentation","images":3,"scores":{"classes":[{"name":"a","iou":1}],"values":[{"name":"mIoU",\
      "percent":41.5},{"name":"pACC","percent":80},{"name":"iIoU"}]}}
      """
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    let metrics = TransferTableMetrics(log: path)
    #expect(metrics["mIoU"] == .some(41.5) && metrics["pACC"] == .some(80))
    #expect(metrics["iIoU"] == .some(nil) && metrics["images"] == .some(3) && metrics["iou"] == nil)
  }

  @Test func objectsOfCommandsAreRead() throws {
    let path = out + "/result.json"
    let kNN = """
      {"k":200,"results":[{"encoder":"raw pixels","top1":20.5,"top5":50},{"encoder":"trained encoder","top1":61.25,"top5":90}]}
      """
    try kNN.write(toFile: path, atomically: true, encoding: .utf8)
    #expect(TransferTableMetrics(result: path)["top-1"] == .some(61.25))
    try #"{"top1":70.5,"top5":99,"trials":[]}"#.write(toFile: path, atomically: true, encoding: .utf8)
    #expect(TransferTableMetrics(result: path)["top-1"] == .some(70.5))
    try "{".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(TransferTableMetrics(result: path) == TransferTableMetrics())
  }

  // MARK: - Differences

  @Test func aDifferenceIsJudgedByItsStandardError() throws {
    let base = try #require(Spread([50, 52, 54]))  // mean 52, deviation 2
    let same = try #require(Spread([53, 55, 57]))  // mean 55, deviation 2
    // The error of the difference is √(4/3 + 4/3) = 1.63, and 3 is below twice that.
    #expect(TransferTableResults.Difference(same, to: base).sense == .even)
    #expect(TransferTableResults.Difference(same, to: base).text == "+3.0")
    let more = try #require(Spread([55, 56, 57]))  // mean 56, deviation 1: the error is √(4/3 + 1/3) = 1.29
    #expect(TransferTableResults.Difference(more, to: base).sense == .gain)
    #expect(TransferTableResults.Difference(base, to: more).sense == .loss)
    #expect(TransferTableResults.Difference(base, to: more).text == "−4.0")
  }

  @Test func aDifferenceOfSingleRunsIsNotJudged() throws {
    let (a, b) = (try #require(Spread([50])), try #require(Spread([50.04])))
    let (c, several) = (try #require(Spread([60])), try #require(Spread([50, 52, 54])))
    typealias Difference = TransferTableResults.Difference
    #expect(Difference(b, to: a).sense == .unknown && Difference(b, to: a).text == "±0.0")
    #expect(Difference(c, to: a).sense == .unknown && Difference(c, to: a).text == "+10.0")
    // One side is enough.
    #expect(Difference(c, to: several).sense == .unknown && Difference(several, to: c).sense == .unknown)
  }

  // MARK: - The table

  private static let text = """
    title: T
    note: A note.
    seeds: [1, 2]
    starts:
      - {name: random, weights: random}
      - {name: "a<b|c", weights: /tmp}
      - {name: none, weights: /tmp}
    tasks:
      - {name: cells, command: detect, recipe: small-c4, train: a, test: b, metrics: [AP50, APl]}
      - {name: masks, command: segment, recipe: small-fcn, train: a, test: b}
    published:
      note: A paper.
      values: {random: {cells: {AP50: 60.2}}}
    """

  private func results(seeds: [UInt64]? = nil) throws -> TransferTableResults {
    var options = TransferTableOptions()
    options.seeds = seeds
    let spec = try TransferTableSpec(yaml: Self.text, source: "s.yaml", options)
    let jobs = try TransferTableJobs(spec, out: out, digests: [:])
    for job in jobs.cells {
      let cell = try #require(job.cell)
      func record(_ state: TransferTableRecord.State, _ reason: String? = nil) throws {
        try FileManager.default.createDirectory(
          atPath: job.folder + "/run", withIntermediateDirectories: true)
        try TransferTableRecord(
          state: state, arguments: job.arguments, command: "moco detect <x>", reason: reason, seconds: 61,
          begun: "",
          host: "host: system, 2 cores"
        ).write(job.folder)
      }
      func log(_ line: String) throws {
        try line.write(toFile: job.folder + "/run/log.jsonl", atomically: true, encoding: .utf8)
      }
      switch (cell.start.name, cell.task.name) {
      case ("random", "cells"), ("a<b|c", "cells"):
        try record(.finished)
        let value = (cell.start.name == "random" ? 30 : 50) + Double(cell.seed)
        try log(
          #"{"event":"detection","scores":[{"kind":"bbox","values":[{"name":"AP50","percent":\#(value)},{"name":"APl"}]}]}"#
        )
      case ("a<b|c", "masks"): try record(.failed, "training diverged <here>")
      case ("none", "cells") where cell.seed == 1: try record(.failed, "bad weights")
      default: break
      }
    }
    return TransferTableResults(
      spec, jobs: try TransferTableJobs(spec, out: out, digests: [:]), command: "moco transfer s.yaml")
  }

  @Test func theMarkdownTableIsAsPapersPrintIt() throws {
    let text = try results().markdown
    #expect(
      text.hasPrefix("# T\n\nA note.\n\n| start | cells, AP50 | cells, APl | masks, mIoU |\n| --- | ---: |"))
    // Deviation of 31 and 32: √½.
    #expect(text.contains("| random | 31.5 ± 0.7 | — | — |\n"))
    // The error of the difference is √(½/2 + ½/2) = 0.7.
    #expect(text.contains("| a<b\\|c | 51.5 ± 0.7 (+20.0) | — | failed |\n"))
    #expect(text.contains("| none | — | — | — |\n"))
    #expect(
      text.contains(
        "\nSeeds 1, 2. Numbers are percent, mean ± standard deviation of the sample; in brackets the difference to random, "
          + "without colour where it is below twice its standard error. —: not measured.\n"))
    #expect(
      text.contains("As published. A paper.\n\n| start |") && text.contains("| random | 60.2 | — | — |"))
    // Of the other rows nothing is published.
    let published = text.components(separatedBy: "As published.").last?.components(separatedBy: "Failed:")[0]
    #expect(published?.components(separatedBy: "\n| ").count == 4, "\(published ?? "")")
    #expect(text.contains("- none, cells, seed 1: bad weights\n"))
    #expect(text.contains("Made by\n\n    moco transfer s.yaml\n\nwhich ran\n\n    moco detect <x>\n"))
    #expect(text.hasSuffix("On host: system, 2 cores.\n"))
  }

  @Test func differencesOfSingleRunsHaveNoColourAndTheReason() throws {
    let results = try results(seeds: [1])
    let html = results.page.text
    #expect(html.contains("<td>51.0<span class=\"even\">+20.0</span></td>"), "\(html)")
    #expect(!html.contains("class=\"gain\"") && !html.contains("class=\"loss\""))
    let sentence =
      "the difference to random, without colour where it is of single runs, whose deviation is not known. —: not measured."
    #expect(html.contains("Seed 1. Numbers are percent; below them \(sentence)"))
    #expect(results.markdown.contains("Seed 1. Numbers are percent; in brackets \(sentence)\n"))
  }

  @Test func theCSVHasALineForEveryMetricOfEveryCell() throws {
    let lines = try results().csv.split(separator: "\n")
    #expect(lines.count == 1 + 3 * 2 * (2 + 1))
    #expect(lines[0] == "start,task,command,seed,state,metric,percent,published,seconds,reason")
    #expect(lines[1] == "random,cells,detect,1,finished,AP50,31.0,60.2,61.0,")
    #expect(lines[2] == "random,cells,detect,1,finished,APl,,,61.0,")
    #expect(lines.contains("a<b|c,masks,segment,2,failed,mIoU,,,61.0,training diverged <here>"))
    #expect(lines.contains("none,masks,segment,2,pending,mIoU,,,,"))
  }

  @Test func thePageHasTheTableAndEscapesWhatComesFromOutside() throws {
    let html = try results().page.text
    #expect(html.hasPrefix("<!doctype html>") && !html.contains("<here>") && !html.contains("a<b"))
    #expect(html.contains("<th colspan=\"2\" scope=\"colgroup\">cells<small>detect</small></th>"))
    #expect(html.contains("<th scope=\"row\">random</th><td>31.5 ± 0.7<small>published 60.2</small></td>"))
    #expect(html.contains("<td>51.5 ± 0.7<span class=\"gain\">▲ +20.0</span></td>"))
    #expect(html.contains("<td class=\"bad\">failed</td>"))
    #expect(html.contains("<b>none, cells, seed 1</b>: bad weights"))
    #expect(html.contains("<dt>cells measured</dt><dd>4<small>of 12</small>"))
    #expect(html.contains("<dt>failed</dt><dd>3<small>listed below the table</small>"))
    #expect(
      html.contains("<pre>moco transfer s.yaml</pre>") && html.contains("<code>moco detect &lt;x&gt;</code>"))
    // Every element that is opened is closed.
    for tag in [
      "section", "table", "tr", "th", "td", "ul", "li", "div", "dl", "details", "figure", "span", "small",
    ] {
      let opened = html.matches(of: try Regex("<\(tag)[ >]")).count
      #expect(opened == html.components(separatedBy: "</\(tag)>").count - 1, "\(tag)")
    }
    // Heads stand above their numbers, which are aligned on the right.
    let heads = html.split(separator: "\n").filter { $0.contains(".transfer thead") }
    #expect(!heads.isEmpty && heads.allSatisfy { !$0.contains("text-align: left") })
    // A drawing of the task that has numbers.
    #expect(html.components(separatedBy: "<figure class=\"chart\">").count == 2 && !html.contains("<script"))
  }

  // MARK: - Folders

  @Test func aFolderOfAnotherCommandIsRefused() throws {
    _ = try results()
    func complaint(_ text: String, weights: [String: String] = [:]) -> String {
      do {
        let spec = try TransferTableSpec(yaml: text, source: "s.yaml", TransferTableOptions())
        _ = try TransferTableJobs(spec, out: out, digests: weights)
        return ""
      } catch {
        return "\(error)"
      }
    }
    let folder = "\(out)/cells/random,cells,seed=1"
    let remedy = "Choose another --out, repeat that command's options, or remove the folder."
    #expect(
      complaint(Self.text.replacing("recipe: small-c4", with: "recipe: small-c4, settings: {steps: 9}"))
        == "\(folder): random, cells, seed 1 was begun by another command (--seed 1 there and --steps 9 here). \(remedy)"
    )
    // What belongs to a machine may change.
    #expect(
      complaint(Self.text.replacing("recipe: small-c4", with: "recipe: small-c4, settings: {workers: 9}"))
        == "")
    try "{".write(toFile: folder + "/record.json", atomically: true, encoding: .utf8)
    #expect(
      complaint(Self.text)
        == "\(folder)/record.json: this is no record of `moco transfer`: it was damaged. Remove the folder, and the same "
        + "command runs it again.")
  }
}
