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

  @Test func markupIsEscapedAndWhatXMLCannotHoldIsReplaced() {
    #expect(escapedForXML("<b>&\"'") == "&lt;b&gt;&amp;&quot;&#39;")
    #expect(escapedForXML("a\u{0}b\tc\u{1B}d\u{85}e\u{FFFE}語") == "a\u{FFFD}b c\u{FFFD}d\u{FFFD}e\u{FFFD}語")
  }
}
