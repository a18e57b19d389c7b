import Foundation
import Testing
@testable import Data

/// The next pair made while a step runs. On a CPU nothing runs beside anything; what is made, and when it is handed out,
/// is the same.
@Suite struct PreparedViews {
  private let recipe = AugmentationPreset.v2.transform(imageSize: 16)
  private let sampler = EpochSampler(count: 30, batchSize: 8, seed: 4)

  private func loader(_ dataset: Dataset, workers: Int = 2) -> DataLoader {
    DataLoader(dataset, views: recipe.views, sampler: sampler, workers: workers, endEpoch: 2)
  }

  private func source(_ origin: ViewPipeline.Origin) -> ViewPipeline {
    ViewPipeline(
      origin, sampler: sampler, transform: recipe, device: .cpu, next: (0, 0), preparesAnywhere: true)
  }

  private func waitUntilReady(_ loader: DataLoader) throws {
    for _ in 0..<5000 where !loader.isReady { Thread.sleep(forTimeInterval: 0.002) }
    try #require(loader.isReady)
  }

  private func content(_ pair: AugmentedBatch) -> [[Float]] {
    [pair.views[0].array(), pair.views[1].array(), pair.samples.map(Float.init)]
  }

  private let dataset = made(30) { noise(side: 24, seed: $0) }

  @Test func theyAreThoseThatWouldHaveComeAnyway() throws {
    let plain = ViewPipeline(loader(dataset), sampler: sampler, transform: recipe, device: .cpu)
    var expected: [[[Float]]] = []
    while let pair = try plain.next() { expected.append(content(pair)) }
    #expect(expected.count == 6)  // two epochs of three batches

    let images = loader(dataset)
    let prepared = source(.loader(images))
    var seen: [[[Float]]] = []
    while let pair = try prepared.next() {
      seen.append(content(pair))
      try waitUntilReady(images)
      prepared.prepare()
      prepared.prepare()  // there already
    }
    #expect(seen == expected)
  }

  @Test func theyComeFromImagesOnTheDeviceToo() throws {
    let cache = try #require(try DeviceCache(dataset, on: .cpu, limit: 1 << 20))
    let plain = ViewPipeline(cache, sampler: sampler, transform: recipe, device: .cpu, epoch: 0, batch: 0)
    let prepared = source(.device(cache))
    for _ in 0..<5 {
      prepared.prepare()
      let (a, b) = (try #require(try prepared.next()), try #require(try plain.next()))
      #expect(content(a) == content(b))
    }
  }

  @Test func nothingIsWaitedForAhead() throws {
    let gate = DispatchSemaphore(value: 0)
    let slow = made(30) { index in
      gate.wait()
      gate.signal()
      return noise(side: 24, seed: index)
    }
    let images = loader(slow)
    let prepared = source(.loader(images))
    prepared.prepare()  // would not return
    gate.signal()
    #expect(try prepared.next()?.samples.count == 8)
  }

  @Test func whatFailsAheadIsThrownWhenItsPairIsAskedFor() throws {
    struct DiskGone: Error {}
    let second = Set(sampler.order(epoch: 0)[8..<16])
    let broken = made(30) { index in
      if second.contains(index) { throw DiskGone() }
      return noise(side: 24, seed: index)
    }
    let images = loader(broken, workers: 1)  // which makes the first batch first
    let prepared = source(.loader(images))
    let first = try prepared.next()
    #expect(first?.samples.count == 8)
    try waitUntilReady(images)
    prepared.prepare()
    #expect(throws: LoaderError.self) { try prepared.next() }
  }
}
