import Testing
@testable import Reports

@Suite struct ThinningTests {
  /// 100,000 points over 100 columns of one point, with one peak and one dip that are a single point wide.
  private static let noisy = (0..<100_000).map { index in
    let y = index == 51_234 ? 1e6 : index == 70_007 ? -1e6 : Double((index &* 7919) % 101)
    return Position(Double(index) / 1000, y)
  }

  @Test func fourPointsAColumnAreKeptAtMost() {
    let kept = subset(Self.noisy, column: 1)
    #expect(kept.count <= 400)
    #expect(kept.count >= 200)
  }

  @Test func extremesOfEveryColumnAreKept() {
    let kept = subset(Self.noisy, column: 1)
    #expect(kept.contains(Self.noisy[51_234]))
    #expect(kept.contains(Self.noisy[70_007]))
    for column in 0..<100 {
      let all = Self.noisy[(column * 1000)..<((column + 1) * 1000)].map(\.y)
      let rest = kept.filter { Int($0.x) == column }.map(\.y)
      #expect(rest.min() == all.min())
      #expect(rest.max() == all.max())
    }
  }

  @Test func theOrderStays() {
    let kept = subset(Self.noisy, column: 1)
    #expect(zip(kept, kept.dropFirst()).allSatisfy { $0.x < $1.x })
    #expect(kept.first == Self.noisy.first)
    #expect(kept.last == Self.noisy.last)
  }

  @Test func aFewPointsAreLeftAlone() {
    let line = [Position(0, 1), Position(0.1, 5), Position(0.2, 2), Position(3, 4)]
    #expect(subset(line, column: 1) == line)
    #expect(subset([]).isEmpty)
    #expect(subset([Position(1, 2)]) == [Position(1, 2)])
  }

  @Test func dotsOnEachOtherAreDrawnOnce() {
    let dots = [Position(1, 1), Position(1.01, 1.01), Position(1, 9), Position(5, 1), Position(1, 1)]
    #expect(subset(dots: dots) == [dots[0], dots[2], dots[3]])
  }

  @Test func segmentsAreCutAtTheRectangle() {
    let box = Rectangle(left: 0, top: 0, right: 10, bottom: 10)
    let through = box.clip(Position(-10, 5), Position(20, 5))
    #expect(through?.0 == Position(0, 5))
    #expect(through?.1 == Position(10, 5))
    #expect(box.clip(Position(-5, 1), Position(1, -5)) == nil)
    #expect(box.clip(Position(11, 0), Position(11, 10)) == nil)
    #expect(box.clip(Position(2, 3), Position(4, 5))! == (Position(2, 3), Position(4, 5)))
  }

  @Test func aLineThatLeavesAndReturnsIsTwoParts() {
    let box = Rectangle(left: 0, top: 0, right: 10, bottom: 10)
    let line = [Position(1, 5), Position(3, 5), Position(5, -5), Position(7, 5), Position(9, 5)]
    let parts = box.clip(line)
    #expect(parts.count == 2)
    #expect(parts.first == [Position(1, 5), Position(3, 5), Position(4, 0)])
    #expect(parts.last == [Position(6, 0), Position(7, 5), Position(9, 5)])
  }
}
