import Foundation
import Testing
@testable import Torch

@Suite struct DropPathTests {
  @Test func aBranchIsLeftOutOrDividedByItsChance() {
    let path = DropPath()
    let x = Tensor([1, 2, 3, 4, 5, 6] as [Double], shape: [3, 1, 2])
    #expect(!path.isActive && path(x).array(of: Double.self) == [1, 2, 3, 4, 5, 6])
    path.rate = 0.75
    path.set(isKept: [true, false, true])
    #expect(path.isActive && path(x).array(of: Double.self) == [4, 8, 0, 0, 20, 24])
    path.train(false)
    #expect(!path.isActive && path(x).array(of: Double.self) == [1, 2, 3, 4, 5, 6])
  }

  @Test func aLeftOutBranchHasNoGradient() {
    let path = DropPath()
    path.rate = 0.5
    path.set(isKept: [true, false])
    let x = Tensor.ones([2, 3])
    x.requiresGrad = true
    path(x).sum().backward()
    #expect(x.gradient?.array(of: Float.self) == [2, 2, 2, 0, 0, 0])
  }

  private final class Block: Module, StochasticDepthBlock {
    let dropPaths = [DropPath(), DropPath()]
    let linear = Linear(2, 2, using: Generator(seed: 1))
  }

  private final class Tower: Module {
    let blocks = (0..<5).map { _ in Block() }
  }

  @Test func ratesRiseLinearlyAndAddNothingToTheState() {
    let tower = Tower()
    tower.setDropPath(rate: 0.2)
    let rates = tower.blocks.map { $0.dropPaths.map(\.rate) }
    for (found, expected) in zip(rates, [0, 0.05, 0.1, 0.15, 0.2]) {
      #expect(found.allSatisfy { abs($0 - expected) < 1e-15 })
    }
    #expect(tower.state.map(\.name).prefix(2) == ["blocks.0.linear.weight", "blocks.0.linear.bias"])
    #expect(tower.state.count == 10)
  }

  @Test func drawsBelongToSamplesAndBranches() {
    let tower = Tower()
    tower.setDropPath(rate: 0.5)
    func kept(_ epoch: Int, _ samples: [Int]) -> [[Bool]] {
      tower.drawDropPaths(seed: 3, epoch: epoch, samples: samples)
      return tower.blocks[1...].flatMap(\.dropPaths).map { path in
        path(Tensor.ones([samples.count, 1])).array(of: Float.self).map { $0 > 0 }
      }
    }
    let samples = Array(0..<400)
    let all = kept(1, samples)
    #expect(all == kept(1, samples) && all != kept(2, samples))
    #expect(Set(all).count == all.count, "each branch has draws of its own")
    for (paths, rate) in zip([all[0], all[7]], [0.125, 0.5]) {
      // At most ± 10 of 400: five deviations.
      #expect(abs(Double(paths.count { $0 }) - 400 * (1 - rate)) < 50)
    }
    let turned = kept(1, samples.reversed())
    #expect(turned.map { Array($0.reversed()) } == all, "a sample's draw does not depend on its place")
  }
}

@Suite struct RandomDistributionTests {
  /// The share of draws below some places against the distribution function: 20,000 draws, so that a deviation is at
  /// most 0.0036; this is five of it.
  private func check(_ draws: [Double], below places: [(Double, Double)], _ name: String) {
    for (place, probability) in places {
      let share = Double(draws.count { $0 < place }) / Double(draws.count)
      #expect(abs(share - probability) < 0.018, "\(name) below \(place): \(share), not \(probability)")
    }
  }

  @Test func normalDrawsAreNormal() {
    var generator = CounterGenerator(seed: 1, .erasing, 5)
    let draws = (0..<20_000).map { _ in generator.normal() }
    check(
      draws, below: [-2, -1, -0.3, 0, 0.7, 1.5].map { ($0, 0.5 * erfc(-$0 / 2.0.squareRoot())) }, "normal")
    #expect(draws.allSatisfy { $0.isFinite })
  }

  @Test(arguments: [0.01, 0.2, 0.8, 1, 2, 30])
  func betaDrawsHaveTheirDistribution(alpha: Double) {
    var generator = CounterGenerator(seed: 2, .mixing, Int(alpha * 100))
    let draws = (0..<20_000).map { _ in generator.beta(alpha) }
    #expect(draws.allSatisfy { $0 >= 0 && $0 <= 1 })
    check(draws, below: [(0.5, 0.5)], "α \(alpha)")
    let mean = draws.reduce(0, +) / 20_000
    let variance = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20_000
    // 1 / (4 (2α + 1)) by its definition. A variance of n draws deviates by at most √(2/n) of itself: five of it.
    #expect(abs(variance * 4 * (2 * alpha + 1) - 1) < 0.05)
    // Uniform for 1, arcsine-like below; for 2 the distribution function is x²(3 − 2x).
    if alpha == 1 { check(draws, below: [0.1, 0.25, 0.8].map { ($0, $0) }, "uniform") }
    if alpha == 2 { check(draws, below: [0.1, 0.25, 0.8].map { ($0, $0 * $0 * (3 - 2 * $0)) }, "α 2") }
  }
}
