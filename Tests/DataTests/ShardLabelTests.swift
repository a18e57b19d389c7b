import Files
import Foundation
import Images
import Testing
@testable import Data

/// Labels in shards, and what fingerprints keep of them.
@Suite struct ShardLabelsTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @discardableResult
  private func write(_ members: [(String, String)], _ name: String = "a.tar") throws -> String {
    var tar = MadeTar()
    for (member, text) in members {
      let isImage = SampleName(member)?.isImage == true
      tar.add(member, try isImage ? Array(noise(side: 8, seed: member.count).pngData()) : Array(text.utf8))
    }
    return try folder.write(name, tar.closed)
  }

  private func index(_ members: [(String, String)]...) throws -> ShardIndex {
    let sources = try members.enumerated().map { ShardSource.file(try write($1, "\($0).tar")) }
    return try ShardIndex(sources, cache: nil)
  }

  private func labels(_ index: ShardIndex) -> [Int?] { (0..<index.count).map { index.label($0) } }

  /// Three classes of three samples each, their keys with a date, as a ShardWriter makes them.
  private var dated: [(String, String)] {
    (0..<9).flatMap { number in
      let key = "2021.03.07_000\(number)"
      return [("\(key).cls", "\(number % 3)"), ("\(key).jpg", "")]
    }
  }

  @Test func aDateInTheKeyChangesNoLabel() throws {
    let index = try index(dated)
    #expect(index.count == 9)
    #expect(labels(index) == (0..<9).map { $0 % 3 })
    #expect(index.classNames == ["0", "1", "2"])
  }

  @Test func textsAreClassesSortedByTheirNames() throws {
    let first = [("a.jpg", ""), ("a.cls", "zebra\n"), ("b.cls", " ape "), ("b.jpg", "")]
    let index = try index(first, [("c.jpg", ""), ("c.cls", "Åsna"), ("d.jpg", ""), ("d.cls", "ape")])
    #expect(index.classNames == ["ape", "zebra", "Åsna"])
    #expect(labels(index) == [1, 0, 2, 0])
  }

  @Test func numbersAndNamesDoNotMix() throws {
    let numbers = (0..<3).flatMap { [("\($0).jpg", ""), ("\($0).cls", "\($0)")] }
    let index = try index(numbers, [("x.jpg", ""), ("x.cls", "1.5")])
    #expect(labels(index).allSatisfy { $0 == nil } && index.classNames.isEmpty)
    #expect(
      index.labelProblem
        == "1.tar/x.jpg has the label 1.5, and those before it have numbers; give all images numbers or names"
    )
    #expect(
      try self.index([("a.jpg", ""), ("a.cls", "ape"), ("b.jpg", ""), ("b.json", #"{"label": 7}"#)])
        .labelProblem
        == "0.tar/b.jpg has the label 7, and those before it have names; give all images numbers or names")
  }

  @Test func jsonHoldsLabels() throws {
    let index = try index([
      ("a.jpg", ""), ("a.json", #"{"label": 2, "width": 3}"#), ("b.jpg", ""), ("b.json", #"{"class": 0}"#),
      ("c.jpg", ""), ("c.json", #"{"cls": "1"}"#),
    ])
    #expect(labels(index) == [2, 0, 1] && index.classNames == ["0", "1", "2"])
    let texts = try self.index([
      ("a.jpg", ""), ("a.json", #"{"label": "dog"}"#), ("b.jpg", ""),
      ("b.json", #"{"label": null, "cls": "cat"}"#),
    ])
    #expect(labels(texts) == [1, 0] && texts.classNames == ["cat", "dog"])
    // A .cls goes before; JSON without a label is none.
    #expect(
      try labels(
        self.index([
          ("a.cls", "1"), ("a.jpg", ""), ("a.json", #"{"label": 5}"#), ("b.json", #"{"label": 0}"#),
          ("b.jpg", ""),
        ])) == [1, 0])
    for text in [
      "", "[]", "{", "3", #"{"label": true}"#, #"{"label": 1.5}"#, #"{"label": [1]}"#, #"{"caption": "x"}"#,
    ] {
      #expect(try labels(self.index([("a.jpg", ""), ("a.json", text)])) == [nil], "\(text)")
    }
    let nested = String(repeating: #"{"label":"#, count: 2000) + "1" + String(repeating: "}", count: 2000)
    #expect(try labels(self.index([("a.jpg", ""), ("a.json", nested)])) == [nil])
  }

  /// Shards of captions are not parsed to their end.
  @Test func jsonWithoutLabelsIsGivenUp() throws {
    let captions = (0..<150).flatMap {
      [("\($0).jpg", ""), ("\($0).json", $0 == 149 ? #"{"label": 1}"# : "{}")]
    }
    #expect(try labels(index(captions)).allSatisfy { $0 == nil })
    let early = (0..<150).flatMap { [("\($0).jpg", ""), ("\($0).json", #"{"label": \#($0)}"#)] }
    #expect(try labels(index(early)) == Array(0..<150))
  }

  @Test func oneMissingLabelIsNamed() throws {
    let members = (0..<9).flatMap { [("k\($0).jpg", ""), ("k\($0).cls", "\($0 % 3)")] }
    let one = try index(members, members.filter { $0.0 != "k4.cls" })
    #expect(labels(one).allSatisfy { $0 == nil })
    #expect(
      one.labelProblem == "1 of 18 images has no label: 1.tar/k4.jpg has no k4.cls and no label in k4.json")
    let two = try index(members.filter { !["k4.cls", "k7.cls"].contains($0.0) })
    #expect(
      two.labelProblem
        == "2 of 9 images have no label: 0.tar/k4.jpg has no k4.cls and no label in k4.json, and so on")
    // The same where keys end at the last dot.
    let dots = try index(dated.filter { $0.0 != "2021.03.07_0004.cls" })
    #expect(
      dots.labelProblem
        == "1 of 9 images has no label: 0.tar/2021.03.07_0004.jpg has no 2021.03.07_0004.cls and no label in "
        + "2021.03.07_0004.json")
    #expect(try index(members).labelProblem == nil)
    #expect(
      try index([("a.jpg", "")]).labelProblem
        == "no .cls, and no .json with \"label\", \"class\" or \"cls\", lies beside its images")
  }

  @Test func whatIsNoLabelIsNamed() throws {
    func problem(_ text: String) throws -> String? {
      try index([("a.jpg", ""), ("a.cls", text), ("b.jpg", ""), ("b.cls", "1")]).labelProblem
    }
    let start = "1 of 2 images has no label: 0.tar/a.jpg has no a.cls and no label in a.json; "
    #expect(try problem("-1") == start + "the label -1 of a.cls is outside 0...999999")
    #expect(try problem("1000000") == start + "the label 1000000 of a.cls is outside 0...999999")
    #expect(try problem(" \n") == start + "a.cls holds no text")
    #expect(try problem("a\nb") == start + "a.cls holds more than one line of text")
    #expect(
      try problem(String(repeating: "x", count: 1025)) == start
        + "a.cls has 1,025 bytes, too many for a label")
    var tar = MadeTar()
    for name in ["a", "b"] {
      tar.add("\(name).jpg", try Array(noise(side: 8, seed: 1).pngData()))
      tar.add("\(name).cls", name == "a" ? [0xFF, 0xFE, 0] : [UInt8(ascii: "1")])
    }
    let path = try folder.write("0.tar", tar.closed)
    #expect(try ShardIndex([.file(path)], cache: nil).labelProblem == start + "a.cls is no text")
  }

  /// Two labels of one key are no label; folders give it then.
  @Test func aKeyWithTwoLabelsHasNone() throws {
    let members = [
      ("x/a.jpg", ""), ("x/a.fine.cls", "1"), ("x/a.coarse.cls", "0"), ("y/b.jpg", ""), ("y/b.cls", "5"),
    ]
    let index = try index(members)
    #expect(labels(index) == [0, 1] && index.classNames == ["x", "y"])
  }

  // MARK: Fingerprints

  private func fingerprint(_ members: [(String, String)]) throws -> UInt32 {
    try Dataset.open(write(members), allowsOneImage: true).fingerprint
  }

  /// Runs that were begun before texts and JSON were labels go on.
  @Test func labelsThatWereNotReadBeforeLeaveTheFingerprint() throws {
    let images = [("a.jpg", ""), ("b.jpg", "")]
    let plain = try fingerprint(images)
    #expect(try fingerprint(images + [("a.cls", "dog"), ("b.cls", "cat")]) == plain)
    #expect(try fingerprint(images + [("a.json", #"{"label": 1}"#), ("b.json", #"{"label": 0}"#)]) == plain)
    #expect(try fingerprint(images + [("a.cls", "1")]) == plain)
    #expect(try fingerprint(images + [("a.cls", "1"), ("b.cls", "0")]) != plain)
  }

  /// As it was computed before: the format, the number, names with their labels, and pixels; of a shared key the last
  /// label was everyone's.
  @Test func theFingerprintOfNamesWithDotsIsAsItWas() throws {
    for shift in [0, 1] {
      let members = dated.map { ($0.0, $0.1.isEmpty ? "" : "\((Int($0.1) ?? 0) + shift)") }
      let dataset = try Dataset.open(write(members))
      var bytes = Array("tar shards 9\n".utf8)
      for number in 0..<9 { bytes += Array("2021.03.07_000\(number).jpg \(2 + shift)\n".utf8) }
      for sample in 0..<9 { bytes += try dataset.image(sample).pixels }
      #expect(dataset.fingerprint == bytes.withUnsafeBytes { crc32($0) })
      #expect((0..<9).map { dataset.label($0) } == (0..<9).map { $0 % 3 + shift })
    }
  }
}
