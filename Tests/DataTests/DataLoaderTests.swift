import Foundation
import Images
import Testing
import Torch
@testable import Data

/// Everything that a batch says.
struct BatchContent: Equatable {
  var epoch: Int
  var index: Int
  var indices: [Int]
  var drawIndices: [Int]
  var views: [[UInt8]]

  init(_ batch: Batch) {
    (epoch, index, indices, drawIndices) = (batch.epoch, batch.index, batch.indices, batch.drawIndices)
    views = batch.views.map { [UInt8]($0) }
  }
}

/// Each batch of `whole` is the ranks' rows of it, one rank after the other.
func expectRows(_ ranks: [[BatchContent]], of whole: [BatchContent]) {
  #expect(!whole.isEmpty)
  for (number, rank) in ranks.enumerated() { #expect(rank.count == whole.count, "rank \(number)") }
  for (index, batch) in whole.enumerated() where ranks.allSatisfy({ index < $0.count }) {
    let rows = ranks.map { $0[index] }
    #expect(rows.flatMap(\.indices) == batch.indices)
    #expect(rows.flatMap(\.drawIndices) == batch.drawIndices)
    for view in batch.views.indices { #expect(rows.flatMap { $0.views[view] } == batch.views[view]) }
    #expect(rows.allSatisfy { $0.epoch == batch.epoch && $0.index == batch.index })
  }
}

func contents(_ loader: DataLoader, count: Int = .max) throws -> [BatchContent] {
  var all: [BatchContent] = []
  while all.count < count, let batch = try loader.next() { all.append(BatchContent(batch)) }
  return all
}

/// Samples whose images are made by a function.
struct MadeSamples: PixelSource {
  var count: Int
  var make: @Sendable (Int) throws -> RGBImage

  func annotation(_ index: Int) -> Annotation { .class(index) }
  func name(_ index: Int) -> String { "made-\(index)" }
  func image(_ index: Int) throws -> RGBImage { try make(index) }
}

func made(_ count: Int, _ make: @escaping @Sendable (Int) throws -> RGBImage) -> Dataset {
  Dataset(MadeSamples(count: count, make: make), format: "folder of images")
}

/// The JPEG files of `make_pictures.py`, twice, and one that ends too early.
func jpegFolder() throws -> TemporaryFolder {
  let folder = try TemporaryFolder()
  let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Fixtures/pictures.json")
  let pictures = try JSONDecoder().decode([String: Data].self, from: Data(contentsOf: fixture))
  try #require(pictures.count == 12)
  for (name, data) in pictures {
    for copy in ["a", "b"] { try folder.write("\(copy)/\(name)", data) }
    if name == "08.jpg" { try folder.write("b/cut.jpg", data.prefix(data.count / 2)) }
  }
  return folder
}

@Suite struct LoaderDeterminism {
  /// 25 files, one cut: batches over two epochs, the bad one replaced, by 1, 2 and 7 workers.
  @Test func jpegBatchesDoNotDependOnWorkers() throws {
    let folder = try jpegFolder()
    let dataset = try Dataset.open(folder.path)
    #expect(dataset.count == 25)
    let recipe = AugmentationPreset.cifar.transform(imageSize: 24)
    let runs = try [1, 2, 7].map { workers in
      let loader = DataLoader(
        dataset, views: recipe.views, sampler: EpochSampler(count: 25, batchSize: 8, seed: 3),
        workers: workers,
        prefetch: 2, endEpoch: 2)
      let batches = try contents(loader)
      #expect(loader.badFiles.map(\.name) == ["b/cut.jpg"])
      return batches
    }
    #expect(runs[0].map { [$0.epoch, $0.index] } == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]])
    for batch in runs[0] {
      #expect(batch.views.map(\.count) == [8 * 24 * 24 * 3, 8 * 24 * 24 * 3])
      #expect(batch.views[0] != batch.views[1])
    }
    #expect(runs[1] == runs[0])
    #expect(runs[2] == runs[0])
  }

  /// 25 files, one cut, two epochs: the ranks' rows one after the other are the batch of one rank.
  @Test(arguments: [2, 4, 8]) func batchesDoNotDependOnRanks(_ count: Int) throws {
    let folder = try jpegFolder()
    let dataset = try Dataset.open(folder.path)
    func run(_ rank: Rank) throws -> [BatchContent] {
      try contents(
        DataLoader(
          dataset, views: AugmentationPreset.v1.transform(imageSize: 16).views,
          sampler: EpochSampler(count: 25, batchSize: 8, seed: 3, rank: rank), workers: 2, endEpoch: 2))
    }
    expectRows(try (0..<count).map { try run(Rank($0, of: count)) }, of: try run(.only))
  }

  @Test func idxBatchesDoNotDependOnWorkers() throws {
    let folder = try TemporaryFolder()
    let values = Array(noise(side: 100, seed: 5).pixels.prefix(38 * 28 * 28))
    try folder.write("train-images-idx3-ubyte", idx(3, [38, 28, 28], values))
    let dataset = try Dataset.open(folder.path)
    let runs = try [1, 2, 7].map { workers in
      try contents(
        DataLoader(
          dataset, views: AugmentationPreset.demo.transform(imageSize: 28).views,
          sampler: EpochSampler(count: 38, batchSize: 16, seed: 1),
          workers: workers, endEpoch: 2))
    }
    #expect(runs[0].count == 4)
    #expect(runs[1] == runs[0])
    #expect(runs[2] == runs[0])
  }

  @Test func batchesAreTheSamplers() throws {
    let sampler = EpochSampler(count: 20, batchSize: 6, seed: 2)
    let dataset = made(20) { RGBImage(width: 4, height: 4, pixels: Array(repeating: UInt8($0), count: 48)) }
    let loader = DataLoader(dataset, views: [view(.cifar, 4)], sampler: sampler, workers: 3, endEpoch: 2)
    let batches = try contents(loader)
    #expect(batches.count == 6)
    for batch in batches {
      #expect(batch.indices == sampler.batch(epoch: batch.epoch, index: batch.index))
      #expect(batch.drawIndices == batch.indices)
      // A crop of one colour is that colour.
      #expect(batch.views[0] == batch.indices.flatMap { Array(repeating: UInt8($0), count: 48) })
    }
  }

  /// From any batch on, the next epoch's first one included.
  @Test func aLoaderThatStartsLaterGivesTheTail() throws {
    let folder = try jpegFolder()
    let dataset = try Dataset.open(folder.path)
    let sampler = EpochSampler(count: dataset.count, batchSize: 7, seed: 6)
    func run(_ epoch: Int, _ batch: Int) throws -> [BatchContent] {
      try contents(
        DataLoader(
          dataset, views: AugmentationPreset.v1.transform(imageSize: 16).views, sampler: sampler, workers: 2,
          epoch: epoch,
          batch: batch, endEpoch: 3))
    }
    let whole = try run(0, 0)
    #expect(whole.count == 9)
    for (epoch, batch) in [(0, 1), (1, 0), (1, 2), (1, 3), (2, 2)] {
      #expect(try run(epoch, batch) == Array(whole[(epoch * 3 + batch)...]))
    }
  }

  /// Rows follow the draws of (seed, epoch, sample, view).
  @Test func viewsFollowTheTransformsDraw() throws {
    let dataset = made(9) { noise(side: 30, seed: $0) }
    let recipe = AugmentationPreset.v2.transform(imageSize: 12)
    let loader = DataLoader(
      dataset, views: recipe.views, sampler: EpochSampler(count: 9, batchSize: 4, seed: 8), workers: 2,
      epoch: 5)
    let batch = try #require(try loader.next())
    for (row, sample) in batch.indices.enumerated() {
      for view in 0..<2 {
        let geometry = recipe.views[view].geometry(
          seed: 8, epoch: 5, sample: sample, view: view, width: 30, height: 30)
        let expected = try cropped(noise(side: 30, seed: sample), geometry, size: 12).pixels
        #expect([UInt8](batch.views[view][(row * 432)..<((row + 1) * 432)]) == expected)
      }
    }
  }
}

@Suite struct LoaderLife {
  fileprivate final class Witness: Sendable {}

  fileprivate func endless(_ witness: Witness? = nil, workers: Int = 3) -> DataLoader {
    let dataset = made(50) { index in
      withExtendedLifetime(witness) { noise(side: 20, seed: index) }
    }
    return DataLoader(
      dataset, views: [view(.cifar, 16)], sampler: EpochSampler(count: 50, batchSize: 10, seed: 1),
      workers: workers, prefetch: 2)
  }

  /// The threads hold the data set; when it goes, they have gone.
  @Test func lettingGoInTheMiddleEndsTheThreads() throws {
    var witness: Witness? = Witness()
    weak let weakly = witness
    var loader: DataLoader? = endless(witness)
    witness = nil
    _ = try loader?.next()
    #expect(weakly != nil)
    loader = nil
    // A thread lets go of what it held after its last line.
    for _ in 0..<500 where weakly != nil { Thread.sleep(forTimeInterval: 0.01) }
    #expect(weakly == nil)
  }

  @Test func aLoaderMayGoBeforeItsFirstBatch() {
    for workers in [1, 7] { _ = endless(workers: workers) }
  }

  @Test func aBatchOutlivesItsLoader() throws {
    var loader: DataLoader? = endless()
    let batch = try #require(try loader?.next())
    let before = BatchContent(batch)
    loader = nil
    #expect(BatchContent(batch) == before)
  }

  @Test func memoryIsUsedAgain() throws {
    let loader = endless()
    var places: Set<UnsafeRawPointer> = []
    for _ in 0..<40 {
      let batch = try #require(try loader.next())
      #expect(batch.waited >= 0)
      places.formUnion(batch.views.compactMap(\.baseAddress))
    }
    // Two ahead and the one in hand.
    #expect(places.count <= 3)
  }

  /// The workers' single thread is theirs alone: neither this thread's nor a later one's. In a process of its own,
  /// because other tests set the number for theirs.
  @Test func otherThreadsKeepTheirNumberOfThreads() async {
    await #expect(processExitsWith: .success) {
      let before = Runtime.threads
      let loader = LoaderLife().endless(workers: 2)
      _ = try loader.next()
      let later = Mailbox()
      Thread { later.put(Runtime.threads) }.start()
      try #require(Runtime.threads == before && later.take() == before)
    }
  }

  @Test func anErrorThatNoFileIsToBlameForStopsTheRun() throws {
    let dataset = made(10) { index in
      if index == 3 { throw ImageError.inFile(path: "x", .outOfMemory(bytes: 5000)) }
      return noise(side: 8, seed: index)
    }
    let loader = DataLoader(
      dataset, views: [view(.cifar, 8)], sampler: EpochSampler(count: 10, batchSize: 5, seed: 1),
      workers: 2,
      endEpoch: 1)
    let expected = LoaderError.failed(
      "made-3: not enough memory for the image's 5 k bytes; use fewer workers or smaller images")
    #expect(throws: expected) { _ = try contents(loader) }
    #expect(throws: expected) { _ = try loader.next() }
    #expect(loader.badFiles.isEmpty)
  }
}

/// Hands one number to another thread.
private final class Mailbox: @unchecked Sendable {  // `value` is only touched with the lock held.
  private let changed = NSCondition()
  private var value: Int?

  func put(_ new: Int) {
    changed.lock()
    value = new
    changed.signal()
    changed.unlock()
  }

  func take() -> Int? {
    changed.lock()
    defer { changed.unlock() }
    while value == nil { changed.wait() }
    return value
  }
}

/// Crops are cut from as little of a JPEG as both views need; the bytes are those of the whole picture.
@Suite struct RegionLoading {
  @Test func viewsAreThoseOfTheWholePicture() throws {
    let folder = try jpegFolder()
    let dataset = try Dataset.open(folder.path)
    let recipes = AugmentationPreset.v2.transform(imageSize: 20).views
    let loader = DataLoader(
      dataset, views: recipes, sampler: EpochSampler(count: dataset.count, batchSize: 8, seed: 4), workers: 2,
      endEpoch: 2)
    var rows = 0
    while let batch = try loader.next() {
      for (row, sample) in batch.indices.enumerated() {
        let whole = try dataset.image(sample)
        for (view, recipe) in recipes.enumerated() {
          let geometry = recipe.geometry(
            seed: 4, epoch: batch.epoch, sample: batch.drawIndices[row], view: view, width: whole.width,
            height: whole.height)
          let expected = try cropped(whole, geometry, size: 20).pixels
          #expect([UInt8](batch.views[view][(row * 1200)..<((row + 1) * 1200)]) == expected)
          rows += 1
        }
      }
    }
    #expect(rows == 2 * 24 * 2)
  }
}

@Suite struct CachedLoading {
  /// A cache that holds everything, one that holds a part, and one that holds nothing.
  @Test(arguments: [1 << 30, 100_000, 0]) func aCacheChangesNoBatch(_ limit: Int) throws {
    let folder = try jpegFolder()
    let dataset = try Dataset.open(folder.path)
    let sampler = EpochSampler(dataset, batchSize: 8, seed: 2, shuffleBuffer: 10)
    func run(_ dataset: Dataset) throws -> [BatchContent] {
      try contents(
        DataLoader(
          dataset, views: AugmentationPreset.cifar.transform(imageSize: 16).views, sampler: sampler,
          workers: 3, endEpoch: 3)
      )
    }
    let plain = try run(dataset)
    #expect(plain.count == 9)
    #expect(try run(dataset.cached(limit: limit)) == plain)
  }

  @Test func anImageIsDecodedOnce() throws {
    let folder = try TemporaryFolder()
    for number in 0..<4 { try folder.image("\(number).png", seed: number) }
    let dataset = try Dataset.open(folder.path).cached(limit: 1 << 20)
    let first = try (0..<4).map { try dataset.image($0) }
    try FileManager.default.removeItem(atPath: folder.path)
    #expect(try (0..<4).map { try dataset.image($0) } == first)
  }
}

/// Images on the training device, here the CPU, give the very views that decoding threads give.
@Suite struct DeviceCaching {
  private func pairs(_ source: ViewPipeline, count: Int) throws -> [[Float]] {
    try (0..<count).flatMap { _ -> [[Float]] in
      let pair = try #require(try source.next())
      return [pair.views[0].array(), pair.views[1].array()]
    }
  }

  /// Enlarged, reduced and copied; flipped and coloured; over an epoch's end; one image bad.
  @Test(arguments: [(24, 16), (24, 24), (24, 40), (90, 16), (17, 5)])
  func theViewsAreThoseOfALoader(_ side: Int, _ size: Int) throws {
    let dataset = made(30) { index in
      if index == 7 { throw ImageError.empty }
      return noise(side: side, seed: index)
    }
    let recipe = AugmentationPreset.v2.transform(imageSize: size)
    let sampler = EpochSampler(count: 30, batchSize: 8, seed: 4)
    let loader = ViewPipeline(
      DataLoader(dataset, views: recipe.views, sampler: sampler, workers: 2, epoch: 1, batch: 1),
      sampler: sampler, transform: recipe, device: .cpu)
    let cache = try #require(try DeviceCache(dataset, on: .cpu, limit: 1 << 20))
    #expect(cache.badFiles.map(\.sample) == [7])
    let kept = ViewPipeline(cache, sampler: sampler, transform: recipe, device: .cpu, epoch: 1, batch: 1)
    let expected = try pairs(loader, count: 4)
    #expect(expected.count == 8 && expected.allSatisfy { $0.count == 8 * 3 * size * size })
    #expect(try pairs(kept, count: 4) == expected)
  }

  @Test func imagesOfSeveralSizesOrTooManyAreNotKept() throws {
    let mixed = made(5) { noise(side: $0 == 3 ? 9 : 8, seed: $0) }
    #expect(try DeviceCache(mixed, on: .cpu, limit: 1 << 20) == nil)
    let equal = made(5) { noise(side: 8, seed: $0) }
    #expect(try DeviceCache(equal, on: .cpu, limit: 5 * 192 - 1) == nil)
    #expect(try DeviceCache(equal, on: .cpu, limit: 5 * 192) != nil)
  }

  @Test func tooManyBadImagesAreAnError() {
    let dataset = made(10) { index in
      if index < 2 { throw ImageError.empty }
      return noise(side: 8, seed: index)
    }
    #expect(throws: LoaderError.self) { try DeviceCache(dataset, on: .cpu, limit: 1 << 20) }
  }
}
