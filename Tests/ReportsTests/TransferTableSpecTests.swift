import Files
import Foundation
import TestSupport
import Testing
@testable import Reports

@Suite struct TransferTableSpecTests {
  /// Two starts and three tasks.
  static let text = """
    title: T
    seeds: [1, 2]
    data: {cells: a folder}
    pretrain: {data: "{cells}/images", recipe: cifar, settings: {arch: resnet8, epochs: 7}}
    starts:
      - {name: random, weights: random}
      - {name: Memory bank, pretrain: {settings: {mechanism: memory-bank, epochs: 3}}}
    tasks:
      - name: blood cells
        command: detect
        recipe: small-c4
        train: "{cells}:train"
        test: "{cells}:test"
        settings: {steps: 5, decay-at: [3, 4], masks: false, flip: 0.5}
      - {name: kNN, command: knn, train: a, test: b, settings: {k: 20, baselines: false}}
      - {name: linear, command: linear, train: a, test: b, settings: {cached: true}, seeds: [4]}
    """

  private func options(
    data: [String] = [], starts: [String] = [], set: [String] = [], skip: [String] = [],
    seeds: [UInt64]? = nil
  ) -> TransferTableOptions {
    var options = TransferTableOptions()
    options.data = data.compactMap(TransferTableOptions.Pair.init)
    options.starts = starts.compactMap(TransferTableOptions.Pair.init)
    options.settings = set.compactMap(TransferTableOptions.Pair.init)
    (options.skipped, options.seeds) = (skip, seeds)
    return options
  }

  private func spec(_ text: String = text, _ given: TransferTableOptions? = nil) throws -> TransferTableSpec {
    try TransferTableSpec(yaml: text, source: "s.yaml", given ?? options(data: ["cells=/tmp"]))
  }

  // MARK: - Cells

  @Test func cellsAreStartsByTasksBySeeds() throws {
    // kNN has no chance but in a random start; linear has a seed of its own.
    #expect(
      try spec().cells.map(\.label) == [
        "random, blood cells, seed 1", "random, blood cells, seed 2", "random, kNN, seed 1",
        "random, kNN, seed 2", "random, linear, seed 4", "Memory bank, blood cells, seed 1",
        "Memory bank, blood cells, seed 2", "Memory bank, kNN", "Memory bank, linear, seed 4",
      ])
    #expect(
      try spec().cells.map(\.name).suffix(3) == [
        "memory-bank,blood-cells,seed=2", "memory-bank,knn", "memory-bank,linear,seed=4",
      ])
  }

  @Test func aCellIsACommandOfThisProgram() throws {
    let spec = try spec()
    func words(_ cell: Int, _ weights: String?) -> String {
      spec.cells[cell].arguments(weights: weights).map(spec.resolved).joined(separator: " ")
    }
    #expect(
      words(1, nil)
        == "detect --init random --train /tmp:train --test /tmp:test --recipe small-c4 --steps 5 --decay-at 3,4 "
        + "--no-masks --flip 0.5 --seed 2 --out {out}/cells/random,blood-cells,seed=2/run")
    // A flag that is off is left out where commands have no form for it.
    #expect(words(2, "w") == "knn w --train a --test b --k 20 --json")
    let tuned = try self.spec(
      TransferTableSpecTests.text.replacing("command: linear", with: "command: finetune"))
    #expect(
      tuned.cells[4].arguments(weights: "w").joined(separator: " ")
        == "finetune w --train a --test b --cached --seed 4 --checkpoints {out}/cells/random,linear,seed=4/checkpoints --json"
    )
    #expect(words(4, "w") == "linear w --train a --test b --cached --seed 4 --json")
  }

  @Test func preTrainingsComeFirstAndAreShared() throws {
    try withFolder { out in
      let jobs = try TransferTableJobs(spec(), out: out, digests: [:])
      #expect(
        jobs.all.map(\.label).filter { !$0.contains("blood") } == [
          "network of random, seed 1", "random, kNN, seed 1", "network of random, seed 2",
          "random, kNN, seed 2", "network of random, seed 4", "random, linear, seed 4",
          "pre-training of Memory bank", "Memory bank, kNN", "Memory bank, linear, seed 4",
        ])
      let pretrain = try #require(jobs.all.first { $0.label == "pre-training of Memory bank" })
      #expect(
        pretrain.arguments == [
          "pretrain", "/tmp/images", "--recipe", "cifar", "--arch", "resnet8", "--epochs", "3", "--mechanism",
          "memory-bank", "--out", "{out}/starts/memory-bank/run",
        ])
      #expect(pretrain.folder == out + "/starts/memory-bank")
      let cell = try #require(jobs.all.last)
      #expect(cell.arguments[1] == "{out}/starts/memory-bank/run" && cell.readiness == .blocked)
      #expect(jobs.all[0].readiness == .ready && jobs.all[0].state == .pending)
    }
  }

  @Test func filesOfOtherProgramsAreImportedForTasksThatNeedAnEncoder() throws {
    try withFolder { folder in
      let file = folder + "/resnet.pth"
      try put([1, 2, 3], at: file)
      let spec = try spec(
        TransferTableSpecTests.text, options(data: ["cells=/tmp"], starts: ["R=\(file)"], seeds: [1]))
      let jobs = try TransferTableJobs(spec, out: folder + "/out", digests: [:])
      let own = jobs.all.filter { $0.label.contains("R") }
      #expect(own.map(\.label) == ["import of R", "R, blood cells, seed 1", "R, kNN", "R, linear, seed 4"])
      #expect(own[0].arguments == ["import", file, "--out", "{out}/starts/r/encoder.safetensors"])
      #expect(own[1].arguments[1] == file && own[2].arguments[1] == "{out}/starts/r/encoder.safetensors")
    }
  }

  // MARK: - Options

  @Test func settingsAreOfAStartATaskOrItsCommand() throws {
    let given = options(
      data: ["cells=/tmp"],
      set: [
        "detect.steps=9", "blood-cells.lr=0.1", "pretrain.epochs=1", "kNN.k=5",
        "blood cells.recipe=small-fpn",
      ])
    let spec = try spec(TransferTableSpecTests.text, given)
    #expect(spec.tasks[0].settings["steps"] == "9" && spec.tasks[0].settings["lr"] == "0.1")
    #expect(spec.tasks[0].recipe == "small-fpn" && spec.tasks[1].settings["k"] == "5")
    #expect(spec.network?.settings["epochs"] == "1")
    guard case .pretrained(let run) = spec.starts[1].weights else { throw Unthrown() }
    #expect(run.settings["epochs"] == "1" && run.settings["mechanism"] == "memory-bank")
  }

  @Test func rowsAndColumnsCanBeLeftOutAndRowsAdded() throws {
    let given = options(starts: ["mine=/tmp"], skip: ["memory-bank", "blood cells"], seeds: [3])
    // No task needs the place any more.
    let spec = try spec(TransferTableSpecTests.text, given)
    #expect(spec.starts.map(\.name) == ["random", "mine"] && spec.tasks.map(\.name) == ["kNN", "linear"])
    #expect(spec.starts[1].weights == .file("/tmp") && spec.seeds == [3])
  }

  @Test func differencesAreToTheFirstStartOrTheNamedOne() throws {
    #expect(try spec().baseline.name == "random")
    let named = TransferTableSpecTests.text + "\nbaseline: Memory bank"
    #expect(try spec(named).baseline.name == "Memory bank")
    #expect(try spec(named, options(skip: ["memory-bank", "blood-cells"])).baseline.name == "random")
  }

  // MARK: - Ready specs

  @Test(arguments: zip(TransferTableSpec.Ready.allCases, [16, 9, 6, 5, 16, 24]))
  func everyReadySpecHasItsCells(ready: TransferTableSpec.Ready, count: Int) throws {
    let text = try TransferTableSpec.text(ready.rawValue)
    let places = [
      "imagenette", "bccd", "pennfudan", "voc", "imagenet", "coco", "lvis", "cityscapes", "inaturalist",
    ]
    let rows = ["supervised", "MoCo IN-1M", "MoCo IG-1B"].filter { text.contains("{name: \($0)}") }
    let spec = try TransferTableSpec(
      ready.rawValue,
      options(
        data: places.filter { text.contains("\n  \($0): ") }.map { "\($0)=/tmp" },
        starts: rows.map { "\($0)=/tmp" }))
    #expect(spec.cells.count == count && !spec.title.isEmpty && !spec.note.isEmpty)
    #expect(Set(spec.cells.map(\.name)).count == count)
  }

  // MARK: - Ends

  /// The command alone has had the signal, and has saved.
  @Test(arguments: ["finetune", "linear"]) func aCommandThatSavesIsStoppedByItsSignal(command: String) throws
  {
    let text = TransferTableSpecTests.text.replacing("command: linear", with: "command: \(command)")
    try withFolder { out in
      let jobs = try TransferTableJobs(spec(text), out: out, digests: [:])
      let cell = try #require(jobs.cells.last)
      let end = TransferTableEnd(.exited(code: 143), of: cell, asked: nil)
      #expect(end == (command == "finetune" ? .stopped(nil) : .failed("the command ended with code 143")))
    }
  }

  // MARK: - Errors

  static let wrong: [(yaml: String, message: String)] = [
    ("- 1", "s.yaml: expected lines of `key: value`."),
    (
      text.replacing("starts:", with: "start:"),
      "s.yaml: there is no key `start`. Did you mean `starts`? A spec has title, note, seeds, data, pretrain, starts, "
        + "tasks, baseline and published."
    ),
    ("title: T", "s.yaml: `starts`: expected a list, each with a name."),
    ("starts: [{weights: random}]", "s.yaml: `starts`: every start needs a name."),
    (
      "starts: [{name: a, pretrain: {recipe: cifar}}]",
      "s.yaml: start a: `data` of its pre-training is missing: in its own `pretrain`, or in that of the whole spec."
    ),
    (
      "starts: [{name: a, weights: b, pretrain: {}}]",
      "s.yaml: start a: `weights` and `pretrain` contradict each other: give one of them."
    ),
    (
      text.replacing("command: knn", with: "command: knm"),
      "s.yaml: task kNN: `command`: there is no `knm`. Did you mean `knn`? There are detect, segment, finetune, linear, "
        + "knn."
    ),
    (
      text.replacing("    recipe: small-c4\n", with: ""),
      "s.yaml: task blood cells: `recipe` is missing: the name of a recipe of `moco detect`."
    ),
    (
      text.replacing("command: knn,", with: "command: knn, recipe: v2,"),
      "s.yaml: task kNN: knn has no recipes. Leave `recipe` out."
    ),
    (
      text.replacing("command: knn, train: a,", with: "command: knn,"),
      "s.yaml: task kNN: `train` is missing: the images to learn from."
    ),
    (
      text.replacing("steps: 5", with: "seed: 5"),
      "s.yaml: task blood cells: `settings`: give `seeds: [1, 2]` instead of seed."
    ),
    (
      text.replacing("steps: 5", with: "steps: {a: 5}"),
      "s.yaml: task blood cells: `steps`: expected a value, or a list of values."
    ),
    (
      text.replacing("seeds: [4]", with: "metrics: top-1"),
      "s.yaml: task linear: `metrics`: expected a list of different names such as [AP50, AP, AP75]."
    ),
    (
      text.replacing("seeds: [4]", with: "metrics: [top1]"),
      "s.yaml: task linear: `metrics`: there is no `top1` of linear. Did you mean `top-1`? There are top-1, top-5."
    ),
    (
      text.replacing("    settings: {steps", with: "    metrics: [AP50, sgm/AP]\n    settings: {steps"),
      "s.yaml: task blood cells: `metrics`: there is no `sgm/AP` of detect. Did you mean `segm/AP`? There are AP, AP50, "
        + "AP75, APs, APm, APl, APr, APc, APf, AR, AR1, AR10, AR100, AR50, AR75, ARs, ARm, ARl, AR@300, ARs@300, ARm@300, "
        + "ARl@300, and as segm/AP those of masks or keypoints alone."
    ),
    (
      text.replacing("command: knn,", with: "command: segment, recipe: small-fcn, metrics: [mIOUx, pACC],"),
      "s.yaml: task kNN: `metrics`: there is no `mIOUx` of segment. Did you mean `mIoU`? There are mIoU, fwIoU, mACC, "
        + "pACC, iIoU, IoU category, iIoU category."
    ),
    (
      text.replacing("{cells}:train", with: "{cell}:train"),
      "s.yaml: task blood cells: `data` has no `cell`. Did you mean `cells`? Name it there with its meaning, or write a "
        + "path."
    ),
    (
      text.replacing("{cells: a folder}", with: "{out: a folder}"),
      "s.yaml: `data`: `out` is no name of a place: small letters, digits and hyphens, and not `out`."
    ),
    (
      text.replacing("name: kNN", with: "name: Random"),
      "s.yaml: two starts or tasks are called Random, or have names that are the same for a folder: give them others."
    ),
    (
      text + "\nbaseline: randon",
      "s.yaml: `baseline`: there is no start randon. Did you mean `random`?"
    ),
    (
      text + "\npublished: {values: {random: {kNN: {top-5: 3}}}}",
      "s.yaml: `published`: there is no metric of kNN top-5. Did you mean `top-1`?"
    ),
    (
      text + "\npublished: {values: {random: {kNN: {top-1: high}}}}",
      "s.yaml: `published`: expected a number, not `high`."
    ),
  ]

  @Test(arguments: wrong) func whatIsWrongIsSaid(yaml: String, message: String) {
    #expect(throws: UsageError(message)) {
      try TransferTableSpec(
        yaml: yaml, source: "s.yaml", options(data: yaml.contains("{cells: a") ? ["cells=/tmp"] : []))
    }
  }

  @Test func aRandomNetworkThatIsNotDescribedIsRefusedOnlyWhereItIsNeeded() throws {
    let text = TransferTableSpecTests.text.split(separator: "\n").filter {
      !$0.hasPrefix("pretrain:") && !$0.contains("Memory")
    }
    .joined(separator: "\n")
    #expect(
      throws: UsageError(
        "s.yaml: task kNN measures a whole encoder, and the network of start random is not known: give the spec "
          + "`pretrain` with a recipe and settings, or --skip one of them.")
    ) { try spec(text) }
    #expect(try spec(text, options(data: ["cells=/tmp"], skip: ["kNN", "linear"])).cells.count == 2)
  }

  @Test func dataAndWeightsThatNobodyNamedAreListed() throws {
    #expect(
      throws: UsageError(
        "s.yaml needs data that the command line does not name: --data cells=PATH (a folder). Give them, or leave their "
          + "tasks out with --skip.")
    ) { try spec(TransferTableSpecTests.text, options()) }
    let open = TransferTableSpecTests.text.replacing(
      "{name: random, weights: random}", with: "{name: my start}")
    #expect(
      throws: UsageError(
        "s.yaml needs weights that the command line does not name: --start 'my start=FILE'. Give them, or leave the rows "
          + "out with --skip.")
    ) { try spec(open) }
  }

  @Test func wrongOptionsAreNamed() throws {
    let cases: [(TransferTableOptions, String)] = [
      (
        options(data: ["cell=/tmp"]),
        "--data cell=/tmp: the spec has no such data. Did you mean `cells`? It takes cells."
      ),
      (
        options(data: ["cells=/nowhere"]),
        "--data cells=/nowhere: there is no such file or folder. Check the path."
      ),
      (
        options(data: ["cells=/tmp"], starts: ["a=/nowhere"]),
        "start a: /nowhere: there is no such file or folder. Check the path."
      ),
      (
        options(set: ["steps=3"]),
        "--set steps=3: say whose setting it is: pretrain.steps, or that of a start, a task or its command, as detect.steps."
      ),
      (
        options(set: ["detekt.steps=3"]),
        "--set detekt.steps=3: nothing here is called `detekt`. Did you mean `detect`? There are pretrain, detect, knn, "
          + "linear, blood cells, kNN, Memory bank."
      ),
      (options(set: ["detect.seed=3"]), "--set detect.seed=3: a table has several; give --seeds 1,2,3."),
      (
        options(skip: ["kNM"]),
        "--skip kNM: the spec has no such start or task. Did you mean `kNN`? There are random, Memory bank, blood cells, "
          + "kNN, linear."
      ),
      (options(skip: ["random", "memory-bank"]), "--skip memory-bank: nothing is left to be compared."),
    ]
    for (given, message) in cases {
      #expect(throws: UsageError(message)) { try spec(TransferTableSpecTests.text, given) }
    }
  }

  @Test func anUnknownSpecIsSaidWithTheNearest() {
    #expect(
      throws: UsageError(
        "tabel2: there is no such spec. Did you mean `table2`? There are small, dense, table2, table3, table5, table6, or the path "
          + "of a .yaml file.")
    ) { try TransferTableSpec("tabel2") }
  }
}
