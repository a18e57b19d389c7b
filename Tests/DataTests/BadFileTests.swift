import Foundation
import Images
import Testing
@testable import Data

@Suite struct BadFiles {
  private func dataset(_ count: Int, bad: Set<Int>) -> Dataset {
    made(count) { index in
      if bad.contains(index) { throw ImageError.inFile(path: "/data/made-\(index)", .truncated(.jpeg)) }
      return RGBImage(width: 4, height: 4, pixels: Array(repeating: UInt8(index % 256), count: 48))
    }
  }

  private func loader(_ dataset: Dataset, batchSize: Int = 10, workers: Int = 2) -> DataLoader {
    DataLoader(
      dataset, views: [view(.cifar, 4)],
      sampler: EpochSampler(count: dataset.count, batchSize: batchSize, seed: 1), workers: workers,
      endEpoch: 2)
  }

  @Test func aFewAreReplacedCountedAndListed() throws {
    let bad: Set = [7, 42, 99]
    let loader = loader(dataset(200, bad: bad))
    let batches = try contents(loader)
    #expect(batches.count == 40)
    #expect(batches.flatMap(\.drawIndices).filter(bad.contains).count == 6)
    for batch in batches {
      #expect(batch.indices.count == 10)
      #expect(!batch.indices.contains(where: bad.contains))
      for (shown, drawn) in zip(batch.indices, batch.drawIndices) {
        #expect(bad.contains(drawn) ? shown != drawn : shown == drawn)
      }
      #expect(batch.views[0] == batch.indices.flatMap { Array(repeating: UInt8($0), count: 48) })
    }
    #expect(Set(loader.badFiles.map(\.sample)) == bad)
    #expect(loader.badFiles.count == 3)
    #expect(
      loader.badFiles.first { $0.sample == 42 }?.description
        == "made-42: the JPEG image ends too early; fetch or copy it again")
  }

  @Test func replacementsDoNotDependOnWorkers() throws {
    let dataset = dataset(300, bad: [1, 50, 51, 52, 200])
    let runs = try [1, 2, 7].map { try contents(loader(dataset, batchSize: 30, workers: $0)) }
    #expect(runs[0].count == 20)
    #expect(runs[1] == runs[0])
    #expect(runs[2] == runs[0])
  }

  /// 6 of 100 is above 5 %, known when as many images as there are were seen.
  @Test func aboveFivePercentTheRunStops() {
    let loader = loader(dataset(100, bad: Set((0..<6).map { $0 * 10 })))
    #expect { _ = try contents(loader) } throws: { error in
      guard case LoaderError.tooManyBadFiles(6, 100, .fivePercent, let first)? = error as? LoaderError else {
        return false
      }
      return first.count == 3
    }
    #expect(loader.badFiles.count == 6)
  }

  @Test func fivePercentAreBorne() throws {
    #expect(try contents(loader(dataset(100, bad: Set((0..<5).map { $0 * 10 })))).count == 20)
  }

  @Test func twentyBadOnesAreJudgedEarly() {
    var record = BadFileRecord(count: 1_000_000)
    func files(_ range: Range<Int>) -> [BadFile] {
      range.map { BadFile(sample: $0, name: "\($0).jpg", reason: "the file is empty") }
    }
    #expect(throws: Never.self) { try record.record(seen: 100, bad: files(0..<19)) }
    #expect {
      try record.record(seen: 100, bad: files(19..<20))
    } throws: { error in
      "\(error)"
        == "20 of 200 images cannot be read, more than 5%: 0.jpg: the file is empty; 1.jpg: the file is empty; "
        + "2.jpg: the file is empty; …; fix them or take them out, or raise --max-bad"
    }
  }

  @Test func twentyOfManyAreBorne() throws {
    var record = BadFileRecord(count: 1_000_000)
    try record.record(seen: 400, bad: (0..<20).map { BadFile(sample: $0, name: "x", reason: "y") })
    #expect(record.files.count == 20)
  }

  @Test func aFileIsCountedOnceHoweverOftenItIsMet() throws {
    var record = BadFileRecord(count: 100)
    for _ in 0..<20 {
      try record.record(seen: 100, bad: [BadFile(sample: 5, name: "x", reason: "y")])
    }
    #expect(record.files.count == 1)
    #expect(record.seen == 100)
  }

  private func shard(_ first: Int, _ images: Int) -> BadFile {
    BadFile(sample: first, name: "s-\(first).tar", reason: "gone", images: images)
  }

  /// Few images were seen when the first shard of a new or resumed run is away.
  @Test func aShardIsComparedWithTheWholeSet() throws {
    var record = BadFileRecord(count: 400_000)
    try record.record(seen: 8, bad: [shard(0, 10_000), shard(0, 10_000)])
    try record.record(seen: 8, bad: [shard(20_000, 9_000), shard(20_000, 10_000)])
    #expect(record.files.map(\.images) == [10_000, 10_000], "the larger part of a shard counts")
    #expect(record.files[0].description == "s-0.tar: 10,000 images, gone")
    #expect {
      try record.record(seen: 8, bad: [shard(50_000, 1)])
    } throws: { error in
      "\(error)"
        == "20,001 of 400,000 images cannot be read, more than 5%: s-0.tar: 10,000 images, gone; "
        + "s-20000.tar: 10,000 images, gone; s-50000.tar: 1 image, gone; fix them or take them out, or raise --max-bad"
    }
  }

  private func judged(_ bad: [Int], of count: Int, ranks: Int = 1) -> String? {
    let files = bad.map {
      BadFile(sample: $0, name: "\($0).png", reason: "cannot be read: it has 8 × 6 pixels")
    }
    do {
      try BadFileRecord.judge(files, of: count, ranks: ranks, allowed: .fivePercent)
      return nil
    } catch { return "\(error)" }
  }

  @Test func theImagesOfATestAreJudgedAheadAsTheTestWill() {
    #expect(
      judged([7], of: 16)
        == "1 of 16 images cannot be read, more than 5%: 7.png: it has 8 × 6 pixels; fix them or take them out, or raise "
        + "--max-bad")
    #expect(judged([7], of: 20) == nil && judged([], of: 3) == nil)
    // Twenty bad ones among the first images stop a test, at its end they are few.
    #expect(judged(Array(0..<20), of: 1000)?.hasPrefix("20 of 20 images") == true)
    #expect(judged(Array(980..<1000), of: 1000) == nil)
    // Each of two ranks sees a half, and judges from twenty on.
    #expect(judged([7], of: 16, ranks: 2) == nil)
    #expect(judged(Array(500..<520), of: 1000, ranks: 2)?.hasPrefix("20 of 20 images") == true)
  }

  /// A rank sees its own shards only.
  @Test func aShardIsComparedWithTheRanksShare() throws {
    var record = BadFileRecord(count: 400_000, ranks: 4)
    try record.record(seen: 8, bad: [shard(0, 5_000)])
    #expect {
      try record.record(seen: 8, bad: [shard(20_000, 1)])
    } throws: { error in
      "\(error)".hasPrefix("5,001 of 100,000 images cannot be read, more than 5%: ")
    }
    // Single images are compared with those seen, as before.
    var single = BadFileRecord(count: 100, ranks: 10)
    try single.record(seen: 10, bad: [BadFile(sample: 5, name: "x", reason: "y")])
  }

  @Test func whereNothingCanBeReadTheRunStops() {
    let loader = loader(dataset(20, bad: Set(0..<20)))
    #expect { _ = try loader.next() } throws: { error in
      "\(error)".hasSuffix(
        ": the JPEG image ends too early; fetch or copy it again, and in a hundred draws of others in its place there was "
          + "none that can be read; check the data set")
    }
  }
}

@Suite struct EvaluationPass {
  @Test func everyImageComesOnceInOrder() throws {
    let dataset = made(23) { noise(side: $0 == 4 ? 8 : 20, seed: $0) }
    for workers in [1, 5] {
      let loader = DataLoader(
        evaluating: dataset, view: EvaluationView(size: 8), batchSize: 10, workers: workers)
      let batches = try contents(loader)
      #expect(batches.map(\.indices.count) == [10, 10, 3])
      #expect(batches.flatMap(\.indices) == Array(0..<23))
      #expect(try loader.next() == nil)
      let bytes = batches.flatMap { $0.views[0] }
      #expect(bytes.count == 23 * 192)
      for sample in 0..<23 {
        let expected = try dataset.image(sample).evaluationView(size: 8).pixels
        #expect(Array(bytes[sample * 192..<(sample + 1) * 192]) == expected)
      }
    }
  }

  @Test func unreadableImagesAreLeftOut() throws {
    let dataset = made(40) { index in
      if index == 11 { throw ImageError.inFile(path: "x", .empty) }
      return RGBImage(width: 4, height: 4, pixels: Array(repeating: UInt8(index), count: 48))
    }
    let loader = DataLoader(evaluating: dataset, view: EvaluationView(size: 4), batchSize: 10, workers: 3)
    let batches = try contents(loader)
    #expect(batches.map(\.indices.count) == [10, 9, 10, 10])
    #expect(batches[1].indices == [10] + Array(12..<20))
    #expect(batches[1].views[0] == batches[1].indices.flatMap { Array(repeating: UInt8($0), count: 48) })
    #expect(loader.badFiles.map(\.description) == ["made-11: the file is empty; fetch or copy it again"])
  }
}

@Suite struct BadShares {
  @Test(arguments: [("5%", 0.05), ("5 %", 0.05), ("0.05", 0.05), ("0", 0), ("100%", 1), ("12.5%", 0.125)])
  func areReadAsPercentOrNumber(_ text: String, _ value: Double) throws {
    #expect(try #require(Fraction(text)).value == value)
  }

  @Test(arguments: ["", "%", "five", "-1%", "101%", "1.5", "nan"])
  func othersAreRefused(_ text: String) { #expect(Fraction(text) == nil) }

  @Test func areWrittenAsPercent() {
    #expect(
      ["5%", "0.125", "0.001%", "1"].map { Fraction($0)?.description } == ["5%", "12.5%", "0.001%", "100%"])
  }

  @Test func aLargerShareLetsMorePass() throws {
    let bad = (0..<30).map { BadFile(sample: $0, name: "\($0).jpg", reason: "the file is empty") }
    var record = BadFileRecord(count: 1000, allowed: Fraction(value: 0.2))
    try record.record(seen: 150, bad: bad)
    #expect(record.files.count == 30)
    #expect(throws: LoaderError.self) {
      try record.record(seen: 1, bad: (30..<32).map { BadFile(sample: $0, name: "\($0)", reason: "") })
    }
  }
}
