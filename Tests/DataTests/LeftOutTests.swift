import Foundation
import Images
import Testing
@testable import Data

/// What lies beside images. The kinds are ones that will never be read: HEIC, JPEG 2000, SVG.
@Suite struct LeftOutFiles {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func write(_ names: String..., bytes: [UInt8] = [0, 1, 2, 3]) throws {
    for name in names { try folder.write(name, Data(bytes)) }
  }

  private func opened() throws -> Dataset { try Dataset.open(folder.path, allowsOneImage: true) }
  private func text() throws -> String { try opened().leftOut.text }
  private func message() -> String {
    do { return "opened: " + (try opened().summary) } catch {
      return "\(error)".replacingOccurrences(of: folder.path, with: "F")
    }
  }

  @Test func filesAreCountedByTheirKind() throws {
    try folder.image("a/1.png")
    try folder.image("b/deep/2.png")
    #expect(try opened().leftOut.isEmpty)
    try write(
      "a/1.heic", "a/2.HEIC", "b/deep/3.jp2", "b/clip.mp4", "a/1.txt", "labels.csv", "b/deep/er/3.json")
    let leftOut = try opened().leftOut
    #expect(leftOut.text == "2 .heic, 1 .csv, 1 .jp2, 1 .json, 1 .mp4, 1 other (not read as images)")
    #expect(leftOut.unread == [".heic": 2, ".jp2": 1, ".mp4": 1])
    #expect(leftOut.companions == [".txt": 1, ".csv": 1, ".json": 1])
    #expect(leftOut.isLoss)
    // The images are what they were, and a subset keeps what was left out.
    #expect(try opened().count == 2 && opened().subset(to: 1).leftOut == leftOut)
  }

  /// Of these a user knows, and nothing to train on is lost.
  @Test func textsAndTablesAreNamedAndNoLoss() throws {
    try folder.image("a/1.png")
    try write("README", "a/1.xml", "a/1.txt", "a/notes", "weights.pth", bytes: Array("a text\n".utf8))
    let leftOut = try opened().leftOut
    #expect(leftOut.text == "2 without ending, 1 .pth, 1 .txt, 1 .xml (not read as images)")
    #expect(!leftOut.isLoss)
  }

  @Test func filesOfTheSystemAreNotCounted() throws {
    try folder.image("a/1.png")
    try write(
      ".DS_Store", "a/.DS_Store", "a/._1.png", "Thumbs.db", "a/desktop.ini", ".ipynb_checkpoints/x.heic",
      "__MACOSX/a/x.heic", "a/.hidden.heic", "__pycache__/x.pyc")
    #expect(try opened().leftOut.isEmpty)
  }

  @Test func classesWithoutAnImageAreNamed() throws {
    try folder.image("a/1.png")
    try folder.makeFolder("empty")
    try write("b/1.heic", "b/2.heic", "b/c/3.svg", "annotations/1.xml", "annotations/2.xml")
    try write("only-system/Thumbs.db")
    let dataset = try opened()
    #expect(dataset.classNames == ["a"])
    #expect(
      dataset.leftOut.text
        == "2 .heic, 2 .xml, 1 .svg (not read as images); no image in annotations/ (2 .xml), b/ (2 .heic, 1 .svg), empty/ "
        + "(empty), only-system/ (empty)")
    #expect(dataset.leftOut.reason(for: "b") == "its folder holds no image, only 2 .heic, 1 .svg")
    #expect(dataset.leftOut.reason(for: "empty") == "its folder is empty")
    #expect(dataset.leftOut.reason(for: "a") == nil && dataset.leftOut.reason(for: "none") == nil)
    func isLoss(_ folders: LeftOut.Folder...) -> Bool { LeftOut(folders: folders).isLoss }
    #expect(isLoss(.init(name: "empty")) && isLoss(.init(name: "b", unread: [".heic": 1])))
    #expect(!isLoss(.init(name: "annotations", companions: [".xml": 2])))
  }

  @Test func manyClassesAreCutShort() throws {
    try folder.image("a/1.png")
    for number in 10..<20 { try folder.makeFolder("c\(number)") }
    #expect(
      try text() == "no image in c10/ (empty), c11/ (empty), c12/ (empty), c13/ (empty), c14/ (empty), 5 more"
    )
  }

  /// A folder of images has no classes: only what may be an image is missing from it.
  @Test func foldersBesideAFlatSetCountWhereTheyHoldPictures() throws {
    try folder.image("1.png")
    try folder.makeFolder("empty")
    try write("texts/1.txt", "more/2.heic", "3.svg")
    let leftOut = try opened().leftOut
    #expect(leftOut.text == "1 .heic, 1 .svg, 1 .txt (not read as images); no image in more/ (1 .heic)")
  }

  @Test func linksThatLeadNowhereOrBackAreNamed() throws {
    try folder.image("a/1.png")
    try folder.link("b", to: "a")
    try folder.link("a/gone.jpg", to: "nowhere.jpg")
    let leftOut = try opened().leftOut
    #expect(
      leftOut.text
        == "1 link that leads nowhere (not read as images); no image in b/ (read already under another name)")
    #expect(leftOut.isLoss)
    try folder.link("a/gone too.jpg", to: "nowhere.jpg")
    #expect(try text().hasPrefix("2 links that lead nowhere (not read"))
  }

  /// Reading one would wait for a writer.
  @Test func pipesAreNamed() throws {
    try folder.image("a/1.png")
    #expect(mkfifo(folder.path + "/a/control", 0o600) == 0)
    var leftOut = try opened().leftOut
    #expect(leftOut.text == "1 pipe or device (not read as images)" && !leftOut.isLoss)
    #expect(mkfifo(folder.path + "/a/p.jpg", 0o600) == 0)
    leftOut = try opened().leftOut
    #expect(leftOut.text == "2 pipes and devices (not read as images)" && leftOut.isLoss)
  }

  @Test func missingPartsOfAPublishedSetAreNamed() {
    let one = LeftOut(missing: ["data_batch_3"])
    #expect(one.text(of: "x") == "left out of x: data_batch_3 is not there" && one.isLoss && !one.isEmpty)
    #expect(
      LeftOut(missing: (1...7).map { "data_batch_\($0)" }).text
        == "data_batch_1, data_batch_2, data_batch_3, data_batch_4, data_batch_5, 2 more are not there")
  }

  /// By the first bytes where the name says nothing, or is known to be wrong often; never where it says text.
  @Test func anImageCountsUnderAnyName() throws {
    let png = try noise(side: 8, seed: 1).pngData()
    for name in ["plain", "x.1", "2021.03.07", "y.photo", "z.heic", "w.longerthantwelve"] {
      try folder.write(name, png)
    }
    for name in ["a.txt", "b.jpg.part", "c.json"] { try folder.write(name, png) }
    try write("d.dng", bytes: [0x49, 0x49, 0x2A, 0, 8, 0, 0, 0])
    try write("unknown.xyz")
    try write("empty.xyz", bytes: [])
    let dataset = try opened()
    #expect(
      (0..<dataset.count).map { dataset.name($0) }
        == ["2021.03.07", "plain", "w.longerthantwelve", "x.1", "y.photo", "z.heic"])
    #expect(dataset.leftOut.unread == [".dng": 1, ".xyz": 1])
    #expect(dataset.leftOut.companions == [".json": 1, ".part": 1, ".txt": 1, ".xyz": 1])
  }

  @Test func aFolderOfUnreadPicturesSaysWhatItHolds() throws {
    try write("x/1.heic", "x/2.heic", "y/3.jp2", "notes.txt")
    #expect(
      message()
        == "F holds no image that is read, only 2 .heic, 1 .jp2 in x/, y/; the formats are \(ImageFormat.names): convert "
        + "them to one of these")
  }

  @Test func anEmptyPathIsNamed() {
    let error = #expect(throws: DatasetError.self) { try Dataset.open("") }
    #expect(error?.description == "the path of the images is empty; name a folder, a list or shards")
  }
}
