import Testing
import Torch

@Suite struct RandomTensors {
  @Test func theSameSeedGivesTheSameNumbers() {
    func draw(_ seed: UInt64) -> [Float] {
      let generator = Generator(seed: seed)
      return Tensor.normal([100], using: generator).array() + Tensor.uniform([100], using: generator).array()
    }
    #expect(draw(1) == draw(1))
    #expect(draw(1) != draw(2))
  }

  @Test func aGeneratorGoesOn() {
    let generator = Generator(seed: 1)
    let first = Tensor.uniform([50], using: generator).array(of: Float.self)
    #expect(first != Tensor.uniform([50], using: generator).array())
  }

  /// 40,000 draws: the mean of N(3, 2²) is within 5 standard errors of 0.01, its deviation within 5 of 0.0071.
  @Test func normalDrawsHaveTheMeanAndDeviationAskedFor() {
    let x = Tensor.normal([40000], mean: 3, deviation: 2, dtype: .float64, using: Generator(seed: 1))
    let mean = x.mean().item()
    #expect(abs(mean - 3) < 0.05)
    #expect(abs((x - mean).pow(2).mean().sqrt().item() - 2) < 0.036)
  }

  @Test func uniformDrawsStayInTheirRange() {
    let x = Tensor.uniform([10000], low: -2, high: 3, dtype: .float64, using: Generator(seed: 1))
    #expect((x .>= -2).to(.float64).mean().item() == 1)
    #expect((x .< 3).to(.float64).mean().item() == 1)
    #expect(abs(x.mean().item() - 0.5) < 0.08)  // 5 standard errors of 5 / √12 / 100
  }
}

/// The constants are printed by Fixtures/make_counter_values.py.
@Suite struct CounterNumbers {
  private func draws(_ count: Int, _ generator: CounterGenerator) -> [UInt64] {
    var generator = generator
    return (0..<count).map { _ in generator.next() }
  }

  @Test func numbersAreTheOnesEveryRunWasMadeWith() {
    #expect(
      draws(3, CounterGenerator(seed: 0, .weights))
        == [0x54a6_1047_6e18_0781, 0x3c8f_e0ae_99ac_342a, 0x03cf_e84a_226f_3bde])
    #expect(
      draws(3, CounterGenerator(seed: 42, .geometry, 3, 1000, 1))
        == [0x1f20_bc70_fe9d_5f50, 0x3100_565c_3f72_3b2e, 0x9c46_2c86_2d28_a18d])
    #expect(
      draws(3, CounterGenerator(seed: .max, .color, -1))
        == [0xb2ee_53ad_b3a6_8baf, 0x3cdf_e2c0_b13d_b9a5, 0xa595_0932_b33b_d468])
  }

  @Test func uniformNumbersIndicesAndPermutationsAreTheOnesEveryRunWasMadeWith() {
    var uniform = CounterGenerator(seed: 7, .color, 1)
    #expect(uniform.uniform() == 0.36850089183532697)
    #expect(uniform.uniform(-2...3) == -0.4105030934516405)
    var index = CounterGenerator(seed: 7, .sampleOrder, 0)
    #expect((0..<12).map { _ in index.index(below: 10) } == [6, 1, 9, 1, 2, 6, 5, 6, 9, 6, 3, 2])
    var order = CounterGenerator(seed: 1, .keyShuffle, 5, 0)
    #expect(order.permutation(10) == [1, 9, 6, 4, 3, 5, 7, 2, 0, 8])
  }

  @Test func everyPartOfTheKeyMatters() {
    let keys = [
      CounterGenerator(seed: 1, .geometry, 2, 3), CounterGenerator(seed: 2, .geometry, 2, 3),
      CounterGenerator(seed: 1, .color, 2, 3), CounterGenerator(seed: 1, .geometry, 3, 2),
      CounterGenerator(seed: 1, .geometry, 2), CounterGenerator(seed: 1, .geometry, 2, 3, 0),
      CounterGenerator(seed: 1, .geometry, 5),
    ]
    let numbers = keys.flatMap { draws(100, $0) }
    #expect(Set(numbers).count == numbers.count)
  }

  @Test(arguments: [0, 1, 2, 17, 1000])
  func aPermutationHasEveryIndexOnce(count: Int) {
    var generator = CounterGenerator(seed: 3, .sampleOrder, count)
    #expect(generator.permutation(count).sorted() == Array(0..<count))
  }

  /// 6000 permutations of three: each of the six comes 1000 times, give or take 5 deviations of √(1000·5/6).
  @Test func everyOrderIsAsLikely() {
    var counts: [[Int]: Int] = [:]
    for step in 0..<6000 {
      var generator = CounterGenerator(seed: 9, .keyShuffle, step)
      counts[generator.permutation(3), default: 0] += 1
    }
    #expect(counts.count == 6)
    for (order, count) in counts { #expect(abs(count - 1000) < 145, "\(order)") }
  }

  @Test func chancesOfNoneAndOfOneAreCertain() {
    var generator = CounterGenerator(seed: 1, .color)
    #expect((0..<1000).allSatisfy { _ in !generator.chance(0) })
    #expect((0..<1000).allSatisfy { _ in generator.chance(1) })
    let hits = (0..<10000).count { _ in generator.chance(0.2) }
    #expect(abs(hits - 2000) < 200)  // 5 deviations of √(10000·0.2·0.8)
  }
}
