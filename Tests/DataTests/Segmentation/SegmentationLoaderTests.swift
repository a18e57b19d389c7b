import Data
import Foundation
import Images
import Testing
import Torch

@Suite struct SegmentationLoaderTests {
  let folder: TemporaryFolder
  private let transform = SegmentationTransform(cropSize: 12)

  init() throws { folder = try TemporaryFolder() }

  /// Images a, b, … of different sizes. A pixel's class is that of its red: 1 where it is bright.
  private func makeSet(_ count: Int = 10) throws -> SegmentationDataset {
    for place in 0..<count {
      let image = picture(width: 16 + place, height: 14 + 2 * place, seed: place)
      try folder.write("images/\(letter(place)).png", image.pngData())
      try folder.mask("masks/\(letter(place)).png", labels(of: image))
    }
    try folder.text("masks/classes.txt", "dark\nbright\n")
    return try SegmentationDataset.open("\(folder.path)/images@\(folder.path)/masks")
  }

  private func labels(of image: RGBImage) -> LabelMap {
    LabelMap(
      height: image.height, width: image.width,
      labels: (0..<image.height * image.width).map { isCorner($0, image) ? 1 : 0 })
  }

  /// The corner of another red, see `picture`.
  private func isCorner(_ place: Int, _ image: RGBImage) -> Bool {
    place % image.width < image.width / 2 && place / image.width < image.height / 2
  }

  private struct Content: Equatable {
    let images, labels: [UInt8]
    let indices: [Int]
  }

  private func batches(
    _ set: SegmentationDataset, _ count: Int, workers: Int = 2, from first: Int = 0, rank: Rank = .only,
    prefetch: Int = 2, maxBad: Fraction = .fivePercent
  ) throws -> [Content] {
    let loader = SegmentationLoader(
      set, transform, batchSize: 4, seed: 7, rank: rank, workers: workers, prefetch: prefetch, from: first,
      maxBad: maxBad)
    return try (0..<count).map { _ in
      let batch = try #require(try loader.next())
      #expect(batch.count == 4 / rank.count && batch.cropSize == 12)
      #expect(batch.images.count == batch.count * 12 * 12 * 3 && batch.labels.count == batch.count * 12 * 12)
      return Content(images: batch.images, labels: batch.labels, indices: batch.indices)
    }
  }

  @Test func imagesAndLabelsGoTogether() throws {
    var (ignored, bright, dark) = (0, 0, 0)
    for batch in try batches(makeSet(), 12) {
      for (place, label) in batch.labels.enumerated() {
        let red = batch.images[3 * place], green = batch.images[3 * place + 1]
        switch label {
        case 255:
          ignored += 1
          // The mean colour. Beside it pixels may be of any colour.
          #expect(red == 124 && green == 116)
        // The corner has another red than green; half a pixel from its edge they mix.
        case 1: bright += red != green ? 1 : 0
        default: dark += 1
        }
      }
    }
    #expect(ignored > 100 && bright > 300 && dark > 1000)
  }

  @Test func batchesDoNotDependOnTheNumberOfThreads() throws {
    let set = try makeSet()
    let one = try batches(set, 12, workers: 1, prefetch: 1)
    #expect(try batches(set, 12, workers: 2) == one)
    #expect(try batches(set, 12, workers: 5, prefetch: 4) == one)
    #expect(Set(one.flatMap(\.indices)) == Set(0..<10))
  }

  /// A pass shows every image once.
  @Test func aPassShowsEveryImage() throws {
    let shown = try batches(makeSet(8), 6).flatMap(\.indices)
    for pass in 0..<3 { #expect(shown[8 * pass..<8 * pass + 8].sorted() == Array(0..<8)) }
  }

  @Test func aResumedRunGetsTheSameBatches() throws {
    let set = try makeSet()
    let whole = try batches(set, 14)
    for start in [1, 6, 13] { #expect(try batches(set, 14 - start, from: start) == Array(whole[start...])) }
    let loader = SegmentationLoader(set, transform, batchSize: 4, seed: 7, from: 5)
    #expect(loader.position == 5)
    #expect(try loader.next()?.number == 5)
    #expect(loader.position == 6)
  }

  @Test func ranksMakeTogetherOneRanksBatches() throws {
    let set = try makeSet()
    let whole = try batches(set, 6)
    let parts = try (0..<2).map { try batches(set, 6, rank: Rank($0, of: 2)) }
    for batch in 0..<6 {
      #expect(parts[0][batch].images + parts[1][batch].images == whole[batch].images)
      #expect(parts[0][batch].labels + parts[1][batch].labels == whole[batch].labels)
      #expect(parts[0][batch].indices + parts[1][batch].indices == whole[batch].indices)
    }
  }

  @Test func otherSeedsMakeOtherBatches() throws {
    let set = try makeSet()
    func first(_ seed: UInt64) throws -> [UInt8]? {
      try SegmentationLoader(set, transform, batchSize: 4, seed: seed).next()?.labels
    }
    #expect(try first(1) == first(1))
    #expect(try first(1) != first(2))
  }

  /// A mask beyond the classes, one of another size, and one without a class: another image comes in place of each, which
  /// follows from the seed.
  @Test func badMasksAreReplacedAndListed() throws {
    let set = try makeSet()
    try folder.mask("masks/b.png", mask([0, 9], width: 17, height: 16))
    try folder.mask("masks/c.png", mask([0, 1], width: 5, height: 5))
    try folder.mask("masks/d.png", mask([255], width: 19, height: 20))
    let allowed = Fraction(value: 0.5)
    let loader = SegmentationLoader(set, transform, batchSize: 4, seed: 7, maxBad: allowed)
    var shown: [Int] = []
    for _ in 0..<12 { shown += try #require(try loader.next()).indices }
    #expect(Set(shown) == [0, 4, 5, 6, 7, 8, 9])
    #expect(
      loader.badFiles.map { "\($0)".replacing(folder.path, with: "FOLDER") }.sorted() == [
        "FOLDER/images/c.png: cannot be read: it has 18 × 18 pixels, and its mask has 5 × 5",
        "FOLDER/masks/b.png: it has the number 9 at row 0, column 1; the classes are 0 to 1, and 255 is ignored",
        "FOLDER/masks/d.png: none of its pixels has a class; all are ignored",
      ])
    let again = try batches(set, 12, workers: 3, maxBad: allowed)
    #expect(again.flatMap(\.indices) == shown)
  }

  @Test func tooManyBadMasksEndTheRun() throws {
    let set = try makeSet()
    for name in ["a", "c", "e"] { try folder.text("masks/\(name).png", "no picture") }
    let loader = SegmentationLoader(set, transform, batchSize: 4, seed: 7)
    #expect(throws: LoaderError.self) { for _ in 0..<40 { _ = try loader.next() } }
    #expect(throws: LoaderError.self) { try loader.next() }
  }

  // MARK: - Tests

  @Test func aTestShowsEveryImageOnceAtItsOwnSize() throws {
    let set = try makeSet(7)
    func shown(_ rank: Rank) throws -> [SegmentationExample] {
      let loader = SegmentationTestLoader(set, rank: rank)
      var all: [SegmentationExample] = []
      while let example = try loader.next() { all.append(example) }
      return all
    }
    let all = try shown(.only)
    #expect(all.map(\.index) == Array(0..<7))
    for (place, example) in all.enumerated() {
      let image = picture(width: 16 + place, height: 14 + 2 * place, seed: place)
      #expect(example.pixels == image.pixels && example.labels == labels(of: image))
    }
    #expect(try (0..<3).flatMap { try shown(Rank($0, of: 3)) } == all)
  }

  @Test func aTestLeavesOutAndListsWhatItCannotRead() throws {
    let set = try makeSet(7)
    try folder.text("masks/c.png", "no picture")
    let loader = SegmentationTestLoader(set, maxBad: Fraction(value: 0.5))
    var indices: [Int] = []
    while let example = try loader.next() { indices.append(example.index) }
    #expect(indices == [0, 1, 3, 4, 5, 6])
    #expect(loader.badFiles.map(\.sample) == [2])
  }
}
