import Files
import Foundation
import Methods
import TestSupport
import Testing
@testable import Reports
@testable import Training

@Suite struct AblationSpecTests {
  @Test(arguments: zip(AblationSpec.Ready.allCases, [10, 5, 6, 3, 5, 18, 9]))
  func everyReadySpecHasItsCells(ready: AblationSpec.Ready, count: Int) throws {
    let spec = try AblationSpec(ready.rawValue)
    #expect(spec.cells.count == count && !spec.title.isEmpty && !spec.note.isEmpty)
    #expect(Set(spec.cells.map(\.name)).count == count)
  }

  @Test func aGridIsEveryCombinationOverTheRecipeAndTheSharedKeys() throws {
    let spec = try AblationSpec(
      yaml: """
        title: T
        recipe: cifar
        settings: {epochs: 7, schedule: [3, 5]}
        seeds: [4, 9]
        grid: {moco-t: [0.1, 0.2]}
        groups:
          - name: queue
            grid: {moco-k: [64, 128, 256]}
          - name: end to end
            recipe: v1
            settings: {mechanism: end-to-end, epochs: 8}
        """, source: "spec.yaml")
    #expect(spec.seeds == [4, 9])
    #expect(
      spec.cells.map(\.label) == [
        "queue, moco-t 0.1, moco-k 64", "queue, moco-t 0.1, moco-k 128", "queue, moco-t 0.1, moco-k 256",
        "queue, moco-t 0.2, moco-k 64", "queue, moco-t 0.2, moco-k 128", "queue, moco-t 0.2, moco-k 256",
        "end to end, moco-t 0.1", "end to end, moco-t 0.2",
      ])
    #expect(spec.cells[5].name == "queue,moco-t=0.2,moco-k=256")
    #expect(spec.cells[6].name == "end-to-end,moco-t=0.1")
    var expected = try RunConfig.recipe("cifar")
    (expected.epochs, expected.schedule, expected.mocoT, expected.mocoK) = (7, .milestones([3, 5]), 0.2, 256)
    #expect(spec.cells[5].config == expected)
    let last = spec.cells[7].config
    #expect(last.mechanism == .endToEnd && last.epochs == 8 && last.batchSize == 256 && last.imageSize == 224)
    #expect(spec.cells[5].config(seed: 9).seed == 9)
  }

  @Test func listsCanBeValuesOfAGrid() throws {
    let spec = try AblationSpec(
      yaml: "recipe: cifar\ngrid: {schedule: [cosine, [120, 160]]}", source: "spec.yaml")
    #expect(spec.cells.map(\.config.schedule) == [.cosine, .milestones([120, 160])])
    #expect(spec.cells.map(\.label) == ["schedule cosine", "schedule 120, 160"])
  }

  @Test func optionsGoUnderWhatIsCompared() throws {
    let spec = try AblationSpec("momentum") { config in
      var config = config
      config.epochs = 2
      return config
    }
    #expect(spec.cells.map(\.config.epochs) == [2, 2, 2, 2, 2])
    #expect(spec.cells.map(\.config.mocoM) == [0, 0.9, 0.99, 0.999, 0.9999])
    #expect(
      throws: UsageError(
        "--moco-m 0.5: the spec itself sets moco-m, to 0.0 for one. Leave the option out, or change a copy of the spec: "
          + "`moco ablate momentum --print-spec > mine.yaml`."
      )
    ) {
      try AblationSpec("momentum") { config in
        var config = config
        config.mocoM = 0.5
        return config
      }
    }
  }

  @Test func minutesAreASettingOfAllRuns() throws {
    let spec = try AblationSpec(
      yaml: "recipe: cifar\nsettings: {minutes: 10}\ngrid: {moco-t: [0.1, 0.2]}", source: "spec.yaml")
    #expect(spec.cells.allSatisfy { $0.config.isUndecided && $0.config.minutes == 10 })
    #expect(spec.cells[0].config.effectiveValues["epochs"] == nil)
    let option = try AblationSpec(
      yaml: "recipe: cifar\nsettings: {minutes: 10}\ngrid: {moco-t: [0.1, 0.2]}", source: "spec.yaml"
    ) { try KeyArguments(["--epochs", "3"]).applied(to: $0) }
    #expect(option.cells.allSatisfy { $0.config.minutes == nil && $0.config.epochs == 3 })
  }

  /// Each has decided its own number of steps, which its log begins with.
  @Test func aRunWithinMinutesIsWholeAfterItsOwnSteps() throws {
    let spec = try AblationSpec(yaml: "recipe: cifar\nsettings: {minutes: 10}", source: "spec.yaml")
    let (cell, runs) = (spec.cells[0], temporaryFolder())
    var config = cell.config(seed: 1)
    config.steps = 6
    let folder = try RunFolder("\(runs)/\(cell.name),seed=1")
    try folder.write(config)
    let log = try RunLog(path: folder.logPath, resumingFrom: 0)
    let host = RunEvent.Host(
      system: "s", cores: 2, threads: 2, device: "cpu", libtorch: "2.11.0", cpuCapability: "AVX2")
    try log.write(.start(.init(time: "", config: config, data: "600 images", images: 600, host: host)))
    let data = AblationData(fingerprint: 1, count: 600, knnFingerprints: [1, 1], searched: 599)
    for (step, isWhole) in [(5, false), (6, true)] {
      try log.write(
        .step(.init(step: step, epoch: Double(step), loss: 6, lr: 0.06, imagesPerSecond: 1, dataWait: 0)))
      try log.write(.knn(.init(step: step, epoch: Double(step), top1: 50)))
      try log.write(.end(.init(status: .finished, step: step, seconds: 1)))
      let run = try AblationRun(cell, seed: 1, in: runs, data: data)
      #expect(run.state == (isWhole ? .finished : .pending))
    }
  }

  static let wrong: [(yaml: String, message: String)] = [
    ("- 1", "s.yaml: expected lines of `key: value`."),
    (
      "recipe: cifar\ngroup: []",
      "s.yaml: there is no key `group`. Did you mean `groups`? "
        + "A spec has title, note, recipe, settings, seeds, grid and groups."
    ),
    ("title: T", "s.yaml: `recipe` is missing: the name of a recipe, or the path of a .yaml file."),
    (
      "recipe: cifar\ngrid: {epoch: [1]}",
      "s.yaml: there is no key `epoch`. Did you mean `epochs`? `moco pretrain --print-config` shows all keys."
    ),
    ("recipe: cifar\ngrid: {moco-m: 0.9}", "s.yaml: `grid`: `moco-m` needs a list of values such as [1, 2]."),
    ("recipe: cifar\ngrid: {seed: [1, 2]}", "s.yaml: `grid`: give `seeds: [1, 2]` instead of seed."),
    ("recipe: cifar\nsettings: {seed: 5}", "s.yaml: `settings`: give `seeds: [1, 2]` instead of seed."),
    (
      "recipe: cifar\nseeds: [1, 1]",
      "s.yaml: `seeds`: expected a list of different whole numbers such as [1, 2, 3]."
    ),
    (
      "recipe: cifar\nseeds: 3",
      "s.yaml: `seeds`: expected a list of different whole numbers such as [1, 2, 3]."
    ),
    ("recipe: cifar\ngroups:\n  - {settings: {}}", "s.yaml: `groups`: every group needs a name."),
    (
      "recipe: cifar\ngrid: {moco-m: [0.9, 0.9]}",
      "s.yaml: there are two cells moco-m 0.9, or two whose folders have the same name: give groups other names."
    ),
    (
      "recipe: cifar\nsettings: {mechanism: end-to-end}\ngrid: {moco-k: [64, 128]}",
      "s.yaml: cells moco-k 64 and moco-k 128 would train the same; what differs has no effect on them."
    ),
    (
      "recipe: cifer",
      "s.yaml: --recipe cifer: there is no such recipe. Did you mean `cifar`? There are v1, v2, ig1b, v3-resnet50, v3-vit-small, "
        + "v3-vit-base, densecl, mae, moco-mae, cifar, demo, laptop, simclr, byol, simsiam, barlow-twins, instdisc, local-agg, cpc, rotation, "
        + "jigsaw, relative-position, colorization, exemplar, multi-task, or the path of a .yaml file."
    ),
    (
      "recipe: cifar\ngrid: {moco-m: [1.5]}",
      "s.yaml: cell moco-m 1.5: --moco-m 1.5: the momentum lies in [0, 1); 0.999 is usual. "
        + "Or change s.yaml."
    ),
    (
      "recipe: cifar\ngrid: {knn-limit: [10, 20]}",
      "s.yaml: cell knn-limit 20 is measured on other images than knn-limit 10; numbers can only be compared with the "
        + "same knn-train, knn-test and knn-limit."
    ),
    ("recipe: cifar\nsettings: {moco-m: abc}", "s.yaml: `moco-m`: expected a number, not `abc`."),
    ("recipe: cifar\nsettings: {epochs: 2.5}", "s.yaml: `epochs`: expected a whole number, not `2.5`."),
    (
      "recipe: cifar\nsettings: {minutes: 1, epochs: 5}",
      "s.yaml: --minutes and --epochs contradict each other: the number of steps follows from the minutes. Give one of them."
    ),
    ("recipe: cifar\nsettings: {mlp: maybe}", "s.yaml: `mlp`: expected true or false, not `maybe`."),
    ("recipe: cifar\nsettings: {moco-k: [1, 2]}", "s.yaml: `moco-k`: expected one value, not a list."),
    (
      "recipe: cifar\ngrid: {views: [v1, v9]}",
      "s.yaml: `views`: there is no `v9`. Did you mean `v1`? There are v1, v2, v3, cifar, mae, moco-mae, demo."
    ),
  ]

  @Test(arguments: wrong) func whatIsWrongIsSaid(yaml: String, message: String) {
    #expect(throws: UsageError(message)) { try AblationSpec(yaml: yaml, source: "s.yaml") }
  }

  @Test func anUnknownSpecIsSaidWithTheNearest() {
    #expect(
      throws: UsageError(
        "momentun: there is no such spec. Did you mean `momentum`? There are mechanisms, momentum, temperature, "
          + "shuffle-bn, v2-steps, methods, masked, or the path of a .yaml file.")
    ) { try AblationSpec("momentun") }
  }

  @Test func spreadIsTheSamplesMeanAndDeviation() throws {
    let spread = try #require(Spread([2, 4, 4, 4, 5, 5, 7, 9]))
    #expect(spread.mean == 5)
    // The squares of the distances from the mean add up to 32.
    #expect(spread.deviation == (32.0 / 7).squareRoot())
    #expect(Spread([3])?.deviation == nil && Spread([]) == nil)
  }
}
