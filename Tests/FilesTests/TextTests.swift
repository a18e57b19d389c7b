import Testing
@testable import Files

@Suite struct TextTests {
  @Test func durationsAreReadable() {
    #expect(duration(0) == "00:00")
    #expect(duration(277) == "04:37")
    #expect(duration(3_600 + 62) == "01:01:02")
    #expect(duration(2 * 86_400 + 3 * 3_600 + 4 * 60 + 5) == "2 d 03:04:05")
    #expect(duration(.nan) == "–" && duration(.infinity) == "–" && duration(-1) == "–")
  }

  @Test func distancesBetweenWordsAreLevenshteins() {
    #expect(editDistance("", "abc") == 3)
    #expect(editDistance("kitten", "sitting") == 3)
    #expect(editDistance("flaw", "lawn") == 2)
    #expect(editDistance("same", "same") == 0)
  }
}
