import Data
import Files
import Foundation
import Images
import Methods
import TestSupport
import Testing
import Torch
import Weights
@testable import Training

/// Runs on shards that break, by their index. Serialized: signals are the process's.
@Suite(.serialized) struct ShardRuns {
  private let folder = temporaryFolder()
  private let counts: [Int]
  private var out: String { folder + "/run" }

  init() throws {
    let data = try makeImageFolder(classes: 2, imagesPerClass: 24)
    let summary = try ShardWriter(shardImages: 12, threads: 2).pack(data, out: folder + "/s-{0..N}.tar")
    counts = summary.counts
    try #require(counts == [12, 12, 12, 12])
    for shard in 0..<4 { try shell("gzip -k '\(folder)/s-\(shard).tar'") }
  }

  private func shell(_ command: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command]
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(command)")
  }

  private func index(_ name: String, _ url: (Int) -> String) throws -> String {
    let path = "\(folder)/\(name).json"
    try ShardList(name: name, shards: counts.enumerated().map { .init(url: url($0), nsamples: $1) }).write(
      to: path)
    return path
  }

  private func config(_ change: (inout RunConfig) -> Void = { _ in }) throws -> RunConfig {
    var config = try RunConfig.recipe("cifar")
    config.arch = .resnet8
    config.imageSize = 16
    config.batchSize = 8
    config.bnSplits = 2
    config.mocoK = 16
    config.epochs = 2
    config.device = .named(.cpu)
    config.workers = 2
    config.shuffleBuffer = 12
    change(&config)
    return config
  }

  private func pretrain(_ data: String, _ config: RunConfig, to out: String) throws -> [RunEvent] {
    let outcome = try Pretraining(
      config, data: data, out: out, shardPause: 0.0005, console: Console(quiet: true, silent: true)
    ).run()
    #expect(outcome == .finished)
    return RunLog.read(out + "/log.jsonl")
  }

  private func warnings(_ events: [RunEvent]) -> [String] {
    events.compactMap { if case .warning(let warning) = $0 { warning.message } else { nil } }
  }

  /// All files of the last checkpoint.
  private func end(_ out: String) throws -> [String: Data] {
    let checkpoint = try Checkpoint.load(out)
    let files = try FileManager.default.contentsOfDirectory(atPath: checkpoint.path)
    return try Dictionary(
      uniqueKeysWithValues: files.map {
        ($0, try Data(contentsOf: URL(fileURLWithPath: "\(checkpoint.path)/\($0)")))
      }
    )
  }

  /// Each of four packed shards breaks ten times, at bytes that a seed chooses: by an error, by a signal, or silently.
  @Test func fortyBreaksChangeNoBit() throws {
    let whole = try index("whole") { "pipe:cat '\(folder)/s-\($0).tar.gz'" }
    var random = CounterGenerator(seed: 40, .shardOrder)
    let broken = try index("broken") { shard in
      let path = "\(folder)/s-\(shard).tar.gz"
      let size = try! FileManager.default.attributesOfItem(atPath: path)[.size] as! Int
      let cuts = (0..<10).map { _ in random.index(below: size) }
      let ends = ["exit 22", "kill -9 $$", "exit 0"]
      let breaks = cuts.enumerated().map { number, cut in
        "if mkdir '\(folder)/mark-\(shard)-\(number)' 2>/dev/null; then head -c \(cut) '\(path)'; \(ends[number % 3]); fi"
      }
      return "pipe:" + breaks.joined(separator: "; ") + "; cat '\(path)'"
    }
    let config = try config { $0.retries = 20 }
    #expect(try warnings(pretrain(whole, config, to: out)) == [])
    let events = try pretrain(broken, config, to: folder + "/other")
    let breaks = warnings(events).filter { $0.contains(" broke after ") }
    #expect(breaks.count == 40 && breaks.allSatisfy { $0.contains("; attempt ") }, "\(warnings(events))")
    #expect(try end(folder + "/other") == end(out))
    let step = try Checkpoint.load(out).state
    #expect(step?.step == 12 && step?.extra["lanes"] == 4)
  }

  @Test func aShardThatStaysAwayCountsAsUnreadable() throws {
    let data = try index("data") { $0 == 2 ? "pipe:echo no such host >&2; exit 6" : "s-\($0).tar" }
    let events = try pretrain(
      data,
      config {
        $0.retries = 2
        $0.maxBad = Fraction(value: 0.3)
      }, to: out)
    let told = warnings(events)
    #expect(told.count { $0.contains("; attempt ") } >= 2)
    #expect(
      told.contains { $0.hasSuffix("12 of its images count as unreadable") || $0.contains(" is given up (") })
    let listed = try String(contentsOfFile: out + "/bad-files.txt", encoding: .utf8).split(separator: "\n")
    #expect(
      listed.count == 1 && listed[0].hasPrefix("pipe:echo no such host >&2; exit 6: 12 images, the command `")
        && listed[0].contains("exit status 6: no such host"), "\(listed)")
    // The images that cannot be read are too many for the usual share.
    let error = #expect(throws: LoaderError.self) {
      try pretrain(data, config { $0.retries = 0 }, to: folder + "/other")
    }
    #expect(
      error?.description.contains("images cannot be read, more than 5%: ") == true,
      "\(String(describing: error))")
  }

  /// Right after it is resumed in its one lane: of the images seen, those of a shard would be too many.
  @Test func aShardOfManyIsMissedAfterAResume() throws {
    let counts = Array(repeating: 12, count: 40)
    func loader(away: Set<Int>) throws -> (DataLoader, EpochSampler) {
      let path = "\(folder)/many-\(away.count).json"
      let shards = counts.enumerated().map { (shard, count) -> ShardList.Shard in
        let command = away.contains(shard) ? "exit 6" : "cat '\(folder)/s-\(shard % 4).tar'"
        return ShardList.Shard(url: "pipe:\(command) #\(shard)", nsamples: count)
      }
      try ShardList(name: "many", shards: shards).write(to: path)
      let dataset = try Dataset.open(path, OpeningOptions(needsCountsOnly: true))
      let sampler = EpochSampler(dataset, batchSize: 8, seed: 1, shuffleBuffer: 12, mixing: .lanes(1))
      let views = AugmentationPreset.cifar.transform(imageSize: 8).views
      // Batch 9 begins with the seventh shard of the epoch.
      let loader = DataLoader(
        dataset, views: views, sampler: sampler, workers: 2, batch: 9, retries: ShardRetries(count: 0))
      return (loader, sampler)
    }
    let orders = EpochOrders(try loader(away: []).1)
    let next = [9, 11, 12].map { orders.samples(epoch: 0, batch: $0)[0] / 12 }  // the shards in their order
    let one = try loader(away: [next[0]]).0
    for _ in 0..<8 { _ = try one.next() }
    #expect(one.badFiles.map(\.images) == [12])
    // 36 of 480 are more than 5 %.
    let three = try loader(away: Set(next)).0
    let error = #expect(throws: LoaderError.self) { for _ in 0..<8 { _ = try three.next() } }
    #expect(
      error?.description.hasPrefix("36 of 480 images cannot be read, more than 5%: pipe:exit 6 #") == true,
      "\(String(describing: error))")
  }

  /// The same images in the same order, whether the shards are found by a pattern or by an index.
  @Test func anIndexTrainsAsThePatternDoes() throws {
    let list = folder + "/s-index.json"
    #expect(try ShardList(contentsOf: list).shards.map(\.nsamples) == counts)
    _ = try pretrain(list, config(), to: out)
    _ = try pretrain(folder + "/s-{0..3}.tar", config(), to: folder + "/other")
    let (one, other) = (try end(out), try end(folder + "/other"))
    for name in one.keys where name.hasSuffix(".safetensors") { #expect(one[name] == other[name], "\(name)") }
  }

  /// A name that is only known when its shard is read.
  @Test func aBadImageIsNamedByItsShard() throws {
    let data = try makeImageFolder(classes: 1, imagesPerClass: 7)
    try Data("no image".utf8).write(to: URL(fileURLWithPath: "\(data)/class0/000.png"))
    try shell("cd '\(data)' && tar -cf '\(folder)/bad.tar' class0/00?.png")
    let path = folder + "/x.json"
    try ShardList(name: "", shards: [.init(url: "bad.tar", nsamples: 7)]).write(to: path)
    _ = try pretrain(
      path,
      config {
        $0.batchSize = 7
        $0.bnSplits = 1
        $0.mocoK = 14
        $0.maxBad = Fraction(value: 0.5)
      }, to: out)
    let listed = try String(contentsOfFile: out + "/bad-files.txt", encoding: .utf8)
    #expect(
      listed.hasPrefix(
        "bad.tar, image 1 (class0/000.png): not a JPEG, PNG, WebP, TIFF, BMP, GIF, PNM or AVIF image (it begins with 6e"
      ))
  }

  /// Other ranks wait no longer than --timeout for one whose shard is silent.
  @Test func aSilentShardIsGivenUpBeforeTheRanksAre() throws {
    var config = RunConfig()
    #expect(config.shardRetries(ranks: 1) == ShardRetries(count: 5, patience: 120))
    for timeout in [5, 60, 300, 3600] {
      config.timeout = timeout
      let retries = config.shardRetries(ranks: 2)
      #expect(retries.within == Double(timeout) / 2 && 2 * retries.patience <= timeout)
      // Short of time, the last attempts are left out; else all of them fit, with pauses of 1, 2, 4, 8 and 16 s.
      if timeout >= 300 { #expect(6 * retries.patience + 31 <= timeout / 2, "\(timeout): \(retries)") }
    }
    #expect(RunConfig().shardRetries(ranks: 2).patience == 19)
  }

  @Test func aCheckpointWithoutLanesIsOfAnOlderRun() {
    func state(_ mixing: ShardMixing?) -> TrainingState {
      TrainingState(
        step: 1, epoch: 0, batch: 1, seed: 1, queuePointer: nil, configHash: "", optimizerSteps: nil,
        lastLoss: nil, mixing: mixing, data: 7, kernels: nil)
    }
    #expect(state(.lanes(6)).mixing == .lanes(6) && state(.slidingBuffers).mixing == .slidingBuffers)
    #expect(state(nil).extra == ["data": 7] && state(nil).isOn(data: 7) && !state(nil).isOn(data: 8))
  }
}
