import Reports
import Testing

@Suite struct PaletteTests {
  @Test func tenSeriesHaveTenColours() {
    #expect(Palette.series.count == 10)
    #expect(Set(Palette.series.map(\.hex)).count == 10)
  }

  @Test func coloursRepeatAfterTheLast() {
    #expect(Palette.color(of: .series(10)) == Palette.color(of: .series(0)))
    #expect(Palette.color(of: .series(-1)) == Palette.color(of: .series(9)))
  }

  @Test func coloursAreWrittenWithSixDigits() {
    #expect(Palette.color(of: .series(0)).hex == "#0072b2")
    #expect(Palette.color(of: .ground).hex == "#ffffff")
  }
}
