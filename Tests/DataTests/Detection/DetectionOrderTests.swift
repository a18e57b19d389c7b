import Data
import Foundation
import Testing
import Torch
@testable import Data

@Suite struct DetectionOrderTests {
  private static let isWide = (0..<23).map { $0 % 3 == 0 }

  private func batches(
    _ count: Int, _ sampling: DetectionSampling, isWide: [Bool] = isWide
  ) -> [[DetectionOrder.Showing]] {
    var order = DetectionOrder(isWide: isWide, sampling)
    return (0..<count).map { _ in order.batch() }
  }

  @Test func aBatchHasOneOrientation() {
    for batch in batches(40, DetectionSampling(batchSize: 4, seed: 3)) {
      #expect(Set(batch.map { Self.isWide[$0.image] }).count == 1 && batch.count == 4)
    }
    let mixed = batches(40, DetectionSampling(batchSize: 4, seed: 3, groupsByAspect: false))
    #expect(mixed.contains { Set($0.map { Self.isWide[$0.image] }).count == 2 })
  }

  /// Nothing is lost between passes: of each pass every image comes once.
  @Test func everyPassShowsEveryImageOnce() {
    let shown = batches(60, DetectionSampling(batchSize: 4, seed: 3)).joined()
    for pass in 0..<8 {
      #expect(shown.filter { $0.pass == pass }.map(\.image).sorted() == Array(0..<23))
    }
    let orders = (0..<2).map { pass in
      shown.filter { $0.pass == pass }.sorted { $0.place < $1.place }.map(\.image)
    }
    #expect(orders[0] != orders[1])
  }

  /// The published grouping, written out: one list an orientation, given out when it is full.
  @Test func theOrderIsThatOfTwoStacks() {
    let sampling = DetectionSampling(batchSize: 4, seed: 8)
    var stacks: [Bool: [Int]] = [:]
    var expected: [[Int]] = []
    for pass in 0..<6 {
      var generator = CounterGenerator(seed: 8, .sampleOrder, pass)
      for image in generator.permutation(23) {
        let wide = Self.isWide[image]
        stacks[wide, default: []].append(image)
        if stacks[wide]?.count == 4 { expected.append(stacks.removeValue(forKey: wide) ?? []) }
      }
    }
    #expect(batches(expected.count, sampling).map { $0.map(\.image) } == expected)
  }

  @Test func ranksShareEachBatch() {
    let alone = DetectionBatches(
      isWide: Self.isWide, DetectionSampling(batchSize: 6, seed: 1), first: 0, window: 100)
    let ranks = (0..<3).map { number in
      DetectionBatches(
        isWide: Self.isWide, DetectionSampling(batchSize: 6, seed: 1, rank: Rank(number, of: 3)), first: 0,
        window: 100)
    }
    for batch in 0..<30 {
      #expect(ranks.flatMap { $0.rows(batch) } == alone.rows(batch))
      #expect(ranks.allSatisfy { $0.rows(batch).count == 2 })
    }
  }

  @Test func aLaterStartGivesTheSameBatches() {
    let sampling = DetectionSampling(
      batchSize: 4, seed: 5,
      repeats: RepeatFactors(
        classes: (0..<23).map { [$0 % 5] }, classCount: 5, threshold: 0.4))
    let whole = DetectionBatches(isWide: Self.isWide, sampling, first: 0, window: 100)
    let later = DetectionBatches(isWide: Self.isWide, sampling, first: 17, window: 4)
    for batch in 17..<40 { #expect(later.rows(batch) == whole.rows(batch)) }
  }

  /// A set of one orientation fills its batches over several passes.
  @Test func fewImagesFillABatchOverPasses() {
    let batch = batches(1, DetectionSampling(batchSize: 8, seed: 0), isWide: [true, true, true])[0]
    #expect(batch.map(\.pass) == [0, 0, 0, 1, 1, 1, 2, 2])
  }
}

@Suite struct RepeatFactorTests {
  /// Brute force over the definition: max over classes of max(1, √(t / f)).
  @Test func factorsAreThoseOfTheRarestClass() {
    var generator = CounterGenerator(seed: 4, .labels)
    let classes = (0..<200).map { _ in
      Array(Set((0..<3).map { _ in generator.index(below: 12) * generator.index(below: 12) / 11 })).sorted()
    }
    let factors = RepeatFactors(classes: classes, classCount: 12, threshold: 0.05)
    for (image, own) in classes.enumerated() {
      let expected =
        own.map { index -> Double in
          let share = Double(classes.filter { $0.contains(index) }.count) / 200
          return max(1, (0.05 / share).squareRoot())
        }.max() ?? 1
      // Two divisions in another order: a few units in the last place.
      #expect(abs(factors.values[image] - expected) < 1e-14)
    }
    #expect(factors.values.contains { $0 > 1 } && factors.values.contains(1))
  }

  /// Over many passes an image comes as often as its factor says; in each, one time more or less.
  @Test func fractionsAreRoundedByChance() {
    let classes = [[0]] + Array(repeating: [1], count: 99)
    let factors = RepeatFactors(classes: classes, classCount: 2, threshold: 0.05)  // √5 = 2.236
    let counts = (0..<2000).map { pass in factors.images(pass: pass, seed: 9).filter { $0 == 0 }.count }
    #expect(Set(counts) == [2, 3])
    let mean = Double(counts.reduce(0, +)) / 2000
    // Standard error √(0.236 · 0.764 / 2000) = 0.0095; four of them.
    #expect(abs(mean - 5.0.squareRoot()) < 0.038)
    #expect(factors.images(pass: 3, seed: 9) == factors.images(pass: 3, seed: 9))
    #expect(factors.images(pass: 3, seed: 9).count >= 101)
  }

  @Test func repeatsOfAPassAreShuffledAmongTheOthers() {
    let factors = RepeatFactors(
      classes: [[0]] + Array(repeating: [1], count: 99), classCount: 2, threshold: 0.05)
    var order = DetectionOrder(
      isWide: Array(repeating: false, count: 100), DetectionSampling(batchSize: 1, seed: 9, repeats: factors))
    let shown = (0..<300).map { _ in order.batch()[0] }
    let first = shown.filter { $0.pass == 0 }
    #expect(first.map(\.image).sorted() == factors.images(pass: 0, seed: 9))
    let places = first.filter { $0.image == 0 }.map(\.place)
    #expect(places.count >= 2 && places != Array(0..<places.count))
  }
}
