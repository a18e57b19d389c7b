import Foundation
import Testing

/// What a folder of `moco ablate` holds goes into a table only where it is what was asked for.
@Suite(.serialized) struct AblationFolderTests {
  private let small: SmallAblation
  private let spec: String
  private var out: String { small.out }
  private var run: String { "\(out)/runs/moco-t=0.1,seed=1" }

  /// With one run that has come to its end, after 6 steps.
  init() throws {
    small = try SmallAblation()
    spec = try small.spec("title: T\nrecipe: cifar\ngrid: {moco-t: [0.1]}")
    let done = try Program.run(small.arguments(spec))
    try #require(done.code == 0, "\(done.errors)")
  }

  private func complaint(_ arguments: [String]) throws -> String {
    let before = try small.text("results.md")
    let result = try Program.run(arguments)
    #expect(result.code == 2 && result.output.isEmpty, "\(result.code) \(result.output)")
    #expect(try small.text("results.md") == before)
    return result.errors
  }

  @Test func anotherMeasurementIsRefused() throws {
    #expect(
      try complaint(small.arguments(spec, "--knn-limit", "5"))
        == "moco: \(run): cell moco-t 0.1 was measured on other images. Choose another --out, or give that command's "
        + "--knn-train, --knn-test and --knn-limit.\n")
  }

  @Test func fewerStepsAreRefusedAndMoreAreMade() throws {
    #expect(
      try complaint(small.arguments(spec, "--steps", "4"))
        == "moco: \(run): cell moco-t 0.1 has made 6 steps, and 4 are asked for. Choose another --out, or ask for at "
        + "least as many.\n")
    let first = out
    let shorter = try Program.run(small.arguments(spec, "--steps", "4", "--out", first + "-4"))
    #expect(shorter.code == 0, "\(shorter.errors)")
    let longer = try Program.run(small.arguments(spec, "--out", first + "-4"))
    #expect(longer.code == 0 && longer.errors.contains("resumed   after step 4"), "\(longer.errors)")
    func table(_ folder: String) throws -> Substring? {
      try String(contentsOfFile: folder + "/results.md", encoding: .utf8).split(separator: "\n").first {
        $0.hasPrefix("| 0.1 |")
      }
    }
    #expect(try table(first) != nil && table(first) == table(first + "-4"))
  }

  @Test func anotherSpecsRunsAreRefused() throws {
    let other = try small.spec("title: Other\nrecipe: cifar\ngrid: {moco-m: [0.9]}")
    #expect(
      try complaint(small.arguments(other))
        == "moco: --out \(out): the folder holds a run that is not asked for (moco-t=0.1,seed=1). Choose another folder, "
        + "ask for its cell and seed too, or remove the run.\n")
    #expect(
      try complaint(small.arguments(spec, "--seeds", "2")).contains("not asked for (moco-t=0.1,seed=1)"))
    // More of the same is welcome.
    let more = try small.spec("title: More\nrecipe: cifar\ngrid: {moco-t: [0.1, 0.2]}")
    let result = try Program.run(small.arguments(more))
    #expect(result.code == 0 && result.errors.contains("More: 2 runs, 1 of them done"), "\(result.errors)")
  }

  @Test func aDamagedLogIsNamedWithItsRemedy() throws {
    try "{}\n".write(toFile: run + "/log.jsonl", atomically: true, encoding: .utf8)
    let list = try Program.run(small.arguments(spec, "--list"))
    #expect(list.output == "moco-t 0.1, seed 1: begun\n")
    let result = try Program.run(small.arguments(spec))
    #expect(result.code == 1)
    #expect(
      result.errors.hasSuffix(
        "moco: \(run): the run has come to its end, but its log.jsonl does not tell what came out: it was damaged. "
          + "Remove the folder, and the same command trains the run again.\n"), "\(result.errors)")
  }

  @Test func aRunWithoutItsConfigurationIsNamedWithItsRemedy() throws {
    try FileManager.default.removeItem(atPath: run + "/config.yaml")
    #expect(
      try complaint(small.arguments(spec))
        == "moco: \(run): there is no config.yaml beside what a run left there. Remove the folder, and the same command "
        + "trains the run again.\n")
  }

  /// An end-to-end dictionary is the batch: whatever moco-k the recipe has, it is not told.
  @Test func groupsAreExplainedAndNamesStayInTheirFields() throws {
    let groups = try small.spec(
      """
      title: Two
      recipe: cifar
      groups:
        - {name: "a|b", settings: {mechanism: end-to-end, batch-size: 12}}
        - {name: queue, grid: {moco-t: [0.1, 0.2]}}
      """)
    let folder = out + "-groups"
    var arguments = small.arguments(groups, "--out", folder)
    let at = try #require(arguments.firstIndex(of: "--batch-size"))
    arguments.removeSubrange(at...at + 1)
    arguments += ["--bn-splits", "1"]
    let shrunk = try Program.run(arguments)
    #expect(
      shrunk.code == 2
        && shrunk.errors
          == "moco: \(groups): cell queue, moco-t 0.1: --batch-size 512: the data set has only 24 images. Use "
          + "--batch-size 24, or more images. Or change \(groups).\n",
      "\(shrunk.errors)")
    let smaller = try small.spec(
      try String(contentsOfFile: groups, encoding: .utf8).replacing(
        "recipe: cifar", with: "recipe: cifar\nsettings: {batch-size: 8}"))
    arguments[1] = smaller
    let result = try Program.run(arguments)
    #expect(result.code == 0, "\(result.errors)")
    let table = try String(contentsOfFile: folder + "/results.md", encoding: .utf8)
    #expect(table.contains("| a\\|b |  | ") && table.contains("| queue | 0.2 | "), "\(table)")
    #expect(
      table.contains(
        "\n- a|b: mechanism end-to-end, moco-t 0.1, batch-size 12\n- queue: mechanism queue, moco-k 12, moco-m 0.99, batch-size 8\n"
      ),
      "\(table)")
    let csv = try String(contentsOfFile: folder + "/results.csv", encoding: .utf8)
    #expect(csv.hasPrefix("group,moco-t,mechanism,moco-k,moco-m,batch-size,seed,"), "\(csv)")
    #expect(
      csv.contains("\na|b,0.1,end-to-end,,,12,1,finished,")
        && csv.contains("\nqueue,0.2,queue,12,0.99,8,1,finished,"))
    // A cell without the grid's key has its bar.
    let figure = try String(contentsOfFile: folder + "/knn.svg", encoding: .utf8)
    #expect(figure.contains("a|b") && figure.contains("queue, 0.2"))
  }

  @Test func aSpecIsPrintedToBeChanged() throws {
    let printed = try Program.run(["ablate", "momentum", "--print-spec"])
    #expect(printed.code == 0 && printed.errors.isEmpty && printed.output.hasPrefix("title: Momentum"))
    let copy = try small.spec(printed.output)
    let list = try Program.run(small.arguments(copy, "--out", out + "-copy", "--list"))
    #expect(list.output.split(separator: "\n").count == 5, "\(list.errors)")
  }

  @Test func imagesWithoutClassesNeedOthersToSearch() throws {
    var arguments = small.arguments(spec, "--out", out + "-flat")
    arguments[2] = small.data + "/class0"
    let result = try Program.run(arguments)
    #expect(
      result.code == 2
        && result.errors
          == "moco: \(small.data)/class0: these are images without classes; every run is measured by kNN. Give "
          + "--knn-train, labelled images that it searches.\n",
      "\(result.errors)")
  }
}
