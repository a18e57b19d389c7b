import Data
import Foundation
import Testing

@Suite struct ClassListTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func failure(_ classes: String) throws -> String {
    segmentationFailure(try folder.makePairs(1, classes: classes), in: folder)
  }

  @Test func namesMayHaveSpacesAndLinesAnyEnd() throws {
    let set = try SegmentationDataset.open(folder.makePairs(1, classes: "traffic light\r\n  tree 2 \r\n\r\n"))
    #expect(set.classNames == ["traffic light", "tree 2"])
  }

  /// Some editors put a mark before the first name.
  @Test func aByteOrderMarkIsNoPartOfAName() throws {
    let set = try SegmentationDataset.open(folder.makePairs(1, classes: "\u{FEFF}ground\ntree\n"))
    #expect(set.classNames == ["ground", "tree"])
    #expect(set.classNames[0].utf8.count == 6)
  }

  @Test func aListOfUTF16IsRefused() throws {
    let spec = try folder.makePairs(1)
    try folder.write("masks/classes.txt", Data([0xFF, 0xFE, 0x61, 0, 0x0A, 0]))
    #expect(
      segmentationFailure(spec, in: folder)
        == "FOLDER/masks/classes.txt, line 1: this is UTF-16; save it as UTF-8")
  }

  @Test func aListMayLieBesideTheMasksFolder() throws {
    let spec = try folder.makePairs(1, classes: nil)
    try folder.text("classes.txt", "ground\ntree\n")
    #expect(try SegmentationDataset.open(spec).classNames == ["ground", "tree"])
  }

  @Test(arguments: [
    ("a\nb\na\n", "line 3: the class `a` is that of line 1 too; a class has one line"),
    (
      "a 1 2 3\nb 4 5 6\na 7 8 9\n",
      "line 3: the class `a` is that of line 1 too; a class has one line and one colour"
    ),
    (
      "a 1 2 3\nb 4 5 6\nc 1 2 3\n",
      "line 3: 1 2 3 is the colour of `a` in line 1 too; give each class a colour of its own"
    ),
    ("a\n\nb\n", "line 2: it is empty, and would move the numbers of the classes behind it"),
    ("a 1 2 3\nb\n", "line 2: `b` has no colour, and the lines before have; write `name r g b`"),
    (
      "a\nb 1 2 3\n",
      "line 2: `b` has a colour, and the lines before have none; write all with colours or none"
    ),
    ("a 1 2 256\n", "line 1: 1 2 256 is no colour; its numbers are 0 to 255"),
  ])
  func aListThatContradictsItselfIsRefused(text: String, reason: String) throws {
    #expect(try failure(text) == "FOLDER/masks/classes.txt, " + reason)
  }

  @Test func aListNeedsOneTo255Classes() throws {
    #expect(
      try failure("\n")
        == "FOLDER/masks/classes.txt names no class; write one a line, in the order of the masks' numbers")
    let many = (0..<256).map { "class \($0)\n" }.joined()
    #expect(
      try failure(many)
        == "FOLDER/masks/classes.txt names 256 classes; 255 are the most, because 255 is the number of ignored pixels"
    )
  }
}
