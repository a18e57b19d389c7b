import TestSupport
import Testing
import Torch
@testable import Methods

@Suite struct KMeansOfPoints {
  private func points(_ rows: [[Double]]) -> Tensor {
    Tensor(rows.flatMap(\.self), shape: [rows.count, rows[0].count])
  }

  /// Two pairs: the means are their middles, and each point lies 0.5 from its own.
  @Test func centresGoToTheMiddlesOfPairs() {
    let x = points([[0, 0], [0, 1], [10, 0], [10, 1]])
    let found = KMeans()(x, startingFrom: x.narrowed(1..<3))
    #expect(found.labels.array() == [0, 0, 1, 1])
    #expect(found.centres.array() == [0, 0.5, 10, 0.5])
    #expect(found.sizes == [2, 2])
    #expect(found.objectives.first == 2 && found.objectives.last == 1)
    #expect(found.splits.allSatisfy { $0.isEmpty })
  }

  @Test func equallyNearCentresGiveTheFirst() {
    let x = points([[1, 0], [-1, 0], [0, 2]])
    let found = KMeans(iterations: 0)(x, startingFrom: x.narrowed(0..<2))
    #expect(found.labels.array() == [0, 1, 0])
    #expect(found.splits.isEmpty && found.objectives.count == 1)
  }

  @Test func asManyClustersAsPointsHaveNoDistance() {
    let x = formula(salt: 1, shape: [7, 3])
    let found = KMeans()(x, startingFrom: x)
    #expect(found.labels.array() == Array(0..<7))
    #expect(abs(found.objectives.last ?? 1) < 1e-14)  // squares of numbers below 1, subtracted
  }

  /// Mean direction instead of mean: (1, 0) and (0.6, 0.8) give (2, 1)/√5.
  @Test func sphericalCentresHaveLengthOne() {
    let x = points([[1, 0], [0.6, 0.8], [-1, 0]])
    let start = points([[3, 0], [-5, 0]])
    let found = KMeans(isSpherical: true)(x, startingFrom: start)
    #expect(found.labels.array() == [0, 0, 1])
    let expected = [2 / 5.0.squareRoot(), 1 / 5.0.squareRoot(), -1, 0]
    for (ours, theirs) in zip(found.centres.array(of: Double.self), expected) {
      #expect(abs(ours - theirs) < 1e-15)
    }
  }

  /// All points start in cluster 0. Its centre and the empty cluster's part by 1/1024, coordinates in turns up and
  /// down, and the points divide between them.
  @Test func anEmptyClusterTakesHalfOfAnother() {
    let x = points([[4, 1], [5, 1], [8, 1], [9, 1]])
    let found = KMeans(iterations: 1)(x, startingFrom: points([[6, 1], [1000, 1]]))
    #expect(found.splits == [[KMeans.Split(cluster: 1, donor: 0)]])
    let step = 1 / 1024.0
    #expect(found.centres.array() == [6.5 * (1 - step), 1 + step, 6.5 * (1 + step), 1 - step])
    #expect(found.labels.array() == [0, 0, 1, 1])
  }

  /// Once for each comparison of the points with the centres.
  @Test func aCheckMayBreakItOff() {
    let x = l2Normalized(formula(salt: 2, shape: [400, 6]))
    var checks = 0
    let found = KMeans()(x, startingFrom: x.narrowed(0..<9), checking: { checks += 1 })
    #expect(checks == found.objectives.count && checks > 3)
    checks = 0
    #expect(throws: CancellationError.self) {
      try KMeans()(x, startingFrom: x.narrowed(0..<9)) {
        checks += 1
        if checks == 3 { throw CancellationError() }
      }
    }
    #expect(checks == 3)
  }

  @Test func noObjectiveRises() {
    let x = l2Normalized(formula(salt: 2, shape: [400, 6]))
    let found = KMeans(iterations: 30)(x, startingFrom: x.narrowed(0..<9))
    #expect(found.objectives.count > 3)
    for (before, after) in zip(found.objectives, found.objectives.dropFirst()) { #expect(after <= before) }
    #expect(found.sizes.reduce(0, +) == 400)
  }

  /// The C++ standard names the 10,000th number of a default mt19937, whose seed is 5489.
  @Test func theMersenneTwisterIsThatOfCPlusPlus() {
    var generator = MersenneTwister(seed: 5489)
    for _ in 0..<9999 { _ = generator.next() }
    #expect(generator.next() == 4_123_659_995)
  }
}
