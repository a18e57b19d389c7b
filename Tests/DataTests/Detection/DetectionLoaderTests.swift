import Data
import Foundation
import Images
import Testing
import Torch

@Suite struct DetectionLoaderTests {
  let folder: TemporaryFolder
  private let resize = ResizeShortestEdge(shortSides: [24, 30, 36], maxSide: 60)

  init() throws { folder = try TemporaryFolder() }

  /// Images a, b, … in turns wide and high, with a box each.
  private func makeSet(_ count: Int = 10) throws -> DetectionDataset {
    var images: [(name: String, xml: String)] = []
    for place in 0..<count {
      let (width, height) = place % 2 == 0 ? (64, 48) : (40, 56)
      images.append((letter(place), vocXML([vocObject()], width: width, height: height)))
    }
    let root = try makeVOC(images, in: folder)
    for place in 0..<count where place % 2 == 1 {
      try folder.picture("VOC2007/JPEGImages/\(letter(place)).png", width: 40, height: 56, seed: place)
    }
    return try DetectionDataset.open(root + ":train")
  }

  private func batches(
    _ set: DetectionDataset, _ count: Int, workers: Int = 2, from first: Int = 0, rank: Rank = .only,
    prefetch: Int = 2
  ) throws -> [[DetectionExample]] {
    let loader = DetectionLoader(
      set, DetectionSampling(batchSize: 4, seed: 7, rank: rank), resize, workers: workers, prefetch: prefetch,
      from: first)
    return try (0..<count).map { _ in try #require(try loader.next()).examples }
  }

  @Test func examplesAreResizedWithTheirObjects() throws {
    let set = try makeSet()
    for example in try batches(set, 12).joined() {
      let (height, width) = (example.originalHeight, example.originalWidth)
      let sizes = resize.shortSides.map { resize.size(height: height, width: width, shortSide: $0) }
      #expect(sizes.contains { $0 == (example.height, example.width) })
      #expect(example.pixels.count == example.height * example.width * 3)
      let box = try #require(example.objects.first?.box)
      let scale = Double(example.width) / Double(width)
      #expect(abs(box.width - 18 * scale) < 1e-9)
      #expect(abs((example.isFlipped ? Double(example.width) - box.x1 : box.x0) - 2 * scale) < 1e-9)
    }
  }

  @Test func batchesDoNotDependOnTheNumberOfThreads() throws {
    let set = try makeSet()
    let one = try batches(set, 15, workers: 1, prefetch: 1)
    #expect(try batches(set, 15, workers: 2) == one)
    #expect(try batches(set, 15, workers: 5, prefetch: 4) == one)
    #expect(Set(one.joined().map(\.isFlipped)).count == 2 && Set(one.joined().map(\.height)).count > 2)
  }

  @Test func aResumedRunGetsTheSameBatches() throws {
    let set = try makeSet()
    let whole = try batches(set, 20)
    for start in [1, 6, 13] {
      #expect(try batches(set, 20 - start, from: start) == Array(whole[start...]))
    }
  }

  @Test func theLoaderGivesTheNumberToResumeAt() throws {
    let loader = DetectionLoader(try makeSet(), DetectionSampling(batchSize: 4, seed: 7), resize, from: 5)
    #expect(loader.position == 5)
    #expect(try loader.next()?.number == 5)
    #expect(loader.position == 6)
  }

  @Test func ranksMakeTogetherOneRanksBatches() throws {
    let set = try makeSet()
    let whole = try batches(set, 8)
    let parts = try (0..<2).map { try batches(set, 8, rank: Rank($0, of: 2)) }
    for batch in 0..<8 { #expect(parts[0][batch] + parts[1][batch] == whole[batch]) }
  }

  @Test func aTestShowsEveryImageOnceInOrder() throws {
    let set = try makeSet(7)
    func indices(_ rank: Rank, batchSize: Int) throws -> [[Int]] {
      let loader = DetectionLoader(testing: set, resize, batchSize: batchSize, rank: rank)
      var all: [[Int]] = []
      while let batch = try loader.next() {
        #expect(batch.examples.allSatisfy { !$0.isFlipped && min($0.height, $0.width) == 24 })
        all.append(batch.examples.map(\.index))
      }
      return all
    }
    #expect(try indices(.only, batchSize: 3) == [[0, 1, 2], [3, 4, 5], [6]])
    #expect(try (0..<3).flatMap { try indices(Rank($0, of: 3), batchSize: 1) } == (0..<7).map { [$0] })
  }

  /// The replacement follows from the seed, so that a resumed run replaces it by the same.
  @Test func anUnreadableImageIsReplacedByOneOfItsOrientation() throws {
    let set = try makeSet()
    try folder.text("VOC2007/JPEGImages/c.png", "no picture")
    let sampling = DetectionSampling(batchSize: 2, seed: 7)
    let loader = DetectionLoader(set, sampling, resize, maxBad: Fraction(value: 0.5))
    let shown = try (0..<15).flatMap { _ in try #require(try loader.next()).examples }
    #expect(!shown.contains { $0.index == 2 })
    #expect(loader.badFiles.map(\.sample) == [2])
    #expect(loader.badFiles[0].description.hasPrefix(set.images[2].path + ": not a JPEG"))
    let other = DetectionLoader(set, sampling, resize, workers: 3, maxBad: Fraction(value: 0.5))
    #expect(try (0..<15).flatMap { _ in try #require(try other.next()).examples } == shown)
    for pair in stride(from: 0, to: 30, by: 2) {
      #expect(set.images[shown[pair].index].isWide == set.images[shown[pair + 1].index].isWide)
    }
  }

  @Test func tooManyUnreadableImagesEndTheRun() throws {
    let set = try makeSet()
    for name in ["a", "c", "e"] { try folder.text("VOC2007/JPEGImages/\(name).png", "no picture") }
    let loader = DetectionLoader(set, DetectionSampling(batchSize: 2, seed: 7), resize)
    #expect(throws: LoaderError.self) { for _ in 0..<40 { _ = try loader.next() } }
    #expect(throws: LoaderError.self) { try loader.next() }
  }

  /// An image of another size would have its boxes at wrong places.
  @Test func anImageOfAnotherSizeThanSaidIsNotShown() throws {
    let set = try makeSet()
    try folder.picture("VOC2007/JPEGImages/a.png", width: 32, height: 24)
    let loader = DetectionLoader(testing: set, resize, maxBad: Fraction(value: 0.5))
    var shown: [Int] = []
    while let batch = try loader.next() { shown += batch.examples.map(\.index) }
    #expect(shown == Array(1..<10))
    #expect(
      loader.badFiles.map(\.description) == [
        "\(set.images[0].path): cannot be read: it has 32 × 24 pixels, and its annotations are for 64 × 48"
      ])
  }
}
