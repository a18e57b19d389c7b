import Foundation
import Testing
import Torch
@testable import Data

/// Real pictures in shards of unequal sizes, of any form, as a data set.
private struct PictureShards {
  let folder: TemporaryFolder
  let pattern: String

  init(_ form: ShardForm) throws {
    folder = try TemporaryFolder()
    let pictures = try jpegFolder()
    let dataset = try Dataset.open(pictures.path)
    var next = 0
    for (shard, count) in [7, 1, 12, 5].enumerated() {
      var tar = MadeTar()
      for sample in next..<next + count {
        let name = dataset.name(sample)
        let data = try Data(contentsOf: URL(fileURLWithPath: pictures.path + "/" + name))
        tar.add(name, [UInt8](data))
      }
      next += count
      let path = try folder.write("s-\(shard).tar", tar.closed)
      if form == .gzip { try folder.write("s-\(shard).tar.gz", shell("gzip -c '\(path)'")) }
    }
    #expect(next == dataset.count)
    pattern =
      switch form {
      case .plain: folder.path + "/s-{0..3}.tar"
      case .gzip: folder.path + "/s-{0..3}.tar.gz"
      case .command: "pipe:cat '\(folder.path)/s-{0..3}.tar'"
      }
  }

  func batches(
    workers: Int, epoch: Int = 0, batch: Int = 0, buffer: Int = 8, rank: Rank = .only,
    mixing: ShardMixing? = nil
  ) throws -> [BatchContent] {
    let dataset = try Dataset.open(pattern)
    #expect(dataset.count == 25)
    #expect(dataset.format == "tar shards")
    let sampler = EpochSampler(
      dataset, batchSize: 4, seed: 9, shuffleBuffer: buffer, rank: rank, mixing: mixing)
    let loader = DataLoader(
      dataset, views: AugmentationPreset.cifar.transform(imageSize: 16).views, sampler: sampler,
      workers: workers,
      prefetch: 2, epoch: epoch, batch: batch, endEpoch: 3)
    return try contents(loader)
  }
}

@Suite struct ShardLoading {
  /// 25 files of which one is cut: six batches an epoch, the bad one replaced.
  @Test(arguments: ShardForm.allCases) func batchesDoNotDependOnWorkers(_ form: ShardForm) throws {
    let shards = try PictureShards(form)
    let one = try shards.batches(workers: 1)
    #expect(one.count == 18)
    #expect(try shards.batches(workers: 2) == one)
    #expect(try shards.batches(workers: 7) == one)
  }

  @Test func theFormOfTheShardsDoesNotMatter() throws {
    let batches = try ShardForm.allCases.map { try PictureShards($0).batches(workers: 2) }
    #expect(batches[0].count == 18)
    #expect(batches[1] == batches[0])
    #expect(batches[2] == batches[0])
  }

  /// More threads than cores, and more images than a stream holds.
  @Test func aShardIsCheckedByAnyNumberOfThreads() throws {
    let shards = try MadeShards(.gzip, counts: [300], maxBytes: 500)
    guard case .file(let path) = shards.sources[0] else { return }
    let dataset = try Dataset.open(path)
    var names: [String] = []
    try DatasetCheck(dataset, workers: 9).run { entry in
      names.append(entry.name)
      #expect(entry.verdict == .refused)
    }
    #expect(names == (0..<300).map(dataset.name))
  }

  /// One row's failure must not leave the workers waiting for each other.
  @Test func aShardThatIsCutWhileTrainingIsAnErrorAndNoHang() throws {
    let shards = try PictureShards(.plain)
    let dataset = try Dataset.open(shards.pattern)
    let sampler = EpochSampler(dataset, batchSize: 4, seed: 9, shuffleBuffer: 4)
    let path = shards.folder.path + "/s-2.tar"
    try #require(FileHandle(forUpdatingAtPath: path)).truncate(atOffset: 3000)
    let loader = DataLoader(dataset, views: [view(.cifar, 16)], sampler: sampler, workers: 7, prefetch: 3)
    #expect(throws: LoaderError.self) { while true { _ = try loader.next() } }
  }

  @Test(arguments: ShardForm.allCases) func aLoaderThatStartsLaterGivesTheTail(_ form: ShardForm) throws {
    let shards = try PictureShards(form)
    let whole = try shards.batches(workers: 2)
    for start in 1..<18 {
      let tail = try shards.batches(workers: 3, epoch: start / 6, batch: start % 6)
      #expect(tail == Array(whole[start...]))
    }
  }

  /// Ranks make consecutive rows of every batch, from any batch on.
  @Test(arguments: ShardForm.allCases, [2, 4]) func ranksMakeTheBatchesOfOne(
    _ form: ShardForm, _ count: Int
  ) throws {
    let shards = try PictureShards(form)
    for start in [0, 5] {
      let whole = try shards.batches(workers: 2, batch: start)
      let ranks = try (0..<count).map {
        try shards.batches(workers: 2, batch: start, rank: Rank($0, of: count))
      }
      expectRows(ranks, of: whole)
    }
  }

  /// The sequence itself, and not only the set; also of a run that was begun before there were lanes.
  @Test func theOrderIsTheShardsOrder() throws {
    let shards = try PictureShards(.plain)
    let counts = [7, 1, 12, 5]
    let lanes = LaneOrder(counts: ShardCounts(counts), seed: 9, batchSize: 4, lanes: 4, buffer: 8)
    let batches = try shards.batches(workers: 2)
    let expected = (0..<3).flatMap { epoch in (0..<24).map(lanes.epoch(epoch).sample) }
    #expect(batches.flatMap(\.drawIndices) == expected)
    #expect(Array(expected[..<24]) != Array(expected[24..<48]))
    let buffers = ShardOrder(counts: counts, seed: 9, buffer: 8)
    let older = try shards.batches(workers: 2, mixing: .slidingBuffers)
    #expect(older.flatMap(\.drawIndices) == (0..<3).flatMap { buffers.epoch($0).samples.prefix(24) })
    for start in [1, 7, 17] {
      let tail = try shards.batches(
        workers: 3, epoch: start / 6, batch: start % 6, mixing: .slidingBuffers)
      #expect(tail == Array(older[start...]))
    }
  }

  @Test(arguments: ShardForm.allCases) func evaluationSeesEveryImageInOrder(_ form: ShardForm) throws {
    let shards = try PictureShards(form)
    let dataset = try Dataset.open(shards.pattern)
    let loader = DataLoader(evaluating: dataset, view: EvaluationView(size: 16), batchSize: 10, workers: 3)
    let batches = try contents(loader)
    #expect(loader.badFiles.count == 1)
    #expect(batches.flatMap(\.indices).count == 24)
    #expect(batches.flatMap(\.indices) == batches.flatMap(\.indices).sorted())
  }

  @Test(arguments: ShardForm.allCases) func lettingGoInTheMiddleEndsEverything(_ form: ShardForm) throws {
    let shards = try PictureShards(form)
    let dataset = try Dataset.open(shards.pattern)
    let sampler = EpochSampler(dataset, batchSize: 4, seed: 1, shuffleBuffer: 4)
    for count in 0..<4 {
      let loader = DataLoader(dataset, views: [view(.cifar, 16)], sampler: sampler, workers: 3, prefetch: 1)
      for _ in 0..<count { _ = try loader.next() }
    }
  }

  /// The shards' order stays where the pixels are kept in memory.
  @Test func aCacheChangesNoBatch() throws {
    let shards = try PictureShards(.plain)
    let dataset = try Dataset.open(shards.pattern).cached(limit: 1 << 30)
    let sampler = EpochSampler(dataset, batchSize: 4, seed: 9, shuffleBuffer: 8)
    let loader = DataLoader(
      dataset, views: AugmentationPreset.cifar.transform(imageSize: 16).views, sampler: sampler, workers: 2,
      endEpoch: 3)
    #expect(try contents(loader) == shards.batches(workers: 1))
  }
}
