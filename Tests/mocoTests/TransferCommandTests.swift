import Foundation
import Images
import TestSupport
import Testing

/// `moco transfer` as a user runs it; a script runs the cells.
@Suite(.serialized) struct TransferCommandTests {
  private let fake: FakeTransfer

  init() throws { fake = try FakeTransfer() }

  private static let all = 7  // a pre-training, four detectors, two times kNN

  @Test func everyCommandIsRunOnceAndTheTableWritten() throws {
    let result = try Program.run(fake.arguments())
    #expect(result.code == 0, "\(result.errors)")
    #expect(result.output == "table: \(fake.out)/results.md\npage: \(fake.out)/results.html\n")
    #expect(fake.commands.count == Self.all && fake.counts.values.allSatisfy { $0 == 1 }, "\(fake.commands)")
    #expect(
      fake.commands.first
        == "detect --init random --train \(fake.folder)/cells:train --test \(fake.folder)/cells:test --recipe small-c4 "
        + "--seed 1 --out \(fake.out)/cells/random,cells,seed=1/run")
    #expect(
      fake.commands.contains(
        "knn \(fake.out)/starts/random,seed=1/encoder.safetensors --train \(fake.folder)/cells "
          + "--test \(fake.folder)/cells --json"))
    #expect(FileManager.default.fileExists(atPath: fake.out + "/starts/random,seed=1/encoder.safetensors"))
    let table = try fake.text("results.md")
    #expect(table.contains("| random | 31.5 ± 0.7 | 20.0 |\n"))
    #expect(table.contains("| memory bank | 51.5 ± 0.7 (+20.0) | 60.5 (+40.5) |\n"), "\(table)")
    #expect(result.errors.contains("cell 1 of 6  random, cells, seed 1\nmoco detect --init random"))
    #expect(result.errors.contains(", AP50 31.00"))
    #expect(try fake.text("cells/memory-bank,cells,seed=2/output.txt") == "fake detect\n")

    let again = try Program.run(fake.arguments())
    #expect(again.code == 0 && again.errors == "Fake: 6 cells, 6 of them done\n", "\(again.errors)")
    #expect(fake.commands.count == Self.all)
  }

  @Test func aKilledTableContinuesAndLeavesWhatOutlivedItAlone() throws {
    try fake.setHolds(true)
    let first = try Program.start(fake.arguments())
    fake.wait(for: 1, first)
    fake.kill(first)
    // The script goes on without its parent, and keeps its cell.
    #expect(try Program.run(fake.arguments("--list")).output.hasPrefix("random, cells, seed 1: running\n"))

    let second = try Program.start(fake.arguments())
    fake.wait(for: 2, second)
    fake.kill(second)
    try fake.setHolds(false)
    let list = { try Program.run(fake.arguments("--list")).output }
    while try list().contains("running") { usleep(10_000) }
    #expect(
      try list().contains("random, cells, seed 1: begun\n")
        && list().contains("random, cells, seed 2: begun\n"))

    let third = try Program.run(fake.arguments())
    #expect(third.code == 0 && third.errors.hasPrefix("Fake: 6 cells\n"), "\(third.errors)")
    #expect(try fake.text("results.md").contains("| random | 31.5 ± 0.7 | 20.0 |\n"))
    #expect(fake.commands.count == Self.all + 2 && fake.counts.count == Self.all)
    #expect(fake.counts.filter { $0.value == 2 }.keys.allSatisfy { $0.contains("--init random") })
  }

  @Test(arguments: [SIGTERM, SIGINT]) func aSignalGoesOnToTheCellAndEndsTheTable(signal: Int32) throws {
    try fake.setHolds(true)
    let process = try Program.start(fake.arguments())
    fake.wait(for: 1, process)
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    #expect(process.terminationStatus == 128 + signal)
    #expect(fake.signals == (signal == SIGTERM ? "TERM\n" : "INT\n") && fake.commands.count == 1)
    #expect(try Program.run(fake.arguments("--list")).output.hasPrefix("random, cells, seed 1: begun\n"))
    #expect(try fake.text("results.md").contains("| random | — | — |"))
    try fake.setHolds(false)
    #expect(try Program.run(fake.arguments()).code == 0)
    #expect(fake.commands.count == Self.all + 1)
  }

  @Test func aFailedCellIsAResultThatStopsNoOther() throws {
    try fake.setFails(true)
    let result = try Program.run(fake.arguments())
    #expect(result.code == 0 && result.errors.contains("\nfailed: nothing <matched>\n"), "\(result.errors)")
    let summary =
      "table: \(fake.out)/results.md\npage: \(fake.out)/results.html\n2 of 6 cells failed; the reasons are below the "
      + "table. The same command with --retry-failed tries them once more.\n"
    #expect(result.output == summary, "\(result.output)")
    #expect(fake.commands.count == Self.all)
    let table = try fake.text("results.md")
    #expect(table.contains("| memory bank | 51.5 ± 0.7 (+20.0) | failed |\n"))
    #expect(table.contains("Failed:\n\n- random, neighbours, seed 1: nothing <matched>\n"))
    #expect(try fake.text("results.html").contains("nothing &lt;matched&gt;"))
    let again = try Program.run(fake.arguments("--quiet"))
    #expect(again.code == 0 && again.output == summary && again.errors.isEmpty, "\(again.errors)")
    #expect(try Program.run(fake.arguments()).errors == "Fake: 6 cells, 4 of them done, 2 failed\n")
    #expect(fake.commands.count == Self.all)

    try fake.setFails(false)
    let retried = try Program.run(fake.arguments("--retry-failed"))
    #expect(retried.code == 0 && fake.commands.count == Self.all + 2, "\(retried.errors)")
    #expect(!retried.output.contains("failed"), "\(retried.output)")
    #expect(try fake.text("results.md").contains("| 60.5 (+40.5) |\n"))
  }

  @Test func twoProcessesShareATable() throws {
    let other = try Program.start(fake.arguments("--quiet"))
    let mine = try Program.run(fake.arguments())
    other.waitUntilExit()
    #expect(mine.code == 0 && other.terminationStatus == 0, "\(mine.errors)")
    #expect(fake.commands.count == Self.all && fake.counts.count == Self.all, "\(fake.commands)")
    let last = try Program.run(fake.arguments())
    #expect(last.errors == "Fake: 6 cells, 6 of them done\n", "\(last.errors)")
    #expect(fake.commands.count == Self.all)
  }

  @Test func aProcessWaitsForAPreTrainingThatAnotherIsAt() throws {
    let skip = ["--skip", "random"]
    try fake.setHolds(true)
    let first = try Program.start(fake.arguments() + skip)
    fake.wait(for: 1, first)
    let second = try Program.start(fake.arguments() + skip)
    usleep(500_000)
    #expect(second.isRunning && fake.commands.count == 1)
    try fake.setHolds(false)
    first.waitUntilExit()
    second.waitUntilExit()
    #expect(first.terminationStatus == 0 && second.terminationStatus == 0)
    #expect(fake.commands.count == 4 && fake.counts.count == 4)
  }

  @Test func whatIsWrongIsSaidInOneLine() throws {
    let spec = fake.arguments()[1]
    let cases: [([String], String)] = [
      (["transfer", spec, "--list"], "moco: --out is missing: a folder for the cells and the table.\n"),
      (
        fake.arguments("--set", "detect.stepz=3"),
        "moco: \(spec): random, cells, seed 1: Unknown option '--stepz'. Did you mean `--steps`? `moco detect --help` shows what "
          + "there is.\n"
      ),
      (
        fake.arguments("--set", "detect.recipe=small-c5"),
        "moco: \(spec): random, cells, seed 1: --recipe small-c5: there is no such recipe. Did you mean `small-c4`? There are "
      ),
      (
        fake.arguments("--set", "detect.steps=many"),
        "moco: \(spec): random, cells, seed 1: The value 'many' is invalid for '--steps <n>': give "
      ),
      (
        fake.arguments("--data", "cells"),
        "moco: --data cells: give a name of the spec and a path, as photos=/data/photos\n"
      ),
      (
        fake.arguments("--seeds", "0,x"),
        "moco: The value '0,x' is invalid for '--seeds <seeds>': give whole numbers with commas such as 1,2,3. "
          + "`moco transfer --help` shows what there is.\n"
      ),
      (
        fake.arguments("--start", "photos=\(fake.folder)/cells"),
        "moco: start photos: \(fake.folder)/cells: no weights in this folder. Give a run, a checkpoint or a file of weights.\n"
      ),
      (
        fake.arguments("--program", "/nowhere"),
        "moco: --program /nowhere: there is no such program. Give the path of one.\n"
      ),
    ]
    for (command, message) in cases {
      let result = try Program.run(command)
      #expect(
        result.code == 2 && result.errors.hasPrefix(message.trimmingCharacters(in: .newlines)),
        "\(result.errors)")
      #expect(result.errors.split(separator: "\n").count == 1)
    }
    #expect(fake.commands.isEmpty)
  }

  @Test func cellsThatAreNotAskedForAreRefused() throws {
    #expect(try Program.run(fake.arguments()).code == 0)
    let result = try Program.run(fake.arguments("--seeds", "2"))
    #expect(
      result.code == 2
        && result.errors
          == "moco: --out \(fake.out): the folder holds a cell that is not asked for (memory-bank,cells,seed=1). Choose another "
          + "folder, ask for its start, task and seed too, or remove the cell.\n",
      "\(result.errors)")
    // More of the same is welcome.
    let more = try Program.run(fake.arguments("--seeds", "1,2,3"))
    #expect(more.code == 0 && more.errors.hasPrefix("Fake: 8 cells, 6 of them done\n"), "\(more.errors)")
  }

  /// Every option of theirs is one of this program, and of use.
  @Test(arguments: [
    ("small", ["imagenette", "bccd", "pennfudan"], [String]()),
    ("dense", ["imagenette", "bccd"], []),
    ("table2", ["voc"], ["supervised", "MoCo IN-1M"]),
    ("table3", ["imagenet", "voc"], ["supervised"]),
    ("table5", ["coco"], ["supervised", "MoCo IN-1M", "MoCo IG-1B"]),
    (
      "table6", ["coco", "lvis", "cityscapes", "voc", "inaturalist"],
      ["supervised", "MoCo IN-1M", "MoCo IG-1B"]
    ),
  ]) func readySpecsAreCommandsOfThisProgram(spec: String, data: [String], starts: [String]) throws {
    let result = try Program.run(
      ["transfer", spec, "--list", "--out", fake.out] + data.flatMap { ["--data", "\($0)=\(fake.folder)"] }
        + starts.flatMap { ["--start", "\($0)=\(fake.arguments()[1])"] })
    #expect(result.code == 0 && result.errors.isEmpty, "\(result.errors)")
    #expect(
      result.output.split(separator: "\n").allSatisfy { $0.hasSuffix(": to do") } && !result.output.isEmpty)
  }

  @Test func aSpecIsPrintedToBeChanged() throws {
    let printed = try Program.run(["transfer", "small", "--print-spec"])
    #expect(printed.code == 0 && printed.errors.isEmpty && printed.output.hasPrefix("title: Small transfer"))
  }

  // MARK: - With the program itself

  /// Random weights against those of two epochs, by neighbours and a linear classifier.
  @Test func encodersOfThisProgramAreCompared() throws {
    let images = try makeColourFolder(imagesPerClass: 8)
    let folder = temporaryFolder()
    let spec = folder + "/spec.yaml"
    try """
    title: Colours
    data: {colours: class folders}
    pretrain:
      data: "{colours}"
      recipe: cifar
      settings: {arch: resnet8, image-size: 16, batch-size: 8, bn-splits: 2, moco-k: 12, epochs: 2, workers: 1, device: cpu}
    starts:
      - {name: random, weights: random}
      - {name: queue, pretrain: {settings: {mechanism: queue}}}
      - {name: nothing, weights: "\(spec)"}
    tasks:
      - {name: neighbours, command: knn, train: "{colours}", test: "{colours}", settings: {k: 3}}
      - {name: linear, command: linear, recipe: v2, train: "{colours}", test: "{colours}", settings: {epochs: 2, batch-size: 8, cached: true}}
    """.write(toFile: spec, atomically: true, encoding: .utf8)
    let out = folder + "/out"
    let result = try Program.run("transfer", spec, "--data", "colours=\(images)", "--out", out)
    #expect(result.code == 0, "\(result.errors)")
    let lines = try String(contentsOfFile: out + "/results.csv", encoding: .utf8).split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    #expect(lines.count == 1 + 6)
    for line in lines.dropFirst().prefix(4) {
      #expect(line[4] == "finished" && (0...100).contains(Double(line[6]) ?? -1), "\(line)")
    }
    // A file of no weights fails by itself.
    #expect(
      lines.suffix(2).allSatisfy { $0[4] == "failed" && $0[9].contains("import of nothing failed") },
      "\(lines)")
  }

  // MARK: - In a browser

  /// Screenshots stay here; git ignores the folder.
  private static let artifacts = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: ".build/artifacts-transfer").path

  @Test(.enabled(if: Browser.found != nil, "no chromium on the PATH; set CHROMIUM to one"))
  func aBrowserShowsThePageWithoutErrorsAtAnyWidth() throws {
    let browser = try #require(Browser.found)
    try fake.setFails(true)
    #expect(try Program.run(fake.arguments()).code == 0)
    let page = fake.out + "/results.html"
    try FileManager.default.createDirectory(
      atPath: TransferCommandTests.artifacts, withIntermediateDirectories: true)
    for width in [1200, 390, 320] {
      let look = try browser.look(at: page, width: width)
      #expect(look.console == [] && look.broken == [] && look.fetched == [])
      #expect(look.width == width && look.content <= width, "\(look.content) pixels in a window of \(width)")
      for dark in [false, true] where width != 320 {
        let picture = "\(TransferCommandTests.artifacts)/\(width)-\(dark ? "dark" : "light").png"
        try browser.photograph(page, width: width, height: look.height, dark: dark, to: picture)
        let seen = try ImageDecoder().decode(contentsOf: picture)
        #expect(seen.height == look.height)
        let ground = seen[2, 2]
        #expect(dark ? ground.red < 60 : ground.red > 200, "the ground of \(picture) is \(ground)")
      }
    }
    print("Screenshots of a transfer table: \(TransferCommandTests.artifacts)")
  }
}
