import Testing
@testable import Reports

@Suite struct TickTests {
  /// Lists worked out by hand: steps of 1, 2 or 5 times a power of ten, the smallest that needs at most `count`.
  @Test(arguments: [
    (0.0, 10.0, 5, ["0", "2", "4", "6", "8", "10"]),
    (0.0, 1.0, 5, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
    (0.0, 1.0, 4, ["0", "0.5", "1.0"]),
    (-3.1, 2.7, 6, ["−3", "−2", "−1", "0", "1", "2"]),
    (5.83, 6.41, 4, ["6.0", "6.2", "6.4"]),
    (0.0, 40_000.0, 4, ["0", "10k", "20k", "30k", "40k"]),
    (0.0, 9_000.0, 4, ["0", "5000"]),
    (0.0, 2_500_000.0, 5, ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"]),
    (0.0, 6e-4, 3, ["0", "2e-4", "4e-4", "6e-4"]),
    (0.0, 3e12, 3, ["0", "1e12", "2e12", "3e12"]),
    (-2e-5, 2e-5, 2, ["−2e-5", "0", "2e-5"]),
    (99.95, 100.05, 2, ["99.95", "100.00", "100.05"]),
  ])
  func linearTicksAreRoundNumbers(low: Double, high: Double, count: Int, labels: [String]) {
    #expect(Tick.linear(low, high, count: count).map(\.label) == labels)
  }

  @Test func tickValuesAreTheDoublesNearestToTheirLabels() {
    // Adding up 0.1 gives 0.30000000000000004 and 0.7999999999999999.
    let values = Tick.linear(0, 1, count: 10).map(\.value)
    #expect(values == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
  }

  @Test(arguments: [
    (1e-5, 1.0, 6, ["1e-5", "1e-4", "1e-3", "0.01", "0.1", "1"]),
    (1.0, 1e6, 7, ["1", "10", "100", "1000", "10k", "100k", "1M"]),
    (1.0, 100.0, 8, ["1", "2", "5", "10", "20", "50", "100"]),
    (20.0, 60.0, 4, ["20", "30", "40", "50", "60"]),
  ])
  func logarithmicTicksArePowersOfTen(low: Double, high: Double, count: Int, labels: [String]) {
    #expect(Tick.logarithmic(low, high, count: count).filter { !$0.isMinor }.map(\.label) == labels)
  }

  @Test func sixHundredDecadesHaveAFewTicks() {
    let ticks = Tick.logarithmic(1e-300, 1e300, count: 4)
    #expect((2...6).contains(ticks.count))
    #expect(ticks.allSatisfy { $0.value > 0 && $0.value.isFinite })
  }

  @Test func decadesWithoutRoomForLabelsKeepMinorTicks() {
    let ticks = Tick.logarithmic(0.1, 100, count: 4)
    #expect(ticks.filter { !$0.isMinor }.map(\.label) == ["0.1", "1", "10", "100"])
    #expect(ticks.count == 4 + 3 * 8)
  }

  @Test func chosenTicksAreWrittenExactly() {
    let axis = Projection(logarithmic: 100...70_000)
    let ticks = axis.ticks([32, 256, 65_536, 1e6])
    #expect(ticks.map(\.label) == ["256", "65536"])
    #expect(Notation.exact(0.9999) == "0.9999")
    #expect(Notation.exact(-2) == "−2")
    #expect(Notation.exact(-0.0) == "0")
  }

  @Test(arguments: [
    ([7.0], 3.5, 10.5), ([0.0, 0.0], -1.0, 1.0), ([-1e-305], -1.0, 1.0), ([], 0.0, 1.0),
    ([.nan, .infinity], 0.0, 1.0), ([0.0, 100.0], 0.0, 105.0), ([-100.0, 0.0], -105.0, 0.0),
  ])
  func aLinearAxisShowsItsValuesWithAMargin(values: [Double], low: Double, high: Double) {
    let axis = Projection(Chart.Axis("y"), values: values, padding: 0.05)
    #expect(abs(axis.low - low) < 1e-9)
    #expect(abs(axis.high - high) < 1e-9)
  }

  @Test func aLogarithmicAxisHasNoPlaceForZeroAndBelow() {
    let axis = Projection(Chart.Axis("y", scale: .logarithmic), values: [0, -5, 1, 100], padding: 0)
    #expect(axis.low == 1)
    #expect(axis.high == 100)
    #expect(axis(0) == nil)
    #expect(axis(-1) == nil)
    #expect(axis(10) == 0.5)
  }
}
